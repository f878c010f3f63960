//! The BFF service: an HTTP API that does the OpenID Connect work of a single page application and hands its browser
//! sealed, HttpOnly cookies instead of tokens. `docs/CONTRACT.md`, sections 1 and 2, is its specification.
//!
//! From the top down; no module imports one that is above it:
//!
//! * [`cli`], [`server`]: the commands, and the two listeners with everything that runs beside them.
//! * [`api`], [`authorize`]: the endpoints for browsers, and the gateway's decision for proxies.
//! * [`application`]: a configured application, and what may change while it runs.
//! * [`session`]: the content of the cookies, how they are read and written, and how concurrent refreshes become one.
//! * [`oauth`]: the OAuth and OpenID Connect client: metadata, grants, validation of responses.
//! * [`config`]: the configuration file and its validation.
//! * [`jose`], [`http_client`]: signatures, and requests.
//! * [`telemetry`]: the log, the traces and the metrics.
//! * [`error_code`], [`clock`], [`random`]: the table of error codes; time and randomness, which pure functions take as arguments.

// A new variant of ours must not fall silently into what was meant for the others.
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
