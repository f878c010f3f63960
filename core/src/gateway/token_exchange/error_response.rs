//! Responses to a token exchange with an error status (RFC 8693, section 2.2.2; RFC 6749, section 5.2).

use crate::gateway::authorization_server::{Step, failed_with, oauth_error, rejected_client};
use crate::gateway::config::PhantomToken;
use crate::gateway::token_state::InactiveReason;

/// What an error response says.
pub(crate) enum ErrorResponse {
    /// The authorization server does not exchange the subject token.
    Inactive(InactiveReason),
    /// Nothing about the token: the cause is the client or the authorization server. The string is for the log.
    Failure(&'static str),
    /// Nothing: there was no response in time.
    TimedOut,
}

/// Returns the meaning of a response whose status is not HTTP 200. `is_introspected`: introspection has just called the token
/// active.
pub(crate) fn error_response(
    stage: &PhantomToken,
    is_introspected: bool,
    status: u16,
    body: Option<&[u8]>,
) -> ErrorResponse {
    use ErrorResponse::{Failure, Inactive};
    let code = body.and_then(oauth_error);
    match (status, code.as_deref()) {
        (400 | 401, Some("invalid_grant" | "invalid_token")) => Inactive(InactiveReason::NotExchangeable),
        // RFC 8693, section 2.2.2 has this code for an invalid subject token. It may also be due to the configuration.
        (400, Some("invalid_request")) => match is_introspected {
            false => Inactive(InactiveReason::NotExchangeable),
            true => Failure(
                "token exchange failed: HTTP 400 invalid_request: check audience, resource and scopes of token_exchange, and what the authorization server permits the client",
            ),
        },
        (400 | 403, Some("invalid_target")) => Inactive(InactiveReason::NotPermitted(
            "token exchange: invalid_target: the authorization server issues no token of this audience or resource for this token",
        )),
        (400 | 403, Some("invalid_scope")) => Inactive(InactiveReason::NotPermitted(
            "token exchange: invalid_scope: the authorization server issues no token with these scopes for this token",
        )),
        (400 | 403, Some("access_denied")) => Inactive(InactiveReason::NotPermitted(
            "token exchange: access_denied: the authorization server does not permit it",
        )),
        (400 | 403, Some("unauthorized_client")) => Failure(
            "token exchange failed: unauthorized_client: permit the client to exchange tokens at the authorization server",
        ),
        (400, Some("unsupported_grant_type")) => Failure(
            "token exchange failed: unsupported_grant_type: check token_endpoint, and whether the authorization server exchanges tokens",
        ),
        // Some servers answer an unknown audience with this code, too.
        (400, Some("invalid_client")) => Failure(
            "token exchange failed: HTTP 400 invalid_client: check audience of token_exchange, client_id, client_secret and client_authentication",
        ),
        (401, _) => Failure(rejected_client(stage, Step::Exchange, status)),
        // Envoy responds with HTTP 504 if the callout times out. From the authorization server it means the same.
        (504, _) => ErrorResponse::TimedOut,
        _ => Failure(failed_with(Step::Exchange, status)),
    }
}
