//! Every refusal of both halves: one table of status, code and message. The texts are fixed; what really happened is for
//! the log.

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Filter: no proof, or an Origin or CSRF check failed.
    Unauthorized,
    /// Filter: the same where a bearer token was expected, answered with `WWW-Authenticate` (RFC 6750, 3).
    BearerUnauthorized,
    /// Filter: the credentials are malformed or repeated (RFC 6750, section 3.1, `invalid_request`).
    MalformedCredentials,
    /// Filter: the token lacks a required scope.
    Forbidden,
    /// Both: the authorization server is unreachable or answered nonsense.
    AuthorizationServerError,
    /// Service: the authorization server cannot answer just now; the same request may succeed in a while.
    AuthorizationServerBusy {
        /// After how many seconds, where it says so: the `Retry-After` of the response.
        retry_after: Option<u16>,
    },
    /// Filter: the authorization server took too long.
    AuthorizationServerTimeout,
    /// Both: a fault of ours.
    ServerError,
    /// Service: an Origin, CSRF or cookie check failed.
    UnauthorizedRequest,
    /// Service: something in the request is malformed, or no login is pending for it.
    InvalidRequest,
    /// Service: the body is too large.
    PayloadTooLarge,
    /// Service: the body cannot be JSON.
    UnsupportedMediaType,
    /// Service: the authorization server refused a back-channel request.
    AuthorizationError,
    /// Service: the authorization server no longer takes the access token.
    TokenExpired,
    /// Service: the refresh token is no longer good.
    SessionExpired,
    /// Service: the authorization server wants the user to sign in.
    LoginRequired,
    /// Service: a prefetch of what must not happen before the user goes there.
    Prefetch,
    /// Service: no such path.
    NotFound,
    /// Service: the path has no such method.
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
            Self::Unauthorized | Self::BearerUnauthorized => (401, "unauthorized", CREDENTIALS),
            Self::MalformedCredentials => (
                400,
                "invalid_request",
                "The credentials are malformed, or there are several",
            ),
            Self::Forbidden => (403, "forbidden", "The access token is not sufficient for this request"),
            Self::AuthorizationServerError => (502, "authorization_server_error", SERVER),
            Self::AuthorizationServerBusy { .. } => (503, "authorization_server_error", BUSY),
            Self::AuthorizationServerTimeout => (504, "authorization_server_error", SERVER),
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

/// An error body; for the one code that is not in the table, the authorization server's own.
pub fn error_body(code: &str, message: &str) -> String {
    serde_json::json!({"code": code, "message": message}).to_string()
}
