//! Refusals. What the caller hears is one of the fixed texts of [`Refusal`], the table that both halves of the product
//! share; what went wrong in detail goes to the log and nowhere else.

use std::borrow::Cow;

use bff_core::reply::{Refusal, error_body};

use crate::oauth::OAuthError;
use crate::oauth::error::error_code;
use crate::random::RandomError;
use crate::session::tokens::WriteError;

/// A request that is not fulfilled.
#[derive(Debug)]
pub(super) struct Failure {
    refusal: Refusal,
    /// The `error` of the authorization response, in place of the refusal's own code.
    code: Option<String>,
    why: Cow<'static, str>,
    set_cookies: Vec<String>,
}

impl Failure {
    /// `why` is for the log: it holds no token, cookie or secret.
    pub(super) fn new(refusal: Refusal, why: impl Into<Cow<'static, str>>) -> Failure {
        Failure {
            refusal,
            code: None,
            why: why.into(),
            set_cookies: Vec::new(),
        }
    }

    /// 401: Origin, CSRF or a cookie.
    pub(super) fn unauthorized(why: impl Into<Cow<'static, str>>) -> Failure {
        Failure::new(Refusal::UnauthorizedRequest, why)
    }

    /// 400: the request is not what the endpoint takes.
    pub(super) fn invalid(why: impl Into<Cow<'static, str>>) -> Failure {
        Failure::new(Refusal::InvalidRequest, why)
    }

    /// The authorization server refused the login in the front channel. Its own error code is passed on, where it has
    /// the form that RFC 6749 (4.1.2.1) gives to one.
    pub(super) fn front_channel(error: &str) -> Failure {
        if error == "login_required" {
            return Failure::new(Refusal::LoginRequired, "the authorization server requires a login");
        }
        Failure {
            code: error_code(error).map(str::to_owned),
            ..Failure::new(
                Refusal::AuthorizationError,
                "the authorization server answered the login with an error",
            )
        }
    }

    /// The same failure, with these cookies set or cleared by its response.
    pub(super) fn with_cookies(self, set_cookies: Vec<String>) -> Failure {
        Failure { set_cookies, ..self }
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_temporary(&self) -> bool {
        self.refusal == Refusal::AuthorizationServerError
    }

    /// Which refusal.
    pub(super) fn refusal(&self) -> Refusal {
        self.refusal
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

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Failure {
        let refusal = match &error {
            OAuthError::Unavailable(_) | OAuthError::Busy { .. } => Refusal::AuthorizationServerError,
            OAuthError::Rejected { .. } | OAuthError::InvalidGrant => Refusal::AuthorizationError,
            OAuthError::TokenExpired => Refusal::TokenExpired,
            OAuthError::InvalidIdToken(_)
            | OAuthError::AuthorizationResponse(_)
            | OAuthError::LogoutToken(_)
            | OAuthError::ExtraParam(_) => Refusal::InvalidRequest,
            OAuthError::Internal(_) => Refusal::ServerError,
        };
        Failure::new(refusal, error.to_string())
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        Failure::new(Refusal::ServerError, error.to_string())
    }
}

impl From<RandomError> for Failure {
    fn from(error: RandomError) -> Failure {
        Failure::new(Refusal::ServerError, error.to_string())
    }
}
