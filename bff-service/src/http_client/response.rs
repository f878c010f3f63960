//! What comes of a request: an answer, or why there is none.

use actix_web::web::Bytes;
use bff_core::request::cache_control;

/// Why there is no answer to work with. `Display` holds nothing of the request or of the answer's body.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing, or not everything, came in time.
    #[error("no answer in time")]
    Timeout,
    /// There was no connection.
    #[error("connecting failed: {0}")]
    Connect(String),
    /// The connection broke, or what came was not HTTP.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The answer is larger than this many bytes.
    #[error("the response is longer than {0} bytes")]
    TooLarge(usize),
    /// The answer is a redirect, or another status that no endpoint here has a reason for.
    #[error("HTTP {status}{}", if (300..400).contains(status) { "; redirects are not followed" } else { "" })]
    Status {
        /// The status.
        status: u16,
        /// `Retry-After` as the server wrote it: seconds or a date (RFC 9110, section 10.2.3).
        retry_after: Option<String>,
    },
    /// The request could not be made.
    #[error("invalid request: {0}")]
    Request(String),
}

impl HttpError {
    /// In a word, for metrics and spans.
    pub fn name(&self) -> &'static str {
        match self {
            HttpError::Timeout => "timeout",
            HttpError::Connect(_) => "no_connection",
            HttpError::Broken(_) => "broken_connection",
            HttpError::TooLarge(_) => "too_large",
            HttpError::Status { .. } => "error_status",
            HttpError::Request(_) => "unsendable",
        }
    }
}

/// An answer of status 200, 201 or 4xx; every other status is an [`HttpError`].
pub struct ServerResponse {
    /// The status.
    pub status: u16,
    /// `Content-Type`, in lower case; empty where there is none.
    pub content_type: String,
    /// The body, whole.
    pub body: Bytes,
    /// `DPoP-Nonce`: what the next DPoP proof is to hold (RFC 9449, section 8).
    pub dpop_nonce: Option<String>,
    /// `Cache-Control`, line by line.
    pub cache_control: Vec<Vec<u8>>,
    /// `Retry-After` as the server wrote it: seconds or a date (RFC 9110, section 10.2.3).
    pub retry_after: Option<String>,
}

impl ServerResponse {
    /// How long it may be kept, in seconds; `u64::MAX` without a word on it.
    pub fn lifetime(&self) -> u64 {
        cache_control::lifetime(self.cache_control.iter().map(Vec::as_slice))
    }

    /// Whether `Content-Type` is this media type, whatever its parameters.
    pub fn is(&self, media_type: &str) -> bool {
        self.content_type
            .split(';')
            .next()
            .is_some_and(|essence| essence.trim() == media_type)
    }
}
