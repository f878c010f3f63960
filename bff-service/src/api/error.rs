//! Refusals. What the caller hears is one of the fixed texts of [`ErrorCode`], the table that both halves of the product
//! share; what went wrong in detail goes to the log and nowhere else.

use std::borrow::Cow;

use crate::error_code::ErrorCode;
use bff_core::error_body::error_body;

use crate::oauth::OAuthError;
use crate::oauth::error::{ErrorResponse, error_code, settings_behind};
use crate::oauth::error_meaning::{Meaning, OAuthErrorCode};
use crate::oauth::retry_after;
use crate::random::RandomError;
use crate::session::writer::WriteError;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// Why a request was refused, in a word: a label of a metric, and a member of the audit line. Where none of these is
/// said, it is the error code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// The Origin is missing or not trusted.
    Origin,
    /// Fetch Metadata say that the request comes from elsewhere, or is not what it should be.
    FetchMetadata,
    /// The CSRF value is missing or another one.
    Csrf,
    /// A cookie is missing.
    CookieMissing,
    /// A cookie's time is over.
    CookieExpired,
    /// A cookie is not one of ours, was altered, or was sealed with a key that is gone.
    CookieUnreadable,
    /// Cookies of different sessions.
    CookiesMixed,
    /// The session was ended before its time.
    SessionEnded,
    /// The authorization server does not take the refresh token any more.
    RefreshTokenRefused,
    /// No login is pending in this browser, or none with this state.
    LoginUnknown,
    /// The ID token is not good.
    IdToken,
    /// The logout token is not good.
    LogoutToken,
}

impl Reason {
    /// Its name.
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
            Reason::RefreshTokenRefused => "refresh_token_refused",
            Reason::LoginUnknown => "login_unknown",
            Reason::IdToken => "id_token",
            Reason::LogoutToken => "logout_token",
        }
    }
}

/// A request that is not fulfilled.
#[derive(Debug)]
pub(super) struct ApiError {
    refusal: ErrorCode,
    reason: Option<Reason>,
    /// The `error` of the authorization response, in place of the refusal's own code.
    code: Option<String>,
    why: Cow<'static, str>,
    set_cookies: Vec<String>,
}

impl ApiError {
    /// `why` is for the log: it holds no token, cookie or secret.
    pub(super) fn new(refusal: ErrorCode, why: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError {
            refusal,
            reason: None,
            code: None,
            why: why.into(),
            set_cookies: Vec::new(),
        }
    }

    /// 401: Origin, CSRF or a cookie.
    pub(super) fn unauthorized(why: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(ErrorCode::UnauthorizedRequest, why)
    }

    /// 400: the request is not what the endpoint takes.
    pub(super) fn invalid(why: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(ErrorCode::InvalidRequest, why)
    }

    /// The authorization server refused the login in the front channel. Its own error code is passed on, where it has
    /// the form that RFC 6749, section 4.1.2.1, gives to one.
    pub(super) fn front_channel(error: &str) -> ApiError {
        if error == "login_required" {
            return ApiError::new(ErrorCode::LoginRequired, "the authorization server requires a login");
        }
        let code = error_code(error);
        let mut why = "the authorization server rejected the authorization request".to_owned();
        if let Some(code) = code {
            why = format!("the authorization server answered the login with error `{code}`");
            if let Some(settings) = settings_behind(OAuthErrorCode::of(code)) {
                why.push_str(&format!(": check that {settings} is as registered there"));
            }
        }
        ApiError {
            code: code.map(str::to_owned),
            ..ApiError::new(ErrorCode::AuthorizationError, why)
        }
    }

    /// The same failure, for this reason.
    pub(super) fn because(self, reason: Reason) -> ApiError {
        ApiError {
            reason: Some(reason),
            ..self
        }
    }

    /// The same failure, with these cookies set or cleared by its response.
    pub(super) fn with_cookies(self, set_cookies: Vec<String>) -> ApiError {
        ApiError { set_cookies, ..self }
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(
            self.refusal,
            ErrorCode::AuthorizationServerError | ErrorCode::AuthorizationServerBusy { .. }
        )
    }

    /// Which refusal.
    pub(super) fn error_code(&self) -> ErrorCode {
        self.refusal
    }

    /// The reason in a word.
    pub(super) fn reason(&self) -> &'static str {
        self.reason.map_or(self.refusal.code(), Reason::name)
    }

    /// Why, for the log.
    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// The error code, and the `Set-Cookie` lines.
    pub(super) fn into_code(self) -> (String, Vec<String>) {
        let code = self.code.unwrap_or_else(|| self.refusal.code().to_owned());
        (code, self.set_cookies)
    }

    /// The response's JSON, and its `Set-Cookie` lines.
    pub(super) fn into_parts(self) -> (String, Vec<String>) {
        let body = match self.code {
            Some(code) => error_body(&code, self.refusal.message()),
            None => self.refusal.body(),
        };
        (body, self.set_cookies)
    }
}

impl From<OAuthError> for ApiError {
    fn from(error: OAuthError) -> ApiError {
        let refusal = match &error {
            OAuthError::Unavailable(_) => ErrorCode::AuthorizationServerError,
            OAuthError::Rejected(error_response) => refusal_of(error_response),
            OAuthError::TokenExpired => ErrorCode::TokenExpired,
            OAuthError::InvalidIdToken(_)
            | OAuthError::AuthorizationResponse(_)
            | OAuthError::LogoutToken(_)
            | OAuthError::ExtraParam(_) => ErrorCode::InvalidRequest,
            OAuthError::Internal(_) => ErrorCode::ServerError,
        };
        let failure = ApiError::new(refusal, error.to_string());
        match &error {
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

/// How the API answers a call for which the authorization server was asked and answered with an error.
fn refusal_of(error_response: &ErrorResponse) -> ErrorCode {
    let (endpoint, code) = (error_response.endpoint, error_response.error_code());
    match (error_response.meaning(), endpoint) {
        (Meaning::NotNow, _) => busy(error_response),
        (Meaning::UserMustCome, ServerEndpoint::Token) if code != Some(OAuthErrorCode::InvalidGrant) => {
            ErrorCode::LoginRequired
        }
        (Meaning::UserMustCome, ServerEndpoint::Userinfo) if code == Some(OAuthErrorCode::InvalidToken) => {
            ErrorCode::TokenExpired
        }
        (Meaning::Fault, ServerEndpoint::Token) => ErrorCode::AuthorizationServerError,
        // What was pushed may be the page's own parameters.
        (Meaning::UserMustCome | Meaning::Fault, _) => ErrorCode::AuthorizationError,
    }
}

/// How the API answers a refresh that failed: with the meaning of the error, whatever its code.
pub(super) fn refusal_of_refresh(error: &OAuthError) -> ErrorCode {
    match error {
        OAuthError::Unavailable(_) => ErrorCode::AuthorizationServerError,
        OAuthError::Rejected(error_response) => match error_response.meaning() {
            Meaning::NotNow => busy(error_response),
            Meaning::UserMustCome => ErrorCode::SessionExpired,
            Meaning::Fault => ErrorCode::AuthorizationServerError,
        },
        OAuthError::TokenExpired => ErrorCode::TokenExpired,
        OAuthError::InvalidIdToken(_)
        | OAuthError::AuthorizationResponse(_)
        | OAuthError::LogoutToken(_)
        | OAuthError::ExtraParam(_) => ErrorCode::InvalidRequest,
        OAuthError::Internal(_) => ErrorCode::ServerError,
    }
}

fn busy(error_response: &ErrorResponse) -> ErrorCode {
    ErrorCode::AuthorizationServerBusy {
        retry_after: error_response.retry_after.map(retry_after::bounded),
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
