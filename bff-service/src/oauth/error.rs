//! What can go wrong with the authorization server. One kind for each way in which the API answers.

use super::extra_params::ExtraParamError;
use super::http::HttpError;
use super::id_token::IdTokenError;
use crate::random::RandomError;

/// A failure. `Display` is for the log, never for the client; it holds no token, code or secret, and nothing that the
/// authorization server wrote but an error code.
#[derive(Debug)]
pub enum OAuthError {
    /// The authorization server is unreachable, too slow, answered 5xx, or answered what makes no sense. (502)
    Unavailable(String),
    /// It answered 503. (502)
    Busy {
        /// After how many seconds to come again, where it says so.
        retry_after: Option<u64>,
    },
    /// It answered 4xx to a request of ours. (400 `authorization_error`)
    Rejected {
        /// HTTP status.
        status: u16,
        /// The `error` code of the JSON in the answer, where there is one.
        error: Option<String>,
    },
    /// It answered 4xx with `"error":"invalid_grant"`: the code or the refresh token is not good, or no longer.
    InvalidGrant,
    /// The userinfo endpoint answered 401. (401 `token_expired`)
    TokenExpired,
    /// The ID token is not acceptable. (400 `invalid_request`)
    InvalidIdToken(IdTokenError),
    /// The authorization response is not to be believed: its issuer (RFC 9207) or its signature (JARM). (400
    /// `invalid_request`)
    AuthorizationResponse(&'static str),
    /// A logout token is not acceptable. (400 `invalid_request`)
    LogoutToken(&'static str),
    /// A parameter that the page asked for must not be in the authorization request. (400 `invalid_request`)
    ExtraParam(ExtraParamError),
    /// A fault of ours. (500)
    Internal(String),
}

impl std::fmt::Display for OAuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OAuthError::Unavailable(what) => write!(f, "authorization server: {what}"),
            OAuthError::Busy { .. } => f.write_str("authorization server: answered 503"),
            OAuthError::Rejected {
                status,
                error: Some(error),
            } => {
                write!(f, "the authorization server answered {status} with error `{error}`")
            }
            OAuthError::Rejected { status, error: None } => {
                write!(f, "the authorization server answered {status} without an OAuth error")
            }
            OAuthError::InvalidGrant => f.write_str("the authorization server answered `invalid_grant`"),
            OAuthError::TokenExpired => f.write_str("the userinfo endpoint refused the access token"),
            OAuthError::InvalidIdToken(error) => write!(f, "ID token: {error}"),
            OAuthError::AuthorizationResponse(what) => write!(f, "authorization response: {what}"),
            OAuthError::LogoutToken(what) => write!(f, "logout token: {what}"),
            OAuthError::ExtraParam(error) => write!(f, "extraParams: {error}"),
            OAuthError::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for OAuthError {}

impl From<HttpError> for OAuthError {
    fn from(error: HttpError) -> OAuthError {
        match error {
            HttpError::Status {
                status: 503,
                retry_after,
            } => OAuthError::Busy {
                retry_after: retry_after.and_then(|seconds| seconds.parse().ok()),
            },
            error => OAuthError::Unavailable(error.to_string()),
        }
    }
}

impl From<ExtraParamError> for OAuthError {
    fn from(error: ExtraParamError) -> OAuthError {
        OAuthError::ExtraParam(error)
    }
}

impl From<RandomError> for OAuthError {
    fn from(error: RandomError) -> OAuthError {
        OAuthError::Internal(error.to_string())
    }
}

/// An OAuth error code as it may be logged: RFC 6749 section 5.2 allows printable ASCII without `"` and `\`, and codes
/// are short. Anything else is no error code.
pub(crate) fn error_code(text: &str) -> Option<&str> {
    let printable = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\';
    ((1..=100).contains(&text.len()) && text.bytes().all(printable)).then_some(text)
}
