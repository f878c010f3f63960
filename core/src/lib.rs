//! The rules of the Backend for Frontend, used by the Envoy filter and by the service.
//!
//! Nothing here does I/O, reads a clock, draws a random number or writes a log: time and nonces are arguments, and what
//! should happen is returned as data.
//!
//! Layers, each of which imports those above it in this list alone:
//! - [`encoding`]: base64url, hexadecimal digits, forms, comparing bytes.
//! - [`crypto`]: the cipher, and the key ring.
//! - [`cookie`]: what a cookie is for, its name, what is sealed in it, and where it is in a request.
//! - [`request`]: a request's head, Origin and Fetch Metadata, trace context, the bytes of an access token.
//! - [`session`]: whose session a request is of, the CSRF value, and which sessions have ended.
//! - [`jwt`]: the form of a JWT, and the claims that the service and the filter both read.
//! - [`gateway`]: the state machine of the filter and of `/authorize`.
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::wildcard_enum_match_arm,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

pub mod cookie;
pub mod crypto;
pub mod encoding;
pub mod error_body;
pub mod gateway;
pub mod jwt;
pub mod request;
pub mod session;
