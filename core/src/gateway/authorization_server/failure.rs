//! What responses with an error status have in common in every step of the token stage. The strings for the log and the
//! access log are from a list that no server can extend.

use serde_json::Value;

use super::step::Step;
use crate::encoding::form;
use crate::gateway::config::{ClientAuthentication, PhantomToken};

/// Returns the OAuth error code of an error response (RFC 6749, section 5.2), whatever its `Content-Type`.
pub(crate) fn oauth_error(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("error")?.as_str().map(str::to_owned)
}

/// Returns the string for a response that rejects the client's credentials: HTTP 401, or HTTP 400 with `invalid_client`.
pub(crate) fn rejected_client(stage: &PhantomToken, step: Step, status: u16) -> &'static str {
    macro_rules! strings {
        ($failed:literal) => {
            match (status, is_decoding_in_doubt(stage)) {
                (400, false) => concat!(
                    $failed,
                    "HTTP 400 invalid_client: check client_id, client_secret and client_authentication"
                ),
                (400, true) => concat!(
                    $failed,
                    "HTTP 400 invalid_client: many servers do not form-decode + / = : % and spaces of an id or a secret: try client_authentication: client_secret_post"
                ),
                (_, false) => concat!(
                    $failed,
                    "HTTP 401: check client_id, client_secret and client_authentication"
                ),
                (_, true) => concat!(
                    $failed,
                    "HTTP 401: many servers do not form-decode + / = : % and spaces of an id or a secret: try client_authentication: client_secret_post"
                ),
            }
        };
    }
    match step {
        Step::Introspection => strings!("introspection failed: "),
        Step::Exchange => strings!("token exchange failed: "),
    }
}

fn is_decoding_in_doubt(stage: &PhantomToken) -> bool {
    let is_changed = [stage.client_id.as_str(), &stage.client_secret]
        .iter()
        .any(|part| form::is_changed_by_encoding(part));
    match stage.client_authentication {
        ClientAuthentication::ClientSecretBasic => is_changed,
        ClientAuthentication::ClientSecretPost => false,
    }
}

/// Returns a string for each status that servers commonly use, and one for each class of the others.
pub(crate) fn failed_with(step: Step, status: u16) -> &'static str {
    macro_rules! strings {
        ($failed:literal $forbidden:literal: $($status:literal)*) => {
            match status {
                403 => concat!($failed, "HTTP 403: the authorization server does not let this client ", $forbidden),
                503 => concat!($failed, "HTTP 503, which Envoy also answers if it cannot reach the authorization server"),
                $($status => concat!($failed, "HTTP ", $status),)*
                100..=199 => concat!($failed, "HTTP 1xx"),
                200..=299 => concat!($failed, "HTTP 2xx"),
                300..=399 => concat!($failed, "HTTP 3xx"),
                400..=499 => concat!($failed, "HTTP 4xx"),
                500..=599 => concat!($failed, "HTTP 5xx"),
                _ => concat!($failed, "the response has no HTTP status"),
            }
        };
    }
    macro_rules! for_each_status {
        ($failed:literal, $forbidden:literal) => {
            strings!($failed $forbidden: 201 202 204 301 302 303 307 308 400 402 404 405 406 407 408 409 410 411 412 413 414
                415 421 422 425 426 429 431 451 500 501 502 505 507 508 511 520 521 522 523 524 525 526 530)
        };
    }
    match step {
        Step::Introspection => for_each_status!("introspection failed: ", "introspect"),
        Step::Exchange => for_each_status!("token exchange failed: ", "exchange tokens"),
    }
}
