//! Helpers for the tests of the whole system: real Envoy with the real filter, real authorization server, real API.
//!
//! The tests are in `tests/tests`. `cargo xtask test` builds what they need and passes the paths. A helper that
//! replaces a real part says so in its name.
#![allow(
    clippy::missing_panics_doc,
    reason = "these are test helpers: a panic is how they report a failed expectation"
)]

pub mod applications;
pub mod bounded;
pub mod client_credentials;
pub mod cookie_keys;
pub mod device;
pub mod disclosure;
pub mod discovered_filter;
pub mod dynamic_listeners;
pub mod echoing_api;
pub mod elf;
pub mod exchanging_server;
pub mod faulty_authorization_server;
pub mod guarding_api;
pub mod hostile_client;
pub mod http1;
pub mod http2;
pub mod image_registry;
pub mod kubernetes;
pub mod mounted_volume;
pub mod named_blocks;
pub mod nginx;
pub mod open_streams;
pub mod otlp_receiver;
pub mod partner;
pub mod program;
pub mod promql;
mod proxy;
pub mod random;
pub mod reconfigured_service;
pub mod recording_api;
pub mod reference;
pub mod renamed_server;
pub mod repository;
pub mod request_corpus;
pub mod rotating_keys;
pub mod scaled;
pub mod scripted_api;
pub mod scripted_introspection;
pub mod sealing;
pub mod setup;
pub mod shipped;
pub mod slow_clients;
pub mod steady_load;
pub mod streaming_api;
pub mod two_replicas;
pub mod user_agent;
pub mod web_socket_api;
pub mod wrong_cookies;
