//! The HTTP endpoints (`docs/CONTRACT.md`, section 1).
//!
//! Every request that the HTTP library accepts at the listener of the endpoints passes through [`router`]: the document
//! at the well-known path, application, path, preflight, Origin and Fetch Metadata, method, body, and then the endpoint.
//! `respond` builds the response. That listener has no other router with which a new endpoint could be registered to
//! avoid the checks.
//!
//! * [`router`]: routing and checks; [`call`]: the request that an endpoint gets.
//! * `endpoint`: the table of endpoints; `endpoints`: their implementation.
//! * `checks`, `body`: the checks of a request, and its body.
//! * `success`, `error`, `respond`, `cors`: the response.
//! * `record`: metrics, audit lines and spans.
//! * [`openapi`]: the description of the endpoints.
//! * [`end_sessions`]: an endpoint of the admin listener, with its own checks and responses.

mod body;
pub mod call;
mod checks;
mod cors;
pub mod end_sessions;
mod endpoint;
mod endpoints;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod openapi;
mod record;
mod respond;
pub mod router;
mod success;
