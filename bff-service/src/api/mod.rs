//! The HTTP API (`docs/CONTRACT.md`, section 1).
//!
//! Every request takes the one path through `handle`: Origin and Fetch Metadata, preflight, path, method, body, and
//! only then the endpoint's own work; and every response leaves through `respond`. There is no router in front of
//! the checks that a new endpoint could be registered past.

mod body;
mod claims;
mod cors;
mod endpoint;
mod errors;
mod login_end;
mod login_start;
mod logout;
mod page_url;
mod refresh;
mod request_checks;
mod session;
mod user_info;

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use bff_core::reply::Refusal;
use serde_json::Value;

use self::endpoint::Endpoint;
use self::errors::Failure;
use self::request_checks::{CallerOrigin, check_origin};
use crate::clock;
use crate::logging::{AUDIT, RequestId};
use crate::oauth::OAuthClient;
use crate::service::Service;
use crate::session::request_cookies::RequestCookies;

/// What one worker thread answers requests with.
#[derive(Clone)]
pub struct Worker {
    /// Shared by all workers.
    pub service: Arc<Service>,
    /// This worker's own connections to the authorization server.
    pub client: Rc<OAuthClient>,
}

/// Registers the API in an actix application.
pub fn configure(worker: Worker) -> impl FnOnce(&mut web::ServiceConfig) {
    move |app| {
        app.default_service(web::to(move |request: HttpRequest, payload: web::Payload| {
            let worker = worker.clone();
            async move { handle(worker, request, payload).await }
        }));
    }
}

/// A request that has passed the general checks, on its way to its endpoint.
struct Call<'a> {
    worker: &'a Worker,
    headers: &'a HeaderMap,
    cookies: RequestCookies<'a>,
    body: Bytes,
    now: u64,
}

/// An endpoint's answer to a request that it fulfilled.
#[derive(Default)]
struct Answer {
    /// `None`: 204.
    body: Option<Value>,
    /// `Set-Cookie` lines.
    set_cookies: Vec<String>,
}

async fn handle(worker: Worker, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let headers = request.headers();
    let given = headers
        .get("x-request-id")
        .and_then(|id| RequestId::from_header(id.as_bytes()));
    match given.map_or_else(RequestId::random, Ok) {
        Ok(id) => id.scope(answer(&worker, &request, payload)).await,
        Err(error) => respond(&CallerOrigin::Absent, Err(Failure::from(error))),
    }
}

async fn answer(worker: &Worker, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    let service = &worker.service;
    let headers = request.headers();
    let origin = CallerOrigin::of(headers, &service.origins);
    let endpoint = Endpoint::find(request.uri().path(), &service.config.endpoints_prefix);
    let preflight = request.method() == Method::OPTIONS;

    let result = match endpoint {
        // Nothing is refused in a preflight: an origin that gets no leave there is stopped by the browser.
        Some(_) if preflight => Ok(Answer::default()),
        None if preflight && !matches!(origin, CallerOrigin::Trusted(_)) => Ok(Answer::default()),
        _ => dispatch(worker, request, &origin, endpoint, payload).await,
    };

    record(service, endpoint, &result);
    let not_allowed = matches!(&result, Err(failure) if failure.refusal() == Refusal::MethodNotAllowed);
    let mut response = respond(&origin, result);
    if let Some(endpoint) = endpoint {
        if not_allowed {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(endpoint.allow()));
        }
        if preflight && matches!(origin, CallerOrigin::Trusted(_)) {
            cors::allow(response.headers_mut(), headers, endpoint, &service.csrf_header);
        }
    }
    response
}

/// For operators: a counter for every request, and a line for every refusal. Successes that matter have lines of their
/// own.
fn record(service: &Service, endpoint: Option<Endpoint>, result: &Result<Answer, Failure>) {
    let name = endpoint.map_or("unknown", Endpoint::name);
    let Err(failure) = result else {
        return service.metrics.request(name, "ok");
    };
    let refusal = failure.refusal();
    let (status, code) = (refusal.status(), refusal.code());
    service.metrics.request(name, code);
    if refusal == Refusal::AuthorizationServerError {
        service.metrics.authorization_server_failed();
    }
    let level = match status {
        ..500 => log::Level::Info,
        _ => log::Level::Error,
    };
    log::log!(target: AUDIT, level, "refused {name}: {status} {code}: {}", failure.why());
}

async fn dispatch(
    worker: &Worker,
    request: &HttpRequest,
    origin: &CallerOrigin,
    endpoint: Option<Endpoint>,
    payload: web::Payload,
) -> Result<Answer, Failure> {
    let headers = request.headers();
    let required = request.method() != Method::GET && request.method() != Method::HEAD;
    check_origin(origin, headers, required)?;
    let endpoint = endpoint.ok_or_else(|| Failure::new(Refusal::NotFound, "there is no such endpoint"))?;
    if request.method().as_str() != endpoint.method_name() {
        return Err(Failure::new(
            Refusal::MethodNotAllowed,
            "the endpoint has another method",
        ));
    }
    let body = body::read(headers, payload).await?;
    let now = clock::now();
    let lines = headers.get_all(COOKIE).map(HeaderValue::as_bytes);
    let cookies = RequestCookies::new(&worker.service.cookies, lines, now);
    let call = Call {
        worker,
        headers,
        cookies,
        body,
        now,
    };
    match endpoint {
        Endpoint::LoginStart => login_start::handle(call).await,
        Endpoint::LoginEnd => login_end::handle(call).await,
        Endpoint::UserInfo => user_info::handle(call).await,
        Endpoint::Claims => claims::handle(&call),
        Endpoint::Refresh => refresh::handle(call).await,
        Endpoint::Logout => logout::handle(call).await,
        Endpoint::Session => session::handle(&call),
    }
}

/// Makes the response. What every response carries is added here and nowhere else.
fn respond(origin: &CallerOrigin, result: Result<Answer, Failure>) -> HttpResponse {
    let (status, body, set_cookies) = match result {
        Ok(Answer {
            body: Some(body),
            set_cookies,
        }) => (StatusCode::OK, body.to_string(), set_cookies),
        Ok(Answer {
            body: None,
            set_cookies,
        }) => (StatusCode::NO_CONTENT, String::new(), set_cookies),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.refusal().status());
            let (body, set_cookies) = failure.into_parts();
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body, set_cookies)
        }
    };
    let mut response = match status {
        StatusCode::NO_CONTENT => HttpResponse::NoContent().finish(),
        status => HttpResponse::build(status).body(body),
    };
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cors::expose_response(headers, origin);
    for line in set_cookies {
        match HeaderValue::try_from(line) {
            Ok(line) => headers.append(SET_COOKIE, line),
            // Names and paths were checked with the configuration, and values are base64url.
            Err(error) => log::error!("a cookie could not be set: {error}"),
        }
    }
    response
}
