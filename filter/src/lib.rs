//! The Envoy filter: a thin proxy-wasm shell around `bff-core`.
//!
//! Envoy's callbacks become events of the gateway, and its effects become host calls. All rules are in the core, and
//! what every shell does alike is in `bff-shell`. A panic here would take down the VM of the whole worker, so nothing may
//! panic, and header values from outside are bytes, not strings.
#![allow(
    missing_docs,
    reason = "the SDK's macro makes a public function, and nothing here is for other crates"
)]
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
mod environment;
mod host;
mod metrics;
mod root;
mod stream;
mod worker;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|context_id| Box::new(root::Root::new(context_id)));
}}
