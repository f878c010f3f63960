//! Introspection (RFC 7662) for the phantom token pattern: the request, and what a response means.

mod error_response;
mod request;
mod response;

pub use request::{FORWARDED_PROTO, IntrospectionRequest, request};
pub use response::{IntrospectionOutcome, IntrospectionResponse, MAX_RESPONSE_LEN, classify};
