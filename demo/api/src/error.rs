//! Every rejection: its status, its JSON body, and the `WWW-Authenticate` header of RFC 6750, section 3.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

/// Why a request is rejected. The caller receives the error code and its message. `Display` is for the log.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// No `Authorization` header.
    MissingToken,
    /// An invalid access token, or more than one `Authorization` header.
    InvalidToken(&'static str),
    /// The issuer's keys could not be fetched yet, so the access token cannot be validated.
    KeysUnavailable,
    /// The body is longer than the API accepts.
    BodyTooLarge,
    /// No endpoint has the path.
    NotFound,
    /// The endpoint does not support the method.
    MethodNotAllowed,
}

impl ApiError {
    fn code(&self) -> (&'static str, &'static str) {
        match self {
            ApiError::MissingToken => ("unauthorized", "An access token is required"),
            ApiError::InvalidToken(_) => ("invalid_token", "The access token is invalid"),
            ApiError::KeysUnavailable => ("keys_unavailable", "Access tokens cannot be validated at the moment"),
            ApiError::BodyTooLarge => ("invalid_request", "The request body is too large"),
            ApiError::NotFound => ("not_found", "Not found"),
            ApiError::MethodNotAllowed => ("method_not_allowed", "Method not allowed"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::InvalidToken(reason) => write!(f, "invalid access token: {reason}"),
            ApiError::MissingToken => f.write_str("no Authorization header"),
            ApiError::KeysUnavailable => f.write_str("the issuer's keys are not available"),
            ApiError::BodyTooLarge => f.write_str("the body is too large"),
            ApiError::NotFound => f.write_str("no such path"),
            ApiError::MethodNotAllowed => f.write_str("no such method at this path"),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            ApiError::MissingToken | ApiError::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            ApiError::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::NotFound => StatusCode::NOT_FOUND,
            ApiError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (code, message) = self.code();
        let mut response = HttpResponse::build(self.status_code());
        match self {
            ApiError::MissingToken => _ = response.insert_header((WWW_AUTHENTICATE, "Bearer")),
            ApiError::InvalidToken(_) => {
                _ = response.insert_header((WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#));
            }
            _ => {}
        }
        response.json(json!({"code": code, "message": message}))
    }
}
