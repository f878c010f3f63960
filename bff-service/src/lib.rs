//! The BFF service: an HTTP API that does the OpenID Connect work of a single page application and hands its browser
//! sealed, HttpOnly cookies instead of tokens. `docs/CONTRACT.md`, sections 1 and 2, is its specification.
//!
//! From the top down; nothing imports what stands above it:
//!
//! * [`cli`], [`server`]: the commands, and the two listeners with all that runs beside them.
//! * [`api`], [`authorize`]: the endpoints for browsers, and the decision for proxies.
//! * [`application`]: what is made of the configuration, for each application that is served.
//! * [`session`]: what the cookies hold, how they are read and written, and how concurrent refreshes become one.
//! * [`oauth`]: the authorization server's client: metadata, grants, what is believed of its answers.
//! * [`config`]: the configuration file and its validation.
//! * [`jose`], [`http_client`]: signatures, and requests.
//! * [`telemetry`]: the log, the traces and the metrics.
//! * [`clock`], [`random`]: what a pure function takes as an argument.

// A new variant of ours must not fall silently into what was meant for the others.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

pub mod api;
pub mod application;
pub mod authorize;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http_client;
pub mod jose;
pub mod oauth;
pub mod random;
pub mod server;
pub mod session;
pub mod telemetry;
