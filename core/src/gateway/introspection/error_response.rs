//! Introspection responses with an error status.

use crate::gateway::authorization_server::{Step, failed_with, oauth_error, rejected_client};
use crate::gateway::config::PhantomToken;
use crate::gateway::token_state::{InactiveReason, TokenOutcome};

/// Returns the meaning of a response whose status is neither HTTP 200 nor HTTP 204, at the time `now`, in seconds since 1970.
pub(crate) fn error_response(stage: &PhantomToken, status: u16, body: Option<&[u8]>, now: u64) -> TokenOutcome {
    let code = body.and_then(oauth_error);
    match (status, code.as_deref()) {
        // RFC 7009, section 2.2.1; RFC 6750, section 3.1: authorization servers use these codes if they do not
        // recognize a token.
        (400, Some("unsupported_token_type" | "invalid_token")) => {
            TokenOutcome::inactive(stage, InactiveReason::NotIntrospectable, now)
        }
        (400, Some("invalid_client")) | (401, _) => {
            TokenOutcome::Unusable(rejected_client(stage, Step::Introspection, status))
        }
        // Envoy responds with HTTP 504 if the callout times out. From the authorization server it means the same.
        (504, _) => TokenOutcome::TimedOut(Step::Introspection),
        _ => TokenOutcome::Unusable(failed_with(Step::Introspection, status)),
    }
}
