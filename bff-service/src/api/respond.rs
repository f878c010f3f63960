//! Builds the HTTP response of an endpoint. Only this module adds the headers that every such response has.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};

use bff_core::request::origin::CallerOrigin;

use super::cors;
use super::error::ApiError;
use super::success::{Content, Success};

/// Builds the response to a request of this origin.
pub(super) fn respond(origin: CallerOrigin<'_>, result: Result<Success, ApiError>) -> HttpResponse {
    let (status, kind, body, headers, set_cookies) = match result {
        Ok(Success {
            content,
            set_cookies,
            header,
        }) => {
            let (status, kind, body, own) = parts(content);
            (status, kind, body, [own, header], set_cookies)
        }
        Err(mut failure) => {
            let status = StatusCode::from_u16(failure.error_code().status());
            let header = failure.take_header();
            let (body, set_cookies) = failure.into_parts();
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Some(JSON), body, [header, None], set_cookies)
        }
    };
    let mut response = match kind {
        Some(_) => HttpResponse::build(status).body(body),
        None => HttpResponse::build(status).finish(),
    };
    let further = headers.into_iter().flatten();
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in further {
        match HeaderValue::try_from(value) {
            Ok(value) => headers.insert(name, value),
            // URLs and challenges are ASCII, without line breaks.
            Err(error) => {
                log::error!("setting the response header {name} failed: {error}");
                return HttpResponse::InternalServerError().finish();
            }
        };
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A preflight has no cookies.
    let vary = match status == StatusCode::NO_CONTENT && set_cookies.is_empty() {
        true => "origin",
        false => "origin, cookie",
    };
    headers.insert(VARY, HeaderValue::from_static(vary));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    cors::expose_response(headers, origin);
    for line in set_cookies {
        match HeaderValue::try_from(line) {
            Ok(line) => headers.append(SET_COOKIE, line),
            // Names, paths and domains have been checked, and values are base64url.
            Err(error) => log::error!("setting a cookie of this response failed: {error}"),
        }
    }
    response
}

const JSON: &str = "application/json";

type Parts = (StatusCode, Option<&'static str>, String, Option<(HeaderName, String)>);

fn parts(content: Content) -> Parts {
    match content {
        Content::None => (StatusCode::NO_CONTENT, None, String::new(), None),
        Content::Json(value) => (StatusCode::OK, Some(JSON), value.to_string(), None),
        Content::Redirect(url) => (StatusCode::FOUND, None, String::new(), Some((LOCATION, url))),
        Content::EmptyFrame(origin) => {
            let policy = format!("default-src 'none'; frame-ancestors {origin}");
            let further = Some((CONTENT_SECURITY_POLICY, policy));
            let page = "<!doctype html><title>Signed out</title>".to_owned();
            (StatusCode::OK, Some("text/html; charset=utf-8"), page, further)
        }
    }
}
