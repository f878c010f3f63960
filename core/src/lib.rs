//! The rules of the Backend for Frontend, used by both of its halves: the Envoy filter and the service.
//!
//! Nothing here does I/O, reads a clock, draws a random number or writes a log: time and nonces are arguments, and what
//! should happen is returned as data.
//!
//! - What is in a cookie: [`seal`], with the keys of [`keys`].
//! - Where a cookie is: [`names`], [`cookie`].
//! - Which sessions are over: [`ended`].
//! - Who may call: [`origin`], [`fetch_metadata`], [`csrf`].
//! - What a refusal looks like: [`reply`].
//! - The gateway, a state machine: [`gate`], set up by [`config`]; it asks the authorization server ([`introspect`]) and
//!   remembers the answers ([`cache`]) and what they are worth ([`grant`]).
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unreachable
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test that panics has failed, which is what it is for"
    )
)]

pub mod cookie;
pub mod crypto;
pub mod encoding;
pub mod error_body;
pub mod error_code;
pub mod gateway;
pub mod jwt;
pub mod request;
pub mod session;
