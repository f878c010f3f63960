//! Introspection responses with an error status.

use crate::gateway::authorization_server::{Step, failed_with, oauth_error, rejected_client};
use crate::gateway::config::PhantomToken;

/// What an error response says about the token.
pub(crate) enum ErrorResponse {
    /// The authorization server does not recognize it as a token that can be introspected.
    NotIntrospectable,
    /// Nothing: the cause is the client or the authorization server. The string is for the log.
    Failure(&'static str),
    /// Nothing: there was no response in time.
    TimedOut,
}

/// Returns the meaning of a response whose status is neither HTTP 200 nor HTTP 204.
pub(crate) fn error_response(stage: &PhantomToken, status: u16, body: Option<&[u8]>) -> ErrorResponse {
    let code = body.and_then(oauth_error);
    match (status, code.as_deref()) {
        // RFC 7009, section 2.2.1; RFC 6750, section 3.1: authorization servers use these codes if they do not
        // recognize a token.
        (400, Some("unsupported_token_type" | "invalid_token")) => ErrorResponse::NotIntrospectable,
        (400, Some("invalid_client")) | (401, _) => {
            ErrorResponse::Failure(rejected_client(stage, Step::Introspection, status))
        }
        // Envoy responds with HTTP 504 if the callout times out. From the authorization server it means the same.
        (504, _) => ErrorResponse::TimedOut,
        _ => ErrorResponse::Failure(failed_with(Step::Introspection, status)),
    }
}
