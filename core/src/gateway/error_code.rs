//! The gateway's error codes: one table of status, code and message (`docs/CONTRACT.md`, section 3.5). The messages are
//! fixed. The log says what happened.

use crate::error_body::error_body;

/// What the response to a rejected request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The credentials are malformed or repeated (RFC 6750, section 3.1: `invalid_request`), or the request has a
    /// header that callers may not send, which may have selected the route.
    MalformedCredentials,
    /// There is no valid credential, or the Origin or CSRF check failed.
    Unauthorized,
    /// The session is bound to a device, and the request has no valid proof of the device's key.
    DeviceBindingRequired,
    /// There is no valid bearer token, but one is expected. The response has `WWW-Authenticate` (RFC 6750, section 3).
    BearerUnauthorized,
    /// The access token lacks a required scope, its exchange is not permitted, or the exchanged token is for another
    /// audience.
    Forbidden,
    /// The user has not authenticated as required, or has authenticated too long ago (RFC 9470, section 3).
    InsufficientUserAuthentication,
    /// An error of the gateway or of its configuration.
    ServerError,
    /// A secret of the gateway has not arrived yet.
    NotReady,
    /// The authorization server is unreachable, or its response cannot be used.
    AuthorizationServerError,
    /// The authorization server did not respond in time.
    AuthorizationServerTimeout,
}

impl ErrorCode {
    /// All error codes.
    pub const ALL: [Self; 10] = [
        Self::MalformedCredentials,
        Self::Unauthorized,
        Self::DeviceBindingRequired,
        Self::BearerUnauthorized,
        Self::Forbidden,
        Self::InsufficientUserAuthentication,
        Self::ServerError,
        Self::NotReady,
        Self::AuthorizationServerError,
        Self::AuthorizationServerTimeout,
    ];

    /// Returns the HTTP status.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// Returns the `code` member of the body.
    pub const fn code(self) -> &'static str {
        self.row().1
    }

    /// Returns the `message` member of the body.
    pub const fn message(self) -> &'static str {
        self.row().2
    }

    /// Returns the body: `{"code":…,"message":…}`.
    pub fn body(self) -> String {
        error_body(self.code(), self.message())
    }

    /// Returns status, code and message. The service uses the rows of the error codes that it shares.
    pub const fn row(self) -> (u16, &'static str, &'static str) {
        const CREDENTIALS: &str = "Access denied due to missing or invalid credentials";
        const PROBLEM: &str = "A problem was encountered on the server";
        const SERVER: &str = "The authorization server could not be used";
        match self {
            Self::MalformedCredentials => (
                400,
                "invalid_request",
                "The credentials are malformed or repeated, or a header is not allowed",
            ),
            Self::Unauthorized | Self::BearerUnauthorized => (401, "unauthorized", CREDENTIALS),
            Self::DeviceBindingRequired => (
                401,
                "device_binding_required",
                "The session is bound to a device, and the request has no valid proof of the device's key",
            ),
            Self::Forbidden => (403, "forbidden", "The access token is not sufficient for this request"),
            Self::InsufficientUserAuthentication => (
                401,
                "insufficient_user_authentication",
                "The user must authenticate again, or with more factors, for this request",
            ),
            Self::ServerError => (500, "server_error", PROBLEM),
            Self::NotReady => (503, "server_error", PROBLEM),
            Self::AuthorizationServerError => (502, "authorization_server_error", SERVER),
            Self::AuthorizationServerTimeout => (504, "authorization_server_error", SERVER),
        }
    }
}
