//! The Envoy filter as a native module: a thin shell around `bff-core` for Envoy's dynamic modules.
//!
//! Envoy's calls (hooks, in Envoy's ABI) become events of the gateway, and the gateway's effects become calls of Envoy
//! (callbacks, in Envoy's ABI). All rules are in the core, and what every
//! shell does alike is in `bff-shell`. `abi` declares Envoy's functions and is the only place that is not safe Rust. It
//! offers [`envoy::Envoy`] to everything else. A panic is caught at each hook: otherwise it would take down the whole
//! of Envoy.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm
)]

mod abi;
mod configuration;
mod ended_sessions;
mod envoy;
mod memories;
mod registry;
mod request_counts;
mod secrets;
mod span;
mod stream;
#[cfg(test)]
mod tests;
mod ticker;
mod waiting;
