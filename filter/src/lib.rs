//! The Envoy filter: a thin shell around `bff-core`, in proxy-wasm.
//!
//! Envoy's callbacks become events of the gateway, its effects become host calls; every rule is in the core. A panic in
//! here would take the whole worker down, so nothing may panic, and header values are bytes and never text.
#![allow(
    missing_docs,
    reason = "the SDK's macro makes a public function; nothing here is for other crates"
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
