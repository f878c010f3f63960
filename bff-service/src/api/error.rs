//! Errors. The caller gets one of the fixed messages of [`ErrorCode`]. The details go to the log only, except that
//! `/end-sessions` also sends them to the operator.

use std::borrow::Cow;

use crate::error_code::ErrorCode;
use actix_web::http::header::{HeaderName, RETRY_AFTER};
use bff_core::error_body::error_body;

use crate::oauth::OAuthError;
use crate::oauth::error::{ErrorResponse, error_code, settings_behind};
use crate::oauth::error_meaning::{Meaning, OAuthErrorCode};
use crate::oauth::retry_after;
use crate::random::RandomError;
use crate::session::writer::WriteError;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// The reason for a rejection: a label of a metric, and a member of the audit line. If there is no reason, the error
/// code stands in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// The Origin is missing or not trusted; at `/end-sessions`: the request is from a browser.
    Origin,
    /// Fetch Metadata shows another site, or an unexpected kind of request.
    FetchMetadata,
    /// The CSRF value is missing or invalid.
    Csrf,
    /// A cookie is missing.
    CookieMissing,
    /// A cookie has expired.
    CookieExpired,
    /// A cookie lacks a part, cannot be decrypted (altered, or sealed with a key that is not in the key ring), or has
    /// no usable content.
    CookieUnreadable,
    /// The cookies belong to different sessions; at a logout also: beside the CSRF cookie, none is valid.
    CookiesMixed,
    /// The session was ended before its cookies expired.
    SessionEnded,
    /// The user was not active in time, the session has expired, or it is no longer known whether the session is bound.
    SessionExpired,
    /// The authorization server no longer accepts the refresh token or sent an invalid ID token, or the session was
    /// ended during the refresh.
    RefreshTokenRefused,
    /// No login is pending in this browser, or no valid one with this `state`.
    LoginUnknown,
    /// The ID token is invalid.
    IdToken,
    /// The logout token is invalid or was used before, or the keys to verify it are not available.
    LogoutToken,
    /// The session is bound to a device or was replaced, and the request lacks a valid proof or, for a logout everywhere,
    /// a fresh one.
    DeviceProof,
    /// The registration of a device's key, or the request for a new proof, is invalid.
    DeviceKey,
    /// Another key was registered for the session before.
    DeviceKeyRepeated,
    /// The credential of an operator is missing or invalid.
    AdminToken,
}

impl Reason {
    /// The name of the reason in metrics and audit lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Reason::Origin => "origin",
            Reason::FetchMetadata => "fetch_metadata",
            Reason::Csrf => "csrf",
            Reason::CookieMissing => "cookie_missing",
            Reason::CookieExpired => "cookie_expired",
            Reason::CookieUnreadable => "cookie_unreadable",
            Reason::CookiesMixed => "cookies_mixed",
            Reason::SessionEnded => "session_ended",
            Reason::SessionExpired => "session_over",
            Reason::RefreshTokenRefused => "refresh_token_refused",
            Reason::LoginUnknown => "login_unknown",
            Reason::IdToken => "id_token",
            Reason::LogoutToken => "logout_token",
            Reason::DeviceProof => "device_proof",
            Reason::DeviceKey => "device_key",
            Reason::DeviceKeyRepeated => "device_key_repeated",
            Reason::AdminToken => "admin_token",
        }
    }
}

/// A refused or failed request.
#[derive(Debug)]
pub(super) struct ApiError {
    error_code: ErrorCode,
    reason: Option<Reason>,
    /// The `error` of the authorization response, which replaces the error code.
    oauth_error: Option<String>,
    why: Cow<'static, str>,
    set_cookies: Vec<String>,
    /// A further header of the response.
    header: Option<Box<(HeaderName, String)>>,
}

impl ApiError {
    /// `why` is for the log, and must contain no token, cookie or secret.
    pub(super) fn new(error_code: ErrorCode, why: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError {
            error_code,
            reason: None,
            oauth_error: None,
            why: why.into(),
            set_cookies: Vec::new(),
            header: None,
        }
    }

    /// HTTP 401: a check of [`ErrorCode::UnauthorizedRequest`] failed.
    pub(super) fn unauthorized(why: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(ErrorCode::UnauthorizedRequest, why)
    }

    /// HTTP 400: the request is invalid.
    pub(super) fn invalid(why: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(ErrorCode::InvalidRequest, why)
    }

    /// The authorization server answered the login with an error in the front channel. If its error code has the form
    /// of RFC 6749, section 4.1.2.1, the response contains it.
    pub(super) fn front_channel(error: &str) -> ApiError {
        if error == "login_required" {
            return ApiError::new(
                ErrorCode::LoginRequired,
                "the authorization server requires the user to sign in",
            );
        }
        let code = error_code(error);
        let mut why = "the authorization server refused the authorization request".to_owned();
        if let Some(code) = code {
            why = format!("the authorization server answered the login with error `{code}`");
            if let Some(settings) = settings_behind(OAuthErrorCode::of(code)) {
                why.push_str(&format!(
                    ": check that {settings} is as registered at the authorization server"
                ));
            }
        }
        ApiError {
            oauth_error: code.map(str::to_owned),
            ..ApiError::new(ErrorCode::AuthorizationError, why)
        }
    }

    /// Sets the reason.
    pub(super) fn because(self, reason: Reason) -> ApiError {
        ApiError {
            reason: Some(reason),
            ..self
        }
    }

    /// Sets the `Set-Cookie` lines of the response, in place of earlier ones.
    pub(super) fn with_cookies(self, set_cookies: Vec<String>) -> ApiError {
        ApiError { set_cookies, ..self }
    }

    /// Sets the further header of the response.
    pub(super) fn with_header(self, name: HeaderName, value: String) -> ApiError {
        ApiError {
            header: Some(Box::new((name, value))),
            ..self
        }
    }

    /// The header for the response: the further one, or otherwise `Retry-After` if the error code has one.
    pub(super) fn take_header(&mut self) -> Option<(HeaderName, String)> {
        let retry_after = || Some((RETRY_AFTER, self.error_code.retry_after()?.to_string()));
        self.header.take().map(|header| *header).or_else(retry_after)
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_temporary(&self) -> bool {
        self.is_from_authorization_server() || self.error_code == ErrorCode::RefreshUnavailable
    }

    /// Whether the error code is `authorization_server_error`.
    pub(super) fn is_from_authorization_server(&self) -> bool {
        matches!(
            self.error_code,
            ErrorCode::AuthorizationServerError | ErrorCode::AuthorizationServerBusy { .. }
        )
    }

    /// Whether cookies of different sessions are the reason.
    pub(super) fn has_mixed_cookies(&self) -> bool {
        self.reason == Some(Reason::CookiesMixed)
    }

    /// Whether the request was rejected. A challenge is no rejection: it is a normal step to a proof.
    pub(super) fn is_rejection(&self) -> bool {
        self.error_code != ErrorCode::DeviceChallenge
    }

    /// The error code.
    pub(super) fn error_code(&self) -> ErrorCode {
        self.error_code
    }

    /// The name of the reason, or otherwise the error code.
    pub(super) fn reason(&self) -> &'static str {
        self.reason.map_or(self.error_code.code(), Reason::name)
    }

    /// The details, for the log.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// The error code, and the `Set-Cookie` lines.
    pub(super) fn into_code(self) -> (String, Vec<String>) {
        let code = self.oauth_error.unwrap_or_else(|| self.error_code.code().to_owned());
        (code, self.set_cookies)
    }

    /// The response's JSON, and its `Set-Cookie` lines.
    pub(super) fn into_parts(self) -> (String, Vec<String>) {
        let body = match self.oauth_error {
            Some(code) => error_body(&code, self.error_code.message()),
            None => self.error_code.body(),
        };
        (body, self.set_cookies)
    }
}

impl From<OAuthError> for ApiError {
    fn from(error: OAuthError) -> ApiError {
        let failure = ApiError::new(code_of(&error, code_of_rejection), error.to_string());
        match &error {
            // The ID token is valid, but its user has not authenticated as required.
            OAuthError::InvalidIdToken(error) if error.is_of_authentication() => failure,
            OAuthError::InvalidIdToken(_) => failure.because(Reason::IdToken),
            OAuthError::LogoutToken(_) => failure.because(Reason::LogoutToken),
            OAuthError::Unavailable(_)
            | OAuthError::Rejected(_)
            | OAuthError::TokenExpired
            | OAuthError::AuthorizationResponse(_)
            | OAuthError::ExtraParam(_)
            | OAuthError::Internal(_) => failure,
        }
    }
}

/// The error code. For an error response of the authorization server it depends on the request: `code_of_response`
/// returns it.
fn code_of(error: &OAuthError, code_of_response: impl FnOnce(&ErrorResponse) -> ErrorCode) -> ErrorCode {
    match error {
        OAuthError::Unavailable(_) => ErrorCode::AuthorizationServerError,
        OAuthError::InvalidIdToken(error) if error.is_of_authentication() => ErrorCode::InsufficientUserAuthentication,
        OAuthError::Rejected(error_response) => code_of_response(error_response),
        OAuthError::TokenExpired => ErrorCode::TokenExpired,
        OAuthError::InvalidIdToken(_)
        | OAuthError::AuthorizationResponse(_)
        | OAuthError::LogoutToken(_)
        | OAuthError::ExtraParam(_) => ErrorCode::InvalidRequest,
        OAuthError::Internal(_) => ErrorCode::ServerError,
    }
}

fn code_of_rejection(error_response: &ErrorResponse) -> ErrorCode {
    let (endpoint, code) = (error_response.endpoint, error_response.error_code());
    match (error_response.meaning(), endpoint) {
        (Meaning::Temporary, _) => busy(error_response),
        (Meaning::SignInRequired, ServerEndpoint::Token) if code != Some(OAuthErrorCode::InvalidGrant) => {
            ErrorCode::LoginRequired
        }
        (Meaning::SignInRequired, ServerEndpoint::Userinfo) if code == Some(OAuthErrorCode::InvalidToken) => {
            ErrorCode::TokenExpired
        }
        (Meaning::Failure, ServerEndpoint::Token) => ErrorCode::AuthorizationServerError,
        // The page's own parameters may be invalid, and may be in the pushed request.
        (Meaning::SignInRequired | Meaning::Failure, _) => ErrorCode::AuthorizationError,
    }
}

/// The error code for a failed refresh, by the meaning of the error.
pub(super) fn code_of_failed_refresh(error: &OAuthError) -> ErrorCode {
    // The tokens that came with the invalid ID token are revoked, so the session cannot continue.
    if let OAuthError::InvalidIdToken(_) = error {
        return ErrorCode::SessionExpired;
    }
    code_of(error, |error_response| match error_response.meaning() {
        Meaning::Temporary => busy(error_response),
        Meaning::SignInRequired => ErrorCode::SessionExpired,
        Meaning::Failure => ErrorCode::AuthorizationServerError,
    })
}

fn busy(error_response: &ErrorResponse) -> ErrorCode {
    ErrorCode::AuthorizationServerBusy {
        retry_after: error_response.retry_after.map(retry_after::clamp),
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> ApiError {
        ApiError::new(ErrorCode::ServerError, error.to_string())
    }
}

impl From<RandomError> for ApiError {
    fn from(error: RandomError) -> ApiError {
        ApiError::new(ErrorCode::ServerError, error.to_string())
    }
}
