//! Introspection (RFC 7662) for the phantom token pattern: the request, and the meaning of a response.

mod error_response;
mod request;
mod response;

pub use request::{FORWARDED_PROTO, IntrospectionRequest, request};
pub use response::{IntrospectionOutcome, IntrospectionResponse, MAX_RESPONSE_BYTES, classify};
