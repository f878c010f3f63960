//! What was decided on a request, and how the proxy is told.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use bff_core::admission::{self, Edits, Refused};
use bff_core::config::Config;
use bff_core::reply::Refusal;

use crate::telemetry::logging::AUDIT;

/// What Envoy's `ext_authz` is to remove from the request.
const TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";

/// A decision of the gate.
pub(super) enum Decision {
    /// The request goes on, changed in this way.
    Forward(Edits),
    /// It does not.
    Refuse(Refused),
}

impl Decision {
    /// The error code of a refusal.
    pub(super) fn error_code(&self) -> Option<&'static str> {
        match self {
            Decision::Forward(_) => None,
            Decision::Refuse(refused) => Some(refused.refusal.code()),
        }
    }

    /// The response that says so.
    pub(super) fn to_response(&self, rules: &Config, request: &HttpRequest) -> HttpResponse {
        match self {
            Decision::Forward(edits) => forward(rules, request, edits),
            Decision::Refuse(refused) => refuse(refused),
        }
    }

    /// The decision where none could be made.
    pub(super) fn fault(why: &'static str) -> Decision {
        Decision::Refuse(Refused {
            refusal: Refusal::ServerError,
            bearer_error: None,
            scopes: Vec::new(),
            why,
        })
    }
}

/// 200 with the headers that the API is to get. `Cookie` is always said as it is to be, for proxies that can only put one
/// in the place of another. What only the filter sets is always said to be removed, with `-`, with `_` and with `.`: the proxy
/// may not have told of the client's own. Those of which it has are named in whatever spelling they came.
fn forward(rules: &Config, request: &HttpRequest, edits: &Edits) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    let mut keeps_cookie = true;
    for (name, value) in edits.set() {
        keeps_cookie &= name != "cookie";
        response.insert_header((name, value));
    }
    let mut removed: Vec<String> = edits.remove.iter().map(|name| name.to_string()).collect();
    for ours in admission::own_headers(rules) {
        for name in [ours.to_owned(), ours.replace('-', "_"), ours.replace('-', ".")] {
            let is_set = edits.set().any(|(set, _)| set == name);
            if !is_set && !removed.contains(&name) {
                removed.push(name);
            }
        }
    }
    if keeps_cookie && !removed.iter().any(|name| name == "cookie") {
        let lines: Vec<&[u8]> = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes).collect();
        if !lines.is_empty() {
            response.insert_header((COOKIE, lines.join(&b"; "[..])));
        }
    }
    if !removed.is_empty() {
        response.insert_header((TO_REMOVE, removed.join(",")));
    }
    response.finish()
}

fn refuse(refused: &Refused) -> HttpResponse {
    let status = refused.refusal.status();
    let level = if status < 500 {
        log::Level::Info
    } else {
        log::Level::Error
    };
    let code = refused.refusal.code();
    log::log!(
        target: AUDIT,
        level,
        event = "refused",
        endpoint = "authorize",
        status = status,
        code = code,
        reason = code;
        "refused authorize: {refused}"
    );
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if let Some(challenge) = refused.challenge() {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    response.body(refused.refusal.body())
}
