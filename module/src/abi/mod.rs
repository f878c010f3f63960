//! Envoy's C ABI for dynamic modules (`source/extensions/dynamic_modules/abi/abi.h`), as far as this filter needs it, and
//! what makes it safe. Nothing outside of this folder is unsafe.
//!
//! Only functions that Envoy 1.39 and 1.40 both have are named: Envoy may bind all symbols when it loads the module.
#![allow(
    unsafe_code,
    reason = "functions of another language, and pointers that it keeps for us"
)]

mod callbacks;
mod hooks;
mod host;
mod metrics;
#[cfg(test)]
pub(crate) mod simulation;
mod span;
mod stream_host;
