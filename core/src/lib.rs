//! The rules of the Backend for Frontend, shared by the service and the Envoy filter.
//!
//! Nothing here does I/O, reads a clock, generates a random number or logs: time and nonces are arguments, and effects
//! are returned as data.
//!
//! The layers, each of which imports only from those above it in this list:
//! - [`encoding`]: base64url, hexadecimal digits, form encoding, comparison of bytes.
//! - [`crypto`]: the cipher and the key ring.
//! - [`cookie`]: the purposes, names and sealed contents of the cookies, and the cookies in a request.
//! - [`request`]: request head, Origin and Fetch Metadata, trace context, the bytes of an access token.
//! - [`session`]: the session of a request, the CSRF value, and ended sessions.
//! - [`jwt`]: the form of a JWT, and the claims that both the service and the filter read.
//! - [`error_body`]: the body of error responses.
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
