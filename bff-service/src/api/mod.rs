//! The HTTP API (`docs/CONTRACT.md`, section 1).
//!
//! Every request takes the one path through [`router`]: which application, which path, Origin and Fetch Metadata,
//! preflight, method, body, and only then the endpoint's own work; and every response leaves through `respond`. There is
//! no other router in front of the checks that a new endpoint could be registered past.
//!
//! * [`router`]: that path; [`call`]: what an endpoint gets.
//! * `endpoint`: the table of endpoints; `endpoints`: what each of them does.
//! * `checks`, `body`: what is refused before an endpoint has a look.
//! * `answer`, `error`, `respond`, `cors`: what comes of it.
//! * `record`: what operators see of it.
//! * [`openapi`]: the description of all that.

mod answer;
mod body;
pub mod call;
mod checks;
mod cors;
mod endpoint;
mod endpoints;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod openapi;
mod record;
mod respond;
pub mod router;
