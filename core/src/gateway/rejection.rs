//! A rejected request: what its response and the log say.

use std::fmt;

use serde_json::Value;

use super::authentication::AuthenticationRequirement;
use super::error_code::ErrorCode;
use crate::error_body::error_members;

const OTHER_AUDIENCE: &str = "the token is for another audience";

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the response says.
    pub code: ErrorCode,
    /// `error` of `WWW-Authenticate: Bearer` (RFC 6750, section 3.1), if the caller sent a bearer token that cannot be
    /// used.
    pub bearer_error: Option<&'static str>,
    /// All scopes that the request needs, if the token lacks one of them.
    pub scopes: Vec<String>,
    /// All that the request needs of the user's authentication, if that is not sufficient.
    pub authentication: Option<Box<AuthenticationRequirement>>,
    /// Response code details: what happened, for the log and the access log.
    pub details: &'static str,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {} {}: {}", self.code.status(), self.code.code(), self.details)
    }
}

impl Rejection {
    /// Creates a rejection without a bearer token error.
    pub const fn new(code: ErrorCode, details: &'static str) -> Self {
        Self::with_bearer_error(code, None, details)
    }

    const fn with_bearer_error(code: ErrorCode, bearer_error: Option<&'static str>, details: &'static str) -> Self {
        Self {
            code,
            bearer_error,
            scopes: Vec::new(),
            authentication: None,
            details,
        }
    }

    pub(crate) const fn unauthorized(details: &'static str) -> Self {
        Self::new(ErrorCode::Unauthorized, details)
    }

    /// Returns the rejection of malformed or repeated credentials.
    pub(crate) const fn malformed(details: &'static str) -> Self {
        Self::with_bearer_error(ErrorCode::MalformedCredentials, Some("invalid_request"), details)
    }

    /// Returns the rejection of an invalid token. `bearer`: whether it is a bearer token of the caller.
    pub(crate) const fn invalid_token(bearer: bool, details: &'static str) -> Self {
        if bearer {
            Self::with_bearer_error(ErrorCode::BearerUnauthorized, Some("invalid_token"), details)
        } else {
            Self::unauthorized(details)
        }
    }

    /// Returns the rejection of a valid token of another audience.
    pub(crate) const fn other_audience(bearer: bool) -> Self {
        Self::invalid_token(bearer, OTHER_AUDIENCE)
    }

    /// Whether the token is of another audience.
    pub(crate) fn is_for_other_audience(&self) -> bool {
        self.details == OTHER_AUDIENCE
    }

    /// Returns the rejection of a valid token that lacks a scope. `scopes` are all scopes that the request needs.
    pub(crate) fn insufficient_scope(bearer: bool, scopes: Vec<String>) -> Self {
        Self {
            scopes,
            ..Self::forbidden(bearer, "the token lacks a required scope")
        }
    }

    /// Returns the rejection of a valid token that does not permit the request.
    pub(crate) const fn forbidden(bearer: bool, details: &'static str) -> Self {
        let bearer_error = if bearer { Some("insufficient_scope") } else { None };
        Self::with_bearer_error(ErrorCode::Forbidden, bearer_error, details)
    }

    /// Returns the rejection of a valid token whose user has not authenticated as required (RFC 9470, section 3). `required`
    /// is all that the request needs.
    pub(crate) fn insufficient_authentication(
        bearer: bool,
        required: AuthenticationRequirement,
        details: &'static str,
    ) -> Self {
        let code = ErrorCode::InsufficientUserAuthentication;
        Self {
            authentication: required.boxed(),
            ..Self::with_bearer_error(code, bearer.then_some(code.code()), details)
        }
    }

    /// Returns the body: `{"code":…,"message":…}`. If the user's authentication is not sufficient, the body also says
    /// what is required: `acr_values`, space-separated, and `max_age`, in seconds. A page at another origin cannot read
    /// the challenge, unless CORS exposes it.
    pub fn body(&self) -> String {
        let mut members = error_members(self.code.code(), self.code.message());
        let (acr_values, max_age) = self.required_authentication();
        if !acr_values.is_empty() {
            members.insert("acr_values".to_owned(), acr_values.join(" ").into());
        }
        if let Some(seconds) = max_age {
            members.insert("max_age".to_owned(), seconds.into());
        }
        Value::Object(members).to_string()
    }

    /// Returns the acceptable values of `acr`, and the maximum age of the authentication in seconds, if they are required.
    fn required_authentication(&self) -> (&[String], Option<u64>) {
        let required = self.authentication.as_deref();
        required.map_or((&[], None), |required| (&required.acr_values, required.max_age))
    }

    /// Returns the value of `WWW-Authenticate` (RFC 6750, section 3; RFC 9470, section 3), if a bearer token was
    /// expected. It always has a parameter, as RFC 6750 requires.
    pub fn challenge(&self) -> Option<String> {
        if self.code != ErrorCode::BearerUnauthorized && self.bearer_error.is_none() {
            return None;
        }
        let mut challenge = "Bearer realm=\"api\"".to_owned();
        let mut add = |name: &str, value: &str| {
            for part in [", ", name, "=\"", value, "\""] {
                challenge.push_str(part);
            }
        };
        if let Some(error) = self.bearer_error {
            add("error", error);
        }
        if !self.scopes.is_empty() {
            add("scope", &self.scopes.join(" "));
        }
        let (acr_values, max_age) = self.required_authentication();
        if self.code == ErrorCode::InsufficientUserAuthentication {
            add("error_description", self.code.message());
        }
        if !acr_values.is_empty() {
            add("acr_values", &acr_values.join(" "));
        }
        if let Some(seconds) = max_age {
            add("max_age", &seconds.to_string());
        }
        Some(challenge)
    }
}
