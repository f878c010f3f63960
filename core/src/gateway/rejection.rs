//! A rejected request: what its response and the log say.

use std::fmt;

use super::error_code::ErrorCode;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the response says.
    pub code: ErrorCode,
    /// `error` of `WWW-Authenticate: Bearer` (RFC 6750, section 3.1), if the client sent a bearer token that cannot be
    /// used.
    pub bearer_error: Option<&'static str>,
    /// All scopes that the request needs, if the token lacks one of them.
    pub scopes: Vec<String>,
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
        Self {
            code,
            bearer_error: None,
            scopes: Vec::new(),
            details,
        }
    }

    pub(crate) const fn unauthorized(details: &'static str) -> Self {
        Self::new(ErrorCode::Unauthorized, details)
    }

    /// Returns the rejection of malformed or repeated credentials.
    pub(crate) const fn malformed(details: &'static str) -> Self {
        Self {
            code: ErrorCode::MalformedCredentials,
            bearer_error: Some("invalid_request"),
            scopes: Vec::new(),
            details,
        }
    }

    /// Returns the rejection of an invalid token. `bearer`: whether it is a bearer token of the client.
    pub(crate) const fn invalid_token(bearer: bool, details: &'static str) -> Self {
        if bearer {
            Self {
                code: ErrorCode::BearerUnauthorized,
                bearer_error: Some("invalid_token"),
                scopes: Vec::new(),
                details,
            }
        } else {
            Self::unauthorized(details)
        }
    }

    /// Returns the rejection of a valid token that lacks a scope. `scopes` are all scopes that the request needs.
    pub(crate) const fn insufficient_scope(bearer: bool, scopes: Vec<String>) -> Self {
        Self {
            code: ErrorCode::Forbidden,
            bearer_error: if bearer { Some("insufficient_scope") } else { None },
            scopes,
            details: "the token lacks a required scope",
        }
    }

    /// Returns the value of `WWW-Authenticate` (RFC 6750, section 3), if a bearer token was expected. It always has a
    /// parameter: the scheme alone is not a challenge.
    pub fn challenge(&self) -> Option<String> {
        if self.code != ErrorCode::BearerUnauthorized && self.bearer_error.is_none() {
            return None;
        }
        let mut challenge = "Bearer realm=\"api\"".to_owned();
        if let Some(error) = self.bearer_error {
            challenge.push_str(", error=\"");
            challenge.push_str(error);
            challenge.push('"');
        }
        if !self.scopes.is_empty() {
            challenge.push_str(", scope=\"");
            challenge.push_str(&self.scopes.join(" "));
            challenge.push('"');
        }
        Some(challenge)
    }
}
