//! The response to a rejected request.

use bff_core::gateway::error_code::ErrorCode;
use bff_core::gateway::rejection::Rejection;
use http::HeaderValue;

/// A response that Envoy sends in the API's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the headers. Envoy does not check them, so invalid values are left out.
    pub headers: Vec<(&'static str, &'a str)>,
    /// The body, which is JSON.
    pub body: &'a str,
    /// Envoy's response code details: for the access log, without white space.
    pub details: String,
}

/// A rejection, with the strings that its reply borrows.
pub struct RejectionTexts {
    status: u16,
    challenge: Option<String>,
    body: String,
    details: &'static str,
}

impl RejectionTexts {
    /// Makes the strings of a rejection.
    pub fn new(rejection: &Rejection) -> Self {
        Self {
            status: rejection.code.status(),
            challenge: rejection.challenge(),
            body: rejection.body(),
            details: rejection.details,
        }
    }

    /// Returns the reply.
    pub fn reply(&self) -> LocalReply<'_> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ];
        let challenge = self.challenge.as_deref();
        let challenge = challenge.filter(|value| HeaderValue::from_str(value).is_ok());
        headers.extend(challenge.map(|challenge| ("www-authenticate", challenge)));
        LocalReply {
            status: self.status,
            headers,
            body: &self.body,
            details: format!("bff:{}", reason(self.details)),
        }
    }
}

/// Returns the reason of a rejection, as the access log has it after `bff:`.
pub fn reason(details: &str) -> String {
    details.replace(char::is_whitespace, "_")
}

/// Returns the rejection of requests that reach a filter without a configuration: none of them is forwarded.
pub fn reject_without_configuration() -> Rejection {
    Rejection::new(ErrorCode::ServerError, "the filter has no configuration")
}

/// Whether a request is a gRPC call, by its `Content-Type`, as Envoy decides it.
pub fn is_grpc(content_type: &[&[u8]]) -> bool {
    match content_type {
        [value] => value
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+")),
        _ => false,
    }
}

/// Returns the gRPC status of an HTTP status ("HTTP to gRPC Status Code Mapping" of the gRPC project).
pub const fn grpc_status(status: u16) -> &'static str {
    match status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502 | 503 | 504 => "14",
        _ => "2",
    }
}
