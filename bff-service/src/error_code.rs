//! The error codes of the service: one table of status, code and message (`docs/CONTRACT.md`, section 1.2). The
//! messages are fixed, and the details are in the log.

use bff_core::error_body::error_body;
use bff_core::gateway::error_code::ErrorCode as Shared;

/// `Retry-After` of [`ErrorCode::RefreshUnavailable`], in seconds: while Redis is unavailable, the service sends a
/// command every second, and refreshes again about three seconds after Redis is back.
const REDIS_RETRY_SECONDS: u16 = 5;

/// The error code of a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The authorization server is unreachable or did not respond in time, its response cannot be used, or its error
    /// means a failure.
    AuthorizationServerError,
    /// The authorization server cannot answer now. The same request may succeed later.
    AuthorizationServerBusy {
        /// The time to wait, from 1 to 300 seconds, if the authorization server sends one: the `Retry-After` of the
        /// response.
        retry_after: Option<u16>,
    },
    /// The same request may succeed later. One of these holds:
    ///
    /// * Another replica may have used the refresh token, and Redis is unavailable or was so a moment ago.
    /// * The binding decision on the session cannot be read or stored.
    /// * The session is bound, and the browser says that it could not get a proof.
    /// * At `/dbsc/refresh`, cookies name a key that is not in the ring, or belong to different sessions.
    RefreshUnavailable,
    /// An error of the service or of its configuration, or tokens that are too long for cookies.
    ServerError,
    /// A check of the Origin, Fetch Metadata, the CSRF value, a cookie, a device's signature or an operator's
    /// credential failed.
    UnauthorizedRequest,
    /// The request is malformed or not accepted, it belongs to no pending login, or the authorization response, the ID
    /// token or the logout token is invalid.
    InvalidRequest,
    /// The body is too long.
    PayloadTooLarge,
    /// The media type of the body is not the expected one.
    UnsupportedMediaType,
    /// The authorization server refused a request, in the front channel or the back channel.
    AuthorizationError,
    /// The authorization server no longer accepts the access token.
    TokenExpired,
    /// The session has ended or expired, the authorization server no longer accepts its refresh token or returned an
    /// invalid ID token, or it is no longer known whether the session is bound.
    SessionExpired,
    /// The authorization server requires the user to sign in, or the login was ended while its tokens were requested.
    LoginRequired,
    /// The user has not authenticated as the login required (RFC 9470, section 3).
    InsufficientUserAuthentication,
    /// The session is bound to a device or was replaced, and the request lacks a valid proof or, for a logout everywhere,
    /// a fresh one.
    DeviceBindingRequired,
    /// The browser must sign the challenge of the response with the device's key.
    DeviceChallenge,
    /// The request is a prefetch, and the endpoint must not act before the user navigates to it.
    Prefetch,
    /// The host or the path is unknown.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
}

impl ErrorCode {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// The `Retry-After` of the response, in seconds: the time after which the same request may succeed.
    pub const fn retry_after(self) -> Option<u16> {
        match self {
            Self::AuthorizationServerBusy { retry_after } => retry_after,
            Self::RefreshUnavailable => Some(REDIS_RETRY_SECONDS),
            Self::AuthorizationServerError
            | Self::ServerError
            | Self::UnauthorizedRequest
            | Self::InvalidRequest
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::AuthorizationError
            | Self::TokenExpired
            | Self::SessionExpired
            | Self::LoginRequired
            | Self::InsufficientUserAuthentication
            | Self::DeviceBindingRequired
            | Self::DeviceChallenge
            | Self::Prefetch
            | Self::NotFound
            | Self::MethodNotAllowed => None,
        }
    }

    /// The `code` member of the body.
    pub const fn code(self) -> &'static str {
        self.row().1
    }

    /// The `message` member of the body.
    pub const fn message(self) -> &'static str {
        self.row().2
    }

    /// The body: `{"code":…,"message":…}`.
    pub fn body(self) -> String {
        error_body(self.code(), self.message())
    }

    const fn row(self) -> (u16, &'static str, &'static str) {
        const BUSY: &str = "The authorization server is busy: try again later";
        match self {
            Self::AuthorizationServerError => Shared::AuthorizationServerError.row(),
            Self::AuthorizationServerBusy { .. } => (503, "authorization_server_error", BUSY),
            Self::RefreshUnavailable => (
                503,
                "refresh_unavailable",
                "The request cannot be answered at the moment: try again later",
            ),
            Self::ServerError => Shared::ServerError.row(),
            Self::UnauthorizedRequest => (401, "unauthorized_request", Shared::Unauthorized.message()),
            Self::InvalidRequest => (
                400,
                "invalid_request",
                "The request could not be completed: please try again",
            ),
            Self::PayloadTooLarge => (413, "invalid_request", "The request body is too large"),
            Self::UnsupportedMediaType => (
                415,
                "invalid_request",
                "The media type of the request body is not supported",
            ),
            Self::AuthorizationError => (
                400,
                "authorization_error",
                "The authorization server refused the request",
            ),
            Self::TokenExpired => (401, "token_expired", "The access token has expired"),
            Self::SessionExpired => (401, "session_expired", "The session has expired"),
            Self::LoginRequired => (401, "login_required", "The user has to sign in"),
            Self::InsufficientUserAuthentication => Shared::InsufficientUserAuthentication.row(),
            Self::DeviceBindingRequired => Shared::DeviceBindingRequired.row(),
            Self::DeviceChallenge => (403, "device_challenge", "The browser has to sign the challenge"),
            Self::Prefetch => (503, "prefetch_refused", "This endpoint must not be prefetched"),
            Self::NotFound => (404, "not_found", "Not found"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "Method not allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_the_status_and_code_of_the_contract() {
        use ErrorCode as R;
        let table = [
            (R::AuthorizationServerError, 502, "authorization_server_error"),
            (R::RefreshUnavailable, 503, "refresh_unavailable"),
            (R::ServerError, 500, "server_error"),
            (R::UnauthorizedRequest, 401, "unauthorized_request"),
            (R::InvalidRequest, 400, "invalid_request"),
            (R::PayloadTooLarge, 413, "invalid_request"),
            (R::UnsupportedMediaType, 415, "invalid_request"),
            (R::AuthorizationError, 400, "authorization_error"),
            (R::TokenExpired, 401, "token_expired"),
            (R::SessionExpired, 401, "session_expired"),
            (R::LoginRequired, 401, "login_required"),
            (
                R::InsufficientUserAuthentication,
                401,
                "insufficient_user_authentication",
            ),
            (R::DeviceBindingRequired, 401, "device_binding_required"),
            (R::DeviceChallenge, 403, "device_challenge"),
            (R::NotFound, 404, "not_found"),
            (R::MethodNotAllowed, 405, "method_not_allowed"),
        ];
        for (error, status, code) in table {
            assert_eq!((error.status(), error.code()), (status, code));
            let body: serde_json::Value = serde_json::from_str(&error.body()).unwrap();
            assert_eq!(body, serde_json::json!({"code": code, "message": error.message()}));
        }
        assert_eq!(
            R::UnauthorizedRequest.message(),
            "Access denied due to missing or invalid credentials"
        );
    }
}
