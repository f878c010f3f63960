//! The steps of the token stage.

/// A step of the token stage. Each is one request to the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Introspection (RFC 7662).
    Introspection,
    /// Token exchange (RFC 8693).
    Exchange,
}
