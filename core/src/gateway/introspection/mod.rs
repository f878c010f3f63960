//! Introspection (RFC 7662) for the phantom token pattern: the request, and the meaning of a response.

mod error_response;
mod request;
mod response;

pub use request::request;
pub use response::classify;
