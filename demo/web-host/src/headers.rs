//! The headers of every response.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::config::Config;

/// The page loads only its own files, and sends requests only to its own origin and to the API. No inline script or style, no
/// frames in either direction, no forms, and no string may become markup or script (Trusted Types).
fn content_security_policy(api_origin: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {api_origin}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

const FIXED: [(HeaderName, &str); 7] = [
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    // The page's URL may hold an authorization code.
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Adds the headers to every response: a file, the fallback or an error.
pub(crate) async fn add<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let config = request.app_data::<web::Data<Config>>().cloned();
    let is_asset = request.path().starts_with("/assets/");
    let mut response = next.call(request).await?;
    // Names of built assets change with their content. Every other file is revalidated.
    let status = response.status();
    let immutable = is_asset && (status.is_success() || status == StatusCode::NOT_MODIFIED);
    let cache = if immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(config) = config {
        let policy =
            HeaderValue::from_str(&content_security_policy(&config.api_origin)).map_err(ErrorInternalServerError)?;
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}
