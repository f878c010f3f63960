//! The BFF service: the OpenID Connect client of a single page application, which gives the browser sealed, HttpOnly
//! cookies instead of tokens. `docs/CONTRACT.md`, sections 1, 2 and 4, is its specification.
//!
//! From the top down; except in tests, no module imports one that is above it:
//!
//! * [`cli`], [`server`]: the commands, the two listeners and the background tasks.
//! * [`api`], [`authorize`]: the HTTP endpoints, and the gateway's decisions for proxies.
//! * [`application`]: a configured application, and the settings that the service reloads.
//! * [`session`]: the content of the cookies, reading and writing them, concurrent refreshes, ended sessions, and
//!   sessions that are bound to a device.
//! * [`oauth`]: the OAuth and OpenID Connect client: metadata, grants, validation of responses.
//! * [`config`]: the configuration file and its validation.
//! * [`jose`], [`http_client`]: signatures, and HTTP requests.
//! * [`telemetry`]: the log, the traces and the metrics.
//! * [`error_code`], [`clock`], [`random`], [`version`]: error codes; time and randomness, which pure functions take as
//!   arguments; which build this is.

// A wildcard arm would silently include a new variant of an enum.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

pub mod api;
pub mod application;
pub mod authorize;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error_code;
pub mod http_client;
pub mod jose;
pub mod oauth;
pub mod random;
pub mod server;
pub mod session;
pub mod telemetry;
pub mod version;
