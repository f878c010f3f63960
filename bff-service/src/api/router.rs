//! The routing and the checks of every request.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crate::error_code::ErrorCode;
use actix_web::http::header::{ALLOW, COOKIE, CROSS_ORIGIN_RESOURCE_POLICY, HOST, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use bff_core::request::origin::CallerOrigin;

use super::call::{Call, Worker};
use super::checks::{
    caller_origin, check_browser, check_navigation, check_not_prefetch, check_origin, untrusted_origin,
};
use super::endpoint::{Caller, Endpoint, Offered, Route};
use super::error::ApiError;
use super::record::{count, end_span, log_rejection, record};
use super::respond::respond;
use super::success::Success;
use super::{body, cors, endpoints};
use crate::clock;
use crate::session::cookies::request::{Place, RequestCookies};
use crate::session::cookies::response::SetCookies;
use crate::session::device_binding::instructions::{WELL_KNOWN_PATH, registering_origins};
use crate::telemetry::request_context::RequestContext;

/// Registers the endpoints of all applications in actix's `App`. While `is_draining` is true, each response closes
/// its connection, so that the proxy sends no request on it when the service exits.
pub fn configure(workers: Vec<Worker>, is_draining: Arc<AtomicBool>) -> impl FnOnce(&mut web::ServiceConfig) {
    let workers: Rc<[Worker]> = workers.into();
    move |app| {
        app.default_service(web::to(move |request: HttpRequest, payload: web::Payload| {
            let workers = Rc::clone(&workers);
            let is_draining = Arc::clone(&is_draining);
            async move {
                let mut response = handle(&workers, request, payload).await;
                if is_draining.load(Relaxed) {
                    response.head_mut().set_connection_type(ConnectionType::Close);
                }
                response
            }
        }));
    }
}

async fn handle(workers: &[Worker], request: HttpRequest, payload: web::Payload) -> HttpResponse {
    match RequestContext::of_request(request.headers()) {
        Ok(context) => context.scope(answer(workers, &request, payload)).await,
        Err(error) => respond(CallerOrigin::Absent, Err(ApiError::from(error))),
    }
}

/// The host that a request names: in `Host`, or otherwise in its target.
fn host_of(request: &HttpRequest) -> &str {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    host.unwrap_or_default()
}

/// The application that a request is for, by its host and its path.
fn find<'a>(workers: &'a [Worker], request: &HttpRequest) -> Option<&'a Worker> {
    let host = host_of(request);
    workers
        .iter()
        .filter(|worker| worker.application.routing.is_for(host, request.uri().path()))
        // An application that names the host takes precedence over one for any host.
        .max_by_key(|worker| worker.application.routing.has_hosts())
}

/// The document at the well-known path, which belongs to no application. Requests for it are neither counted nor
/// logged.
fn well_known(workers: &[Worker], request: &HttpRequest) -> Option<serde_json::Value> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        WELL_KNOWN_PATH if is_read => {
            let configs = workers.iter().map(|worker| &*worker.application.config);
            registering_origins(configs, host_of(request))
        }
        _ => None,
    }
}

async fn answer(workers: &[Worker], request: &HttpRequest, payload: web::Payload) -> HttpResponse {
    let began = Instant::now();
    if let Some(document) = well_known(workers, request) {
        let response = respond(CallerOrigin::Absent, Ok(Success::json(document)));
        RequestContext::end_span("GET", || WELL_KNOWN_PATH.to_owned(), response.status().as_u16(), None);
        return response;
    }
    let Some(worker) = find(workers, request) else {
        let failure = ApiError::new(ErrorCode::NotFound, "no application serves this host and path");
        log_rejection("unknown", &failure);
        if let Some(application) = workers.first().map(|worker| &worker.application) {
            count(application, "unknown", Some(&failure), began.elapsed());
        }
        let code = failure.error_code().code();
        let response = respond(CallerOrigin::Absent, Err(failure));
        RequestContext::end_span("GET", || "unknown".to_owned(), response.status().as_u16(), Some(code));
        return response;
    };
    let application = &worker.application;
    let headers = request.headers();
    let origin = caller_origin(headers, application.config.trusted_origins());
    let offered = Offered::by(&application.config);
    let route = Route::find(request.uri().path(), &application.config.endpoints_prefix, offered);
    let is_preflight = request.method() == Method::OPTIONS;

    let result = match &route {
        // A preflight at a known path is never refused: the browser stops a request of an origin that the response does
        // not allow.
        Some(_) if is_preflight => Ok(Success::default()),
        None if is_preflight && !matches!(origin, CallerOrigin::Trusted(_)) => Ok(Success::default()),
        route => dispatch(worker, request, origin, route.as_ref(), payload).await,
    };

    let endpoint = route
        .as_ref()
        .and_then(|route| route.endpoint(request.method()).or_else(|| route.main()));
    // No page of another origin can read these responses (no CORS headers) or embed them
    // (Cross-Origin-Resource-Policy).
    let is_for_browser = endpoint.is_some_and(|endpoint| endpoint.caller() == Caller::Browser);
    let origin = match is_for_browser {
        true => CallerOrigin::Absent,
        false => origin,
    };
    let error = record(application, endpoint, &result, began.elapsed());
    let is_not_allowed = matches!(&result, Err(failure) if failure.error_code() == ErrorCode::MethodNotAllowed);
    let mut response = respond(origin, result);
    if is_for_browser {
        let policy = HeaderValue::from_static("same-origin");
        response.headers_mut().insert(CROSS_ORIGIN_RESOURCE_POLICY, policy);
    }
    if let Some(route) = &route {
        if is_not_allowed && let Ok(methods) = HeaderValue::try_from(route.allow()) {
            response.headers_mut().insert(ALLOW, methods);
        }
        if is_preflight && matches!(origin, CallerOrigin::Trusted(_)) {
            let further = application.config.cors_allowed_headers();
            cors::allow(
                response.headers_mut(),
                headers,
                route,
                application.config.csrf_header(),
                further,
            );
        }
    }
    end_span(application, endpoint, response.status().as_u16(), error);
    response
}

async fn dispatch(
    worker: &Worker,
    request: &HttpRequest,
    origin: CallerOrigin<'_>,
    route: Option<&Route>,
    payload: web::Payload,
) -> Result<Success, ApiError> {
    let headers = request.headers();
    let endpoint = route.and_then(|route| route.endpoint(request.method()));
    match endpoint.map_or(Caller::Page, Endpoint::caller) {
        Caller::Page => {
            let is_required = request.method() != Method::GET && request.method() != Method::HEAD;
            check_origin(origin, headers, is_required)?;
        }
        Caller::Navigation => {
            check_not_prefetch(headers)?;
            check_navigation(origin, headers)?;
        }
        // A page of an untrusted origin must not call this endpoint. A server sends no Origin.
        Caller::AuthorizationServer if origin == CallerOrigin::Untrusted => {
            return Err(untrusted_origin(headers));
        }
        Caller::AuthorizationServer => {}
        Caller::Browser => {
            // The browser sends the Origin of the service or of the site, which may be missing from the trusted web
            // origins. A script cannot send `Sec-Secure-Session-Id`, which is a forbidden request header.
            let is_site_wide = endpoint == Some(Endpoint::DeviceProof) && worker.application.cookies.domain.is_some();
            check_browser(headers, is_site_wide)?;
        }
    }
    if route.is_none() {
        return Err(ApiError::new(ErrorCode::NotFound, "unknown endpoint"));
    }
    let endpoint = endpoint
        .ok_or_else(|| ApiError::new(ErrorCode::MethodNotAllowed, "the endpoint does not support this method"))?;
    let body = body::read(headers, payload, endpoint.body()).await?;
    let now = clock::now();
    let lines = headers.get_all(COOKIE).map(HeaderValue::as_bytes);
    let application = &worker.application;
    let place = Place {
        host: host_of(request),
        path: request.uri().path(),
    };
    let cookies = RequestCookies::new(&application.cookies, &application.ended, lines, place, now);
    let call = Call {
        worker,
        headers,
        cookies: cookies.clone(),
        query: request.uri().query().unwrap_or_default(),
        body,
        is_head: request.method() == Method::HEAD,
        now,
    };
    let is_head = call.is_head;
    // The endpoints that talk to the authorization server are boxed: otherwise every request would reserve, and move,
    // the memory for all of them.
    let result = match endpoint {
        Endpoint::LoginStart => Box::pin(endpoints::login_start::handle(call)).await,
        Endpoint::LoginEnd => Box::pin(endpoints::login_end::handle(call)).await,
        Endpoint::UserInfo => Box::pin(endpoints::user_info::handle(call)).await,
        Endpoint::Claims => endpoints::claims::handle(call).await,
        Endpoint::Refresh => Box::pin(endpoints::refresh::handle(call)).await,
        Endpoint::Touch => endpoints::touch::handle(call).await,
        Endpoint::Logout => Box::pin(endpoints::logout::handle(call)).await,
        Endpoint::Session => endpoints::session::handle(call).await,
        Endpoint::Login => Box::pin(endpoints::navigation::login(call)).await,
        Endpoint::Callback => Box::pin(endpoints::navigation::callback(call)).await,
        Endpoint::LogoutByNavigation => Box::pin(endpoints::navigation::logout(call)).await,
        Endpoint::BackchannelLogout => Box::pin(endpoints::backchannel_logout::handle(call)).await,
        Endpoint::FrontchannelLogout => endpoints::frontchannel_logout::handle(call).await,
        Endpoint::Jwks => Ok(endpoints::jwks::handle(&call)),
        Endpoint::DeviceRegistration => Box::pin(endpoints::device_registration::handle(call)).await,
        Endpoint::DeviceProof => Box::pin(endpoints::device_proof::handle(call)).await,
    };
    if is_head {
        return result
            .map(|success| success.with_cookies(Vec::new()))
            .map_err(|failure| failure.with_cookies(Vec::new()));
    }
    result.map_err(|failure| {
        let mut set_cookies = SetCookies::new(&cookies);
        // The response to a registration may be late, and the browser may have another session by then.
        if failure.error_code() == ErrorCode::SessionExpired && endpoint != Endpoint::DeviceRegistration {
            // Whatever the reason is, no cookie of the session stays in the browser.
            set_cookies.clear_session();
        } else if failure.error_code() == ErrorCode::UnauthorizedRequest
            && matches!(endpoint, Endpoint::Refresh | Endpoint::Touch | Endpoint::Logout)
        {
            // The request may have so many cookies of one name that the valid one is not among those that are read, or
            // cookies of different sessions: clear the repeated ones, even planted ones at paths that sign-in does not
            // reach, so that the next request has fewer of them.
            set_cookies.clear_repeated();
        } else {
            return failure;
        }
        failure.with_cookies(set_cookies.into_lines())
    })
}
