//! Cross-origin resource sharing (CORS): the pages of an application may have an origin other than that of the service,
//! at the same site.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};

use super::endpoint::Route;
use crate::config::HeaderPattern;
use bff_core::request::origin::CallerOrigin;

/// Headers that a page may send in addition to the CSRF header and those of `cors_allowed_headers`, in lower case.
/// Existing pages send `token-handler-version` so that each request causes a preflight. `traceparent` and `tracestate`
/// are those of W3C Trace Context.
const ALLOWED_HEADERS: [&str; 6] = [
    "accept",
    "content-type",
    "token-handler-version",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// How long a browser may cache the response to a preflight, in seconds.
const MAX_AGE_SECONDS: &str = "600";

/// Allows a page of a trusted origin to read the response.
pub(super) fn expose_response(headers: &mut HeaderMap, origin: CallerOrigin<'_>) {
    if let CallerOrigin::Trusted(origin) = origin
        && let Ok(origin) = HeaderValue::from_bytes(origin)
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        // Pages can read this header only if it is exposed.
        if headers.contains_key(RETRY_AFTER) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        }
    }
}

/// The response to a preflight of a trusted origin: the methods that pages use at the path, and the allowed ones of the
/// requested headers. `further` is `cors_allowed_headers`.
pub(super) fn allow(
    headers: &mut HeaderMap,
    request: &HeaderMap,
    route: &Route,
    csrf_header: &HeaderName,
    further: &[HeaderPattern],
) {
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECONDS));
    let methods = route.methods_for_pages();
    if let Ok(methods) = HeaderValue::try_from(methods)
        && !methods.is_empty()
    {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    let is_further = |name: &str| further.iter().any(|pattern| pattern.is_match(name));
    let is_allowed = |name: &str| name == csrf_header.as_str() || ALLOWED_HEADERS.contains(&name) || is_further(name);
    let mut granted: Vec<String> = Vec::new();
    for line in request.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        let names = line
            .to_str()
            .unwrap_or_default()
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase());
        for name in names.filter(|name| is_allowed(name)) {
            if !granted.contains(&name) {
                granted.push(name);
            }
        }
    }
    if let Ok(granted) = HeaderValue::from_str(&granted.join(", "))
        && !granted.is_empty()
    {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, granted);
    }
}
