//! Request bodies: their size, time limit and media type.

use std::time::Duration;

use crate::error_code::ErrorCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, Payload};
use serde::de::DeserializeOwned;

use super::error::ApiError;
use bff_core::request::values::Values;

/// Maximum length of a body, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Time limit for receiving a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The expected type of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// JSON.
    Json,
    /// A form, `application/x-www-form-urlencoded`.
    Form,
}

/// Reads the whole body. Refuses one that is not empty and whose media type does not fit `kind`.
pub(super) async fn read(headers: &HeaderMap, payload: Payload, kind: BodyKind) -> Result<Bytes, ApiError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BYTES) {
        return Err(too_large());
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, payload.to_bytes_limited(MAX_BYTES))
        .await
        .map_err(|_| {
            ApiError::invalid(format!(
                "reading the request body timed out after {} ms",
                BODY_TIMEOUT.as_millis()
            ))
        })?
        .map_err(|_| too_large())?
        .map_err(|error| ApiError::invalid(format!("reading the request body failed: {error}")))?;
    if !body.is_empty() && !may_be(headers, kind) {
        return Err(ApiError::new(
            ErrorCode::UnsupportedMediaType,
            "unexpected Content-Type of the request body",
        ));
    }
    Ok(body)
}

fn too_large() -> ApiError {
    ApiError::new(ErrorCode::PayloadTooLarge, "the request body is longer than 16 KiB")
}

/// Whether the media type fits `kind`. As JSON, a missing `Content-Type` is accepted, and so is `text/plain`: pages send
/// it to avoid a preflight, and the Origin check applies in any case.
fn may_be(headers: &HeaderMap, kind: BodyKind) -> bool {
    match Values::of(headers.get_all(CONTENT_TYPE)) {
        Values::Absent => kind == BodyKind::Json,
        Values::Single(value) => {
            let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            let essence = essence.trim().to_ascii_lowercase();
            match kind {
                BodyKind::Json => matches!(essence.as_str(), "application/json" | "text/plain"),
                BodyKind::Form => essence == "application/x-www-form-urlencoded",
            }
        }
        Values::Repeated => false,
    }
}

/// Parses a body, which is a JSON object.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Serde would also take an array with the values of the members in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid("the request body is not a JSON object"));
    }
    // The parser's message could quote the body. The position cannot.
    serde_json::from_slice(body).map_err(|error| {
        ApiError::invalid(format!(
            "the request body is not the expected JSON: {:?} error at line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    })
}
