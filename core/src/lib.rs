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

pub mod access_token;
pub mod admission;
pub mod base64url;
mod bounded;
mod bytes;
pub mod cache;
pub mod cache_control;
pub mod config;
pub mod cookie;
pub mod counts;
pub mod csrf;
pub mod current_session;
pub mod ended;
mod ended_copy;
pub mod fetch_metadata;
mod flights;
mod foreseen_aes;
pub mod form;
pub mod gate;
pub mod grant;
pub mod head;
pub mod introspect;
mod introspection_errors;
mod jwt;
pub mod keys;
pub mod names;
pub mod notices;
mod opened_cookies;
pub mod origin;
pub mod reply;
pub mod seal;
mod stage_hash;
mod trace_context;
mod visitor;
mod xaes;
