//! The records of a request for operators: a counter, an audit line for a rejection, and the end of its span.

use std::time::Duration;

use crate::error_code::ErrorCode;
use actix_web::http::Method;

use super::endpoint::Endpoint;
use super::error::ApiError;
use super::success::Success;
use crate::application::Application;
use crate::telemetry::logging::AUDIT;
use crate::telemetry::request_context::RequestContext;

/// Ends the span of the request, if any.
pub(super) fn end_span(
    application: &Application,
    endpoint: Option<Endpoint>,
    status: u16,
    error: Option<&'static str>,
) {
    let route = || match endpoint {
        Some(endpoint) => format!("{}{}", application.config.endpoints_prefix, endpoint.path()),
        None => "unknown".to_owned(),
    };
    let method = endpoint.map_or(Method::GET, Endpoint::method);
    RequestContext::end_span(method.as_str(), route, status, error);
}

/// Counts the request, and logs a rejection. Returns the error code, if any. Important successes have their own log lines.
pub(super) fn record(
    application: &Application,
    endpoint: Option<Endpoint>,
    result: &Result<Success, ApiError>,
    time: Duration,
) -> Option<&'static str> {
    let name = endpoint.map_or("unknown", Endpoint::name);
    let failure = result.as_ref().err();
    count(application, name, failure, time);
    let failure = failure?;
    if failure.is_rejection() {
        log_rejection(name, failure);
    }
    Some(failure.error_code().code())
}

/// Counts and logs a rejection after which the response is a redirect, so that [`record`] does not see it.
pub(super) fn record_before_redirect(application: &Application, endpoint: &'static str, failure: &ApiError) {
    count_rejection(application, endpoint, failure);
    log_rejection(endpoint, failure);
}

/// Counts a request, and its rejection.
pub(super) fn count(application: &Application, endpoint: &'static str, failure: Option<&ApiError>, time: Duration) {
    let metrics = &application.metrics;
    let Some(failure) = failure else {
        return metrics.count_request(endpoint, "ok", time);
    };
    metrics.count_request(endpoint, failure.error_code().code(), time);
    if failure.is_rejection() {
        count_rejection(application, endpoint, failure);
    }
}

fn count_rejection(application: &Application, endpoint: &'static str, failure: &ApiError) {
    application.metrics.count_rejection(endpoint, failure.reason());
    if failure.is_from_authorization_server() {
        application.metrics.count_authorization_server_failure();
    }
}

/// Writes the audit line of a rejection.
pub(super) fn log_rejection(endpoint: &'static str, failure: &ApiError) {
    let (status, code) = (failure.error_code().status(), failure.error_code().code());
    let level = match status {
        // Browsers prefetch on their own, and often.
        _ if failure.error_code() == ErrorCode::Prefetch => log::Level::Info,
        ..500 => log::Level::Info,
        503 => log::Level::Warn,
        _ => log::Level::Error,
    };
    log::log!(
        target: AUDIT,
        level,
        event = "refused",
        endpoint = endpoint,
        status = status,
        code = code,
        reason = failure.reason();
        "refused {endpoint}: HTTP {status} {code}: {}",
        failure.why()
    );
}
