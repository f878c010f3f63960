//! The error codes of the service: one table of status, code and message. The texts are fixed; what really happened is for
//! the log.

use crate::error_body::error_body;

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// the authorization server is unreachable or answered nonsense.
    AuthorizationServerError,
    /// the authorization server cannot answer just now; the same request may succeed in a while.
    AuthorizationServerBusy {
        /// After how many seconds, where it says so: the `Retry-After` of the response.
        retry_after: Option<u16>,
    },
    /// a fault of ours.
    ServerError,
    /// an Origin, CSRF or cookie check failed.
    UnauthorizedRequest,
    /// something in the request is malformed, or no login is pending for it.
    InvalidRequest,
    /// the body is too large.
    PayloadTooLarge,
    /// the body cannot be JSON.
    UnsupportedMediaType,
    /// the authorization server refused a back-channel request.
    AuthorizationError,
    /// the authorization server no longer takes the access token.
    TokenExpired,
    /// the refresh token is no longer good.
    SessionExpired,
    /// the authorization server wants the user to sign in.
    LoginRequired,
    /// a prefetch of what must not happen before the user goes there.
    Prefetch,
    /// no such path.
    NotFound,
    /// the path has no such method.
    MethodNotAllowed,
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().0
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
        const CREDENTIALS: &str = "Access denied due to missing or invalid credentials";
        const SERVER: &str = "The authorization server could not be used";
        const BUSY: &str = "The authorization server is busy: try again later";
        match self {
            Self::AuthorizationServerError => (502, "authorization_server_error", SERVER),
            Self::AuthorizationServerBusy { .. } => (503, "authorization_server_error", BUSY),
            Self::ServerError => (500, "server_error", "A problem was encountered on the server"),
            Self::UnauthorizedRequest => (401, "unauthorized_request", CREDENTIALS),
            Self::InvalidRequest => (
                400,
                "invalid_request",
                "The request is malformed or does not fit the state of the login",
            ),
            Self::PayloadTooLarge => (413, "invalid_request", "The request body is too large"),
            Self::UnsupportedMediaType => (415, "invalid_request", "The request body must be JSON"),
            Self::AuthorizationError => (
                400,
                "authorization_error",
                "The authorization server refused the request",
            ),
            Self::TokenExpired => (401, "token_expired", "The access token has expired"),
            Self::SessionExpired => (401, "session_expired", "The session has expired"),
            Self::LoginRequired => (401, "login_required", "The user has to sign in"),
            Self::Prefetch => (
                503,
                "prefetch_refused",
                "This must not be fetched before the user goes there",
            ),
            Self::NotFound => (404, "not_found", "There is nothing at this path"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "This path does not have this method"),
        }
    }
}
