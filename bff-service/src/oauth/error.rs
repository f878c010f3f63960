//! Errors of the OpenID Connect client, and which error response of the service follows from each.

use std::time::SystemTime;

use serde::Deserialize;
use url::form_urlencoded;

use super::error_meaning::{Meaning, OAuthErrorCode, meaning};
use super::extra_params::ExtraParamError;
use super::http::{HttpError, ServerResponse};
use super::id_token::IdTokenError;
use super::retry_after;
use super::signed_jwt::JwtError;
use crate::jose::error::{SigningError, shown};
use crate::random::RandomError;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// The request parameters that must never be logged.
const SECRET_PARAMETERS: [&str; 6] = [
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "client_secret",
    "client_assertion",
];

/// An error. `Display` is for the log, never for the browser, and contains no token, code or secret. Of the strings of
/// the authorization server, it contains names of limited length (an error code, an algorithm, an issuer, an audience),
/// and parts of the metadata, the JWKS and the certificate. In parentheses: the response of the service (`/callback` may
/// redirect with the error code instead).
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The authorization server is unreachable, timed out, answered with an HTTP 5xx other than 503, or sent an unusable
    /// response. (HTTP 502)
    #[error("authorization server: {0}")]
    Unavailable(String),
    /// The authorization server answered with an error, whose meaning is [`ErrorResponse::meaning`].
    #[error(transparent)]
    Rejected(ErrorResponse),
    /// The userinfo endpoint answered HTTP 401. (HTTP 401 `token_expired`)
    #[error("the userinfo endpoint refused the access token")]
    TokenExpired,
    /// The ID token is invalid. (After a login: HTTP 400 `invalid_request`, or HTTP 401
    /// `insufficient_user_authentication` if only the user's authentication is not as required. After a refresh: HTTP 401
    /// `session_expired`)
    #[error("ID token: {0}")]
    InvalidIdToken(#[from] IdTokenError),
    /// The issuer (RFC 9207) or the signature (JARM) of the authorization response is invalid. (HTTP 400 `invalid_request`)
    #[error("authorization response: {0}")]
    AuthorizationResponse(#[from] AuthorizationResponseError),
    /// The logout token is invalid, or the keys to verify it are not available. (HTTP 400 `invalid_request`)
    #[error("logout token: {0}")]
    LogoutToken(#[from] LogoutTokenError),
    /// A parameter of the page is not allowed in the authorization request. (HTTP 400 `invalid_request`)
    #[error("extraParams: {0}")]
    ExtraParam(#[from] ExtraParamError),
    /// An internal error. (HTTP 500)
    #[error("{0}")]
    Internal(String),
}

/// Why an authorization response is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationResponseError {
    /// `iss`, escaped for the log, is another issuer.
    #[error("`iss` is `{0}`, which is not `authorization_server.issuer`")]
    Issuer(String),
    /// `iss` is missing, which the metadata or the configuration announces.
    #[error("missing `iss`, which the metadata or the configuration announces")]
    NoIssuer,
    /// The JWT of the response is invalid (JARM).
    #[error("invalid JWT: {0}")]
    Jwt(#[from] JwtError),
}

/// Why a logout token is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenError {
    /// A common rule for JWTs of the authorization server is violated.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// The keys to verify the signature are not available.
    #[error("the keys to verify it are not available")]
    NoKeys,
    /// `iat` is too long ago.
    #[error("`iat` is too long ago")]
    TooOld,
    /// `events` does not contain the logout event.
    #[error("`events` does not contain the logout event")]
    NoLogoutEvent,
    /// `nonce` is present: the token may be an ID token.
    #[error("`nonce` must not be present")]
    Nonce,
    /// This claim is empty or not a string.
    #[error("`{0}` is empty or not a string")]
    NotString(&'static str),
    /// The token has neither `sub` nor `sid`.
    #[error("both `sub` and `sid` are missing")]
    NamesNothing,
    /// `jti` is missing or too long.
    #[error("`jti` is missing or too long")]
    Id,
}

/// An error response of an endpoint of the authorization server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.shown())]
pub struct ErrorResponse {
    /// The endpoint.
    pub endpoint: ServerEndpoint,
    /// HTTP status.
    pub status: u16,
    /// The `error` code in the JSON body, if it has the form of RFC 6749, section 5.2.
    pub code: Option<String>,
    /// `Retry-After`, in seconds from now.
    pub retry_after: Option<u64>,
}

impl ErrorResponse {
    /// Reads a response with HTTP 4xx. Its `error_description` is logged at `debug`, unless it repeats a secret of the
    /// request: of the form `sent`, or `other_secret` (the client secret, or the access token at the userinfo endpoint).
    pub fn of(
        endpoint: ServerEndpoint,
        response: &ServerResponse,
        sent: &[u8],
        other_secret: Option<&str>,
    ) -> ErrorResponse {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            error: Option<String>,
            error_description: Option<String>,
        }
        let body: Body = serde_json::from_slice(&response.body).unwrap_or_default();
        if let Some(description) = &body.error_description {
            let secrets = form_urlencoded::parse(sent)
                .filter(|(name, _)| SECRET_PARAMETERS.contains(&name.as_ref()))
                .map(|(_, value)| value.into_owned());
            let mut secrets = secrets.chain(other_secret.map(str::to_owned));
            match secrets.any(|secret| !secret.is_empty() && description.contains(&secret)) {
                true => log::debug!("the {endpoint} endpoint repeats in `error_description` what was sent to it"),
                false => log::debug!("the {endpoint} endpoint explains: {}", shown(description)),
            }
        }
        ErrorResponse {
            endpoint,
            status: response.status,
            code: body.error.as_deref().and_then(error_code).map(str::to_owned),
            retry_after: seconds(response.retry_after.as_deref()),
        }
    }

    fn shown(&self) -> String {
        let answered = format!("the {} endpoint answered HTTP {}", self.endpoint, self.status);
        let Some(code) = &self.code else {
            return format!("{answered} without an OAuth error");
        };
        match settings_behind(OAuthErrorCode::of(code)) {
            Some(settings) => {
                format!(
                    "{answered} with error `{code}`: check that {settings} is as registered at the authorization server"
                )
            }
            None => format!("{answered} with error `{code}`"),
        }
    }

    /// The error code, if any.
    pub fn error_code(&self) -> Option<OAuthErrorCode> {
        self.code.as_deref().map(OAuthErrorCode::of)
    }

    /// The meaning of the error.
    pub fn meaning(&self) -> Meaning {
        meaning(self.status, self.error_code())
    }
}

/// The fields of the configuration that an error code is about, if the code tells which.
pub(crate) fn settings_behind(code: OAuthErrorCode) -> Option<&'static str> {
    const CLIENT: &str = "`client.id`, with the client secret or key and `client.authentication`,";
    let settings = [
        (OAuthErrorCode::InvalidClient, CLIENT),
        (OAuthErrorCode::UnauthorizedClient, CLIENT),
        (OAuthErrorCode::InvalidScope, "`client.scope`"),
        (OAuthErrorCode::InvalidTarget, "`client.resource`"),
    ];
    settings
        .into_iter()
        .find(|(about, _)| *about == code)
        .map(|(_, name)| name)
}

impl OAuthError {
    /// The error for a failed request to `endpoint`.
    pub fn http(endpoint: ServerEndpoint, error: HttpError) -> OAuthError {
        match &error {
            HttpError::Status {
                status: status @ 503,
                retry_after,
            } => OAuthError::Rejected(ErrorResponse {
                endpoint,
                status: *status,
                code: None,
                retry_after: seconds(retry_after.as_deref()),
            }),
            HttpError::Timeout { .. }
            | HttpError::Connect(_)
            | HttpError::Broken(_)
            | HttpError::TooLarge(_)
            | HttpError::Status { .. }
            | HttpError::Request(_) => OAuthError::Unavailable(format!("the {endpoint} endpoint: {error}")),
        }
    }
}

impl From<SigningError> for OAuthError {
    fn from(error: SigningError) -> OAuthError {
        OAuthError::Internal(error.to_string())
    }
}

impl From<RandomError> for OAuthError {
    fn from(error: RandomError) -> OAuthError {
        OAuthError::Internal(error.to_string())
    }
}

fn seconds(retry_after: Option<&str>) -> Option<u64> {
    retry_after.and_then(|value| retry_after::parse(value, SystemTime::now()))
}

/// An OAuth error code that is safe to log: RFC 6749, section 5.2 allows printable ASCII without `"` and `\`, and codes
/// are short. `None` for any other string.
pub(crate) fn error_code(value: &str) -> Option<&str> {
    let is_legal = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\';
    ((1..=100).contains(&value.len()) && value.bytes().all(is_legal)).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_error_names_the_endpoint_and_the_setting_that_it_is_about() {
        let error_response = |code: Option<&str>| ErrorResponse {
            endpoint: ServerEndpoint::Token,
            status: 400,
            code: code.map(str::to_owned),
            retry_after: None,
        };
        assert_eq!(
            error_response(None).to_string(),
            "the token endpoint answered HTTP 400 without an OAuth error"
        );
        assert_eq!(
            error_response(Some("invalid_target")).to_string(),
            "the token endpoint answered HTTP 400 with error `invalid_target`: check that `client.resource` is as \
             registered at the authorization server"
        );
        let error = OAuthError::http(
            ServerEndpoint::Userinfo,
            HttpError::request_timeout(Duration::from_secs(5)),
        );
        assert_eq!(
            error.to_string(),
            "authorization server: the userinfo endpoint: the request timed out after 5000 ms"
        );
    }
}
