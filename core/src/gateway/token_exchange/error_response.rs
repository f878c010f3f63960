//! Responses to a token exchange with an error status (RFC 8693, section 2.2.2; RFC 6749, section 5.2).

use crate::gateway::authorization_server::{Step, failed_with, oauth_error, rejected_client};
use crate::gateway::config::PhantomToken;
use crate::gateway::token_state::{InactiveReason, TokenOutcome};

/// Returns the meaning of a response whose status is not HTTP 200. `is_introspected`: introspection has just called the token
/// active. `now`: the time in seconds since 1970.
pub(crate) fn error_response(
    stage: &PhantomToken,
    is_introspected: bool,
    status: u16,
    body: Option<&[u8]>,
    now: u64,
) -> TokenOutcome {
    use TokenOutcome::Unusable;
    let inactive = |reason| TokenOutcome::inactive(stage, reason, now);
    let code = body.and_then(oauth_error);
    match (status, code.as_deref()) {
        (400 | 401, Some("invalid_grant" | "invalid_token")) => inactive(InactiveReason::NotExchangeable),
        // RFC 8693, section 2.2.2 has this code for an invalid subject token. It may also be due to the configuration.
        (400, Some("invalid_request")) => match is_introspected {
            false => inactive(InactiveReason::NotExchangeable),
            true => Unusable(
                "token exchange failed: HTTP 400 invalid_request: check audience, resource and scopes of token_exchange, and what the authorization server permits the client",
            ),
        },
        (400 | 403, Some("invalid_target")) => inactive(InactiveReason::NotPermitted(
            "token exchange: invalid_target: the authorization server issues no token of this audience or resource for this token",
        )),
        (400 | 403, Some("invalid_scope")) => inactive(InactiveReason::NotPermitted(
            "token exchange: invalid_scope: the authorization server issues no token with these scopes for this token",
        )),
        (400 | 403, Some("access_denied")) => inactive(InactiveReason::NotPermitted(
            "token exchange: access_denied: the authorization server does not permit it",
        )),
        (400 | 403, Some("unauthorized_client")) => Unusable(
            "token exchange failed: unauthorized_client: permit the client to exchange tokens at the authorization server",
        ),
        (400, Some("unsupported_grant_type")) => Unusable(
            "token exchange failed: unsupported_grant_type: check token_endpoint, and whether the authorization server exchanges tokens",
        ),
        // Some authorization servers answer an unknown audience with this code, too.
        (400, Some("invalid_client")) => Unusable(
            "token exchange failed: HTTP 400 invalid_client: check `audience` of token_exchange, client_id, client_secret and client_authentication",
        ),
        (401, _) => Unusable(rejected_client(stage, Step::Exchange, status)),
        // Envoy responds with HTTP 504 if the callout times out. From the authorization server it means the same.
        (504, _) => TokenOutcome::TimedOut(Step::Exchange),
        _ => Unusable(failed_with(Step::Exchange, status)),
    }
}
