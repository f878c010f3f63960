//! The BFF service: an HTTP API that does the OpenID Connect work of a single page application and hands its browser
//! sealed, HttpOnly cookies instead of tokens. `docs/CONTRACT.md`, sections 1 and 2, is its specification.
//!
//! * [`application`]: what is made of the configuration, for each application that is served.
//! * [`api`]: the endpoints, and the one path that every request takes to them.
//! * [`session`]: what the cookies hold, how they are read and written, and how concurrent refreshes become one.
//! * [`exchanges`]: how a code or a refresh token is exchanged without being lost.
//! * [`oauth`]: the authorization server's client: metadata, keys, tokens.
//! * [`http_client`]: how requests travel to it.
//! * [`config`], [`check`]: the configuration file and its validation; [`rotation`]: what of it changes while it is in use;
//!   [`keys_command`]: making cookie keys.
//! * [`admin`], [`metrics`], [`logging`], [`trace`]: what operators look at.

pub mod admin;
pub mod api;
pub mod application;
pub mod authorize;
pub mod check;
pub mod clock;
pub mod config;
pub mod exchanges;
pub mod http_client;
pub mod keys_command;
pub mod logging;
pub mod metrics;
pub mod oauth;
pub mod random;
pub mod ready;
pub mod rotation;
pub mod server;
pub mod session;
pub mod signals;
pub mod trace;
