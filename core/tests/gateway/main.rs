//! The gate, driven as data: events in, effects out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod bearer;
mod configuration;
mod cookie_stage;
mod ended_sessions;
mod entry_points;
mod flights;
mod introspection;
mod introspection_client;
mod jwt_access_tokens;
mod notices;
mod refused_introspection;
mod sequences;
mod strangers;
mod support;
