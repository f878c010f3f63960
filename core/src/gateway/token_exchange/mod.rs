//! Token exchange (RFC 8693) of the caller's access token, the *subject token*, for an access token of the API: the request,
//! and the meaning of a response. The request names no actor: the authorization server decides about `act` and `may_act`.

mod error_response;
mod request;
mod response;

use super::config::TokenExchange;
use super::token_info::TokenInfo;
use super::token_state::InactiveReason;

pub use request::request;
pub use response::{Subject, classify};

/// Checks what the configuration requires of the subject token before it is exchanged.
///
/// # Errors
/// Why the token must not be exchanged.
pub(crate) fn check_subject(exchange: &TokenExchange, info: &TokenInfo) -> Result<(), InactiveReason> {
    let is_for = |audience: &String| info.audiences.contains(audience);
    if !exchange.subject.audience.as_ref().is_none_or(is_for) {
        return Err(InactiveReason::OtherAudience);
    }
    match exchange.subject.scopes.iter().all(|scope| info.scopes.contains(scope)) {
        true => Ok(()),
        false => Err(InactiveReason::NotPermitted(
            "the token lacks a scope of token_exchange.subject_scopes",
        )),
    }
}
