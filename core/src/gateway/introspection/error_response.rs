//! Introspection responses with an error status. The strings for the log and the access log are from a list that no
//! server can extend.

use serde_json::Value;

use crate::encoding::form;
use crate::gateway::config::{ClientAuthentication, PhantomToken};

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
        (400, Some("invalid_client")) => ErrorResponse::Failure(rejected_client(
            stage,
            "introspection failed: HTTP 400 invalid_client: check client_id, client_secret and client_authentication",
            "introspection failed: HTTP 400 invalid_client: many servers do not form-decode + / = : % and spaces of an id or a secret: try client_authentication: client_secret_post",
        )),
        (401, _) => ErrorResponse::Failure(rejected_client(
            stage,
            "introspection failed: HTTP 401: check client_id, client_secret and client_authentication",
            "introspection failed: HTTP 401: many servers do not form-decode + / = : % and spaces of an id or a secret: try client_authentication: client_secret_post",
        )),
        // Envoy responds with HTTP 504 if the callout times out. From the authorization server it means the same.
        (504, _) => ErrorResponse::TimedOut,
        _ => ErrorResponse::Failure(failed_with(status)),
    }
}

/// Returns the OAuth error code of an error response (RFC 6749, section 5.2), whatever its `Content-Type`.
fn oauth_error(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("error")?.as_str().map(str::to_owned)
}

fn rejected_client(stage: &PhantomToken, plain: &'static str, with_hint: &'static str) -> &'static str {
    let is_changed = [stage.client_id.as_str(), &stage.client_secret]
        .iter()
        .any(|part| form::is_changed_by_encoding(part));
    match stage.client_authentication {
        ClientAuthentication::ClientSecretBasic if is_changed => with_hint,
        ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost => plain,
    }
}

/// Returns a string for each status that servers use, and one for each class of the others.
fn failed_with(status: u16) -> &'static str {
    macro_rules! strings {
        ($($status:literal)*) => {
            match status {
                403 => "introspection failed: HTTP 403: the authorization server does not let this client introspect",
                503 => "introspection failed: HTTP 503, which Envoy also answers if it cannot reach the authorization server",
                $($status => concat!("introspection failed: HTTP ", $status),)*
                100..=199 => "introspection failed: HTTP 1xx",
                200..=299 => "introspection failed: HTTP 2xx",
                300..=399 => "introspection failed: HTTP 3xx",
                400..=499 => "introspection failed: HTTP 4xx",
                500..=599 => "introspection failed: HTTP 5xx",
                _ => "introspection failed: the response has no HTTP status",
            }
        };
    }
    strings!(201 202 301 302 303 307 308 400 402 404 405 406 407 408 409 410 411 412 413 414 415 421 422 425 426 429 431 451
        500 501 502 505 507 508 511 520 521 522 523 524 525 526 530)
}
