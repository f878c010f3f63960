//! The response to the proxy for a decision.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Decision, Forward};
use bff_core::gateway::error_code::ErrorCode;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::rejection::Rejection;
use bff_core::gateway::untrusted_headers;

use crate::telemetry::logging::AUDIT;

/// Tells Envoy's `ext_authz` which headers to remove from the request.
const TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";

/// The error code of a rejection.
pub(super) fn error_code(decision: &Decision) -> Option<&'static str> {
    match decision {
        Decision::Forward(_) => None,
        Decision::Reject(rejection) => Some(rejection.code.code()),
    }
}

/// The response to the proxy.
pub(super) fn to_response(decision: &Decision, rules: &Config, request: &HttpRequest) -> HttpResponse {
    match decision {
        Decision::Forward(Forward { mutations, .. }) => forward(rules, request, mutations),
        Decision::Reject(rejection) => reject(rejection),
    }
}

/// The decision after an error of the service, or of the proxy in front of it.
pub(super) fn server_error(details: &'static str) -> Decision {
    Decision::Reject(Rejection::new(ErrorCode::ServerError, details))
}

/// HTTP 200 with the headers for the API. If cookies remain, the response contains the complete `Cookie` header, for
/// proxies that can only replace a header. The response lists for removal the headers that a caller may not send to the
/// API, with `-`, `_` and `.`, except those that it sets, because the proxy may not have sent the caller's headers to
/// this service. Headers that the proxy sent are also listed in their received spelling.
fn forward(rules: &Config, request: &HttpRequest, mutations: &HeaderMutations) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    let mut keeps_cookie = true;
    for (name, value) in mutations.headers_to_set() {
        keeps_cookie &= name != "cookie";
        response.insert_header((name, value));
    }
    let mut removed: Vec<String> = mutations.remove.iter().map(|name| name.to_string()).collect();
    for ours in untrusted_headers::names(rules) {
        for name in [ours.to_owned(), ours.replace('-', "_"), ours.replace('-', ".")] {
            let is_set = mutations.headers_to_set().any(|(set, _)| set == name);
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

fn reject(rejection: &Rejection) -> HttpResponse {
    let status = rejection.code.status();
    let level = if status < 500 {
        log::Level::Info
    } else {
        log::Level::Error
    };
    let code = rejection.code.code();
    log::log!(
        target: AUDIT,
        level,
        event = "refused",
        endpoint = "authorize",
        status = status,
        code = code,
        reason = code;
        "refused authorize: {rejection}"
    );
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if let Some(challenge) = rejection.challenge() {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    response.body(rejection.body())
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use bff_core::gateway::authentication::AuthenticationRequirement;
    use serde_json::{Value, json};

    use super::*;

    #[actix_web::test]
    async fn a_step_up_of_authorize_is_as_the_filters() {
        let rejection = Rejection {
            bearer_error: Some("insufficient_user_authentication"),
            authentication: Some(Box::new(AuthenticationRequirement {
                acr_values: vec!["gold".to_owned(), "silver".to_owned()],
                max_age: Some(300),
            })),
            ..Rejection::new(ErrorCode::InsufficientUserAuthentication, "test")
        };
        let response = reject(&rejection);
        assert_eq!(response.status(), 401);
        let challenge = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            challenge.ends_with(r#"acr_values="gold silver", max_age="300""#),
            "{challenge}"
        );
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        assert_eq!(
            (&body["acr_values"], &body["max_age"]),
            (&json!("gold silver"), &json!(300))
        );
    }
}
