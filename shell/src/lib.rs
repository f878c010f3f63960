//! The gateway in Envoy, whichever way Envoy loads it: as a proxy-wasm module (`filter`) or as a native module (`module`).
//!
//! A shell turns Envoy's callbacks into events of [`Worker`], which carries out what the gateway decides by calls of a
//! [`Host`]. What differs between the shells is in `filter` and `module`. A panic that nothing catches takes down a VM or
//! the whole process, so nothing here may panic.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm
)]

pub mod host;
pub mod local_reply;
pub mod metrics;
pub mod worker;
