//! `POST /end-sessions` on the admin listener: an operator ends the sessions of a user, of a login, or all that began
//! before a time. It exists only if `admin.token` is configured.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use bff_core::cookie::session_id::SubjectHash;
use bff_core::error_body::error_body;
use bff_core::request::values::Values;
use bff_core::session::ended_sessions::Ended;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::body::{self, BodyKind};
use super::error::{ApiError, Reason};
use super::record::{count, log_rejection};
use crate::application::Application;
use crate::clock;
use crate::config::Secret;
use crate::telemetry::logging::{AUDIT, subject};
use crate::telemetry::metrics::LogoutParty;
use crate::telemetry::request_context::RequestContext;

/// The name in metrics and in the log.
const NAME: &str = "end_sessions";

/// What to end: exactly one of these.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    User(User),
    Login(Login),
    /// All sessions that began before this time, in seconds since 1970.
    BeganBefore(u64),
}

/// A user, by the identifier that the authorization server has for them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    iss: String,
    sub: String,
}

/// A login, which is the authorization server's own session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    iss: String,
    sid: String,
}

/// If the application has a credential for the endpoint, registers it. In a configuration with `[applications]`, the
/// path is `/end-sessions/<name>`.
pub fn configure(application: &Arc<Application>, app: &mut web::ServiceConfig) {
    let Some(token) = application.config.admin_token().cloned() else {
        return;
    };
    let path = match application.config.name() {
        Some(name) => format!("/end-sessions/{name}"),
        None => "/end-sessions".to_owned(),
    };
    let application = Arc::clone(application);
    let route = path.clone();
    let handler = move |request: HttpRequest, payload: web::Payload| {
        let (application, token, route) = (Arc::clone(&application), token.clone(), route.clone());
        async move {
            let headers = request.headers();
            match RequestContext::of_request(headers) {
                Ok(context) => {
                    context
                        .scope(answer(&application, &token, route, headers, payload))
                        .await
                }
                Err(error) => respond(Err(ApiError::from(error))),
            }
        }
    };
    app.route(&path, web::post().to(handler));
}

async fn answer(
    application: &Application,
    token: &Secret,
    route: String,
    headers: &HeaderMap,
    payload: web::Payload,
) -> HttpResponse {
    let began = Instant::now();
    let ended = end(application, token, headers, payload).await;
    let failure = ended.as_ref().err();
    if let Some(failure) = failure {
        log_rejection(NAME, failure);
    }
    count(application, NAME, failure, began.elapsed());
    let code = failure.map(|failure| failure.error_code().code());
    let response = respond(ended);
    RequestContext::end_span("POST", || route, response.status().as_u16(), code);
    response
}

async fn end(
    application: &Application,
    token: &Secret,
    headers: &HeaderMap,
    payload: web::Payload,
) -> Result<Value, ApiError> {
    check_caller(headers)?;
    check_token(headers, token)?;
    let body = body::read(headers, payload, BodyKind::Json).await?;
    let target: Target = body::parse(&body)?;
    let now = clock::now();
    let (name, all_know, what, sub) = match &target {
        Target::User(User { iss, sub }) => {
            let empty = "empty `sub`: write the user's `sub` at the authorization server";
            let ended = Ended::User(digest(application, iss, sub, empty)?);
            let all_know = application.end(ended, now).await;
            (ended.to_text(), all_know, "all sessions of a user", Some(&**sub))
        }
        Target::Login(Login { iss, sid }) => {
            let empty = "empty `sid`: write the `sid` of the session at the authorization server";
            let ended = Ended::Login(digest(application, iss, sid, empty)?);
            let all_know = application.end(ended, now).await;
            (ended.to_text(), all_know, "the sessions with one `sid`", None)
        }
        Target::BeganBefore(before) if *before > now => {
            return Err(ApiError::invalid(
                "`began_before` is in the future: write a time up to now, in seconds since 1970",
            ));
        }
        Target::BeganBefore(before) => {
            let (all, all_know) = application.end_all(*before, now).await;
            (all.to_text(), all_know, "all sessions that began before a time", None)
        }
    };
    let entries = application.ended.len();
    application.metrics.count_logout(LogoutParty::Operator);
    log::info!(
        target: AUDIT,
        event = "operator_logout",
        ended = name.as_str(),
        subject = subject(sub),
        entries = entries;
        "an operator ended {what}: {name} in the list of ended sessions, which has {entries} entries"
    );
    Ok(json!({ "ended": name, "entries": entries, "replicas_know": all_know }))
}

/// Refuses browsers, which send one of these headers with a POST of a page: no page must be able to use a credential
/// that a user has typed into it.
fn check_caller(headers: &HeaderMap) -> Result<(), ApiError> {
    let of_browsers = [
        ORIGIN,
        HeaderName::from_static("sec-fetch-site"),
        HeaderName::from_static("sec-fetch-mode"),
    ];
    match of_browsers.iter().find(|name| headers.contains_key(*name)) {
        None => Ok(()),
        Some(name) => {
            let why = format!(
                "the request has the header `{name}`, as from a browser: call the endpoint from a terminal or a service"
            );
            Err(ApiError::unauthorized(why).because(Reason::Origin))
        }
    }
}

fn check_token(headers: &HeaderMap, token: &Secret) -> Result<(), ApiError> {
    let failure = |why: &'static str| Err(ApiError::unauthorized(why).because(Reason::AdminToken));
    let value = match Values::of(headers.get_all(AUTHORIZATION).map(HeaderValue::as_bytes)) {
        Values::Single(value) => value,
        Values::Absent => return failure("missing `Authorization`: send `Bearer` and the value of `admin.token`"),
        Values::Repeated => return failure("repeated `Authorization`: send it once"),
    };
    let sent = match value.split_at_checked("Bearer ".len()) {
        Some((scheme, sent)) if scheme.eq_ignore_ascii_case(b"Bearer ") => sent,
        _ => return failure("invalid `Authorization`: send `Bearer` and the value of `admin.token`"),
    };
    match bool::from(sent.ct_eq(token.expose().as_bytes())) {
        true => Ok(()),
        false => failure("the token in `Authorization` is not that of `admin.token`: send the value of `admin.token`"),
    }
}

/// The digest of an identifier of the application's authorization server. `empty`: the error for an empty identifier.
fn digest(
    application: &Application,
    iss: &str,
    identifier: &str,
    empty: &'static str,
) -> Result<SubjectHash, ApiError> {
    if iss != application.config.authorization_server.issuer {
        return Err(ApiError::invalid(
            "`iss` is not the issuer of the application: write the value of `authorization_server.issuer`",
        ));
    }
    if identifier.is_empty() {
        return Err(ApiError::invalid(empty));
    }
    Ok(SubjectHash::of(iss, identifier))
}

/// The messages of error responses have the details, for operators.
fn respond(ended: Result<Value, ApiError>) -> HttpResponse {
    let mut response = match ended {
        Ok(body) => HttpResponse::Ok().body(body.to_string()),
        Err(failure) => {
            let code = failure.error_code();
            let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status).body(error_body(code.code(), failure.why()));
            if status == StatusCode::UNAUTHORIZED {
                // RFC 6750, section 3.
                let challenge = HeaderValue::from_static("Bearer realm=\"bff-admin\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
