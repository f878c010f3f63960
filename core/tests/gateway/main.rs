//! The gateway, driven by data: events in, effects out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod attributes;
mod bearer;
mod bound_tokens;
mod claims_in_headers;
mod configuration;
mod cookie_stage;
mod device_binding;
mod ended_sessions;
mod flights;
mod introspection;
mod introspection_client;
mod jwt_access_tokens;
mod notices;
mod open_streams;
mod refused_introspection;
mod route_requirements;
mod sequences;
mod several_cookies;
mod shared_memory;
mod step_up;
mod strangers;
mod support;
mod token_exchange;
mod upstream_headers;
