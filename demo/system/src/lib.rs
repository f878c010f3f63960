//! Starts the whole demo system on one machine: certificates, secrets, configuration, and the processes in their order.
//!
//! `cargo xtask up` runs one system at the well-known ports. The tests run several at once, each with a directory and
//! ports of its own:
//!
//! ```no_run
//! # use demo_system::{Artifacts, Component, Options, System};
//! let mut options = Options::for_tests("target/tests/example");
//! options.access_token_seconds = 5;
//! let system = System::start(&Artifacts::from_env()?, options)?;
//! println!("open {}", system.www());
//! system.stop(Component::AuthorizationServer);
//! # Ok::<(), demo_system::Error>(())
//! ```
//!
//! Dropping the [`System`] stops all of it. On Linux so does the death of this process, however it dies.

mod artifacts;
mod bff_config;
mod certificates;
mod commands;
mod component;
pub mod containers;
mod control;
mod envoy_config;
mod error;
pub mod files;
mod group;
mod native_module;
mod options;
mod ports;
mod probe;
mod process;
mod secrets;
mod spawner;
mod system;

pub use self::artifacts::Artifacts;
pub use self::bff_config::bff_toml;
pub use self::component::Component;
pub use self::control::Control;
pub use self::error::Error;
pub use self::group::{ChildGroup, Signal};
pub use self::native_module::with_native_module;
pub use self::options::{Options, variable};
pub use self::ports::{Ports, free_port};
pub use self::probe::get;
pub use self::system::System;
