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
mod sequences;
mod support;
