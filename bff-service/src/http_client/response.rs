//! The result of a request: a response or an error.

use std::time::Duration;

use actix_web::web::Bytes;
use bff_core::request::cache_control;

/// Why there is no usable response. Of the request, `Display` contains at most method, scheme, host and port. It contains
/// nothing of the body of the response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Connecting, or the whole request, was not complete within this time.
    #[error("{operation} timed out after {} ms", after.as_millis())]
    Timeout {
        /// What timed out.
        operation: &'static str,
        /// The time limit.
        after: Duration,
    },
    /// The connection could not be established.
    #[error("connecting failed: {0}")]
    Connect(String),
    /// The connection broke, or the data was not HTTP.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The response is longer than this number of bytes.
    #[error("the response is longer than {0} bytes")]
    TooLarge(usize),
    /// The response is a redirect, or has another unexpected status.
    #[error("HTTP {status}{}", if (300..400).contains(status) { " (redirects are not followed)" } else { "" })]
    Status {
        /// HTTP status.
        status: u16,
        /// `Retry-After` as the server wrote it: seconds or a date (RFC 9110, section 10.2.3).
        retry_after: Option<String>,
    },
    /// The request is invalid.
    #[error("invalid request: {0}")]
    Request(String),
}

impl HttpError {
    /// The whole request was not complete within this time.
    pub fn request_timeout(after: Duration) -> HttpError {
        HttpError::Timeout {
            operation: "the request",
            after,
        }
    }

    /// A short name, for metrics and spans.
    pub fn name(&self) -> &'static str {
        match self {
            HttpError::Timeout { .. } => "timeout",
            HttpError::Connect(_) => "no_connection",
            HttpError::Broken(_) => "broken_connection",
            HttpError::TooLarge(_) => "too_large",
            HttpError::Status { .. } => "error_status",
            HttpError::Request(_) => "unsendable",
        }
    }
}

/// A response with HTTP 200, 201 or 4xx. Every other status is an [`HttpError`].
pub struct ServerResponse {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type` in lower case, or an empty string if absent.
    pub content_type: String,
    /// The whole body.
    pub body: Bytes,
    /// `DPoP-Nonce`: the nonce for the next DPoP proof (RFC 9449, section 8).
    pub dpop_nonce: Option<String>,
    /// `Cache-Control`, line by line.
    pub cache_control: Vec<Vec<u8>>,
    /// `Retry-After` as the server wrote it: seconds or a date (RFC 9110, section 10.2.3).
    pub retry_after: Option<String>,
}

impl ServerResponse {
    /// How long the response may be cached, in seconds, or `u64::MAX` if it does not say.
    pub fn lifetime(&self) -> u64 {
        cache_control::lifetime(self.cache_control.iter().map(Vec::as_slice))
    }

    /// Whether `Content-Type` is this media type, with any parameters.
    pub fn has_media_type(&self, media_type: &str) -> bool {
        self.content_type
            .split(';')
            .next()
            .is_some_and(|essence| essence.trim() == media_type)
    }
}
