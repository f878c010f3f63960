//! What the authorization server says about a token: by introspection (RFC 7662), and by token exchange (RFC 8693).

use std::sync::Arc;

use super::authorization_server::Step;
use super::cache_lifetime::inactive_until;
use super::config::PhantomToken;
use super::rejection::Rejection;
use super::token_info::TokenInfo;

/// What the authorization server says about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The token is active. Each request checks whether it is sufficient.
    Active(Arc<TokenInfo>),
    /// The token is inactive, or of no use at this entry point.
    Inactive(InactiveReason),
}

/// What a response of the authorization server means for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOutcome {
    /// The response says whether the token is active. That may be cached.
    Known {
        /// State of the token.
        state: TokenState,
        /// Time until which the state may be cached, in seconds since 1970.
        expires_at: u64,
    },
    /// The response cannot be used. The string is for the log.
    Unusable(&'static str),
    /// There was no response in time, in this step.
    TimedOut(Step),
}

impl TokenOutcome {
    /// Creates the outcome for a token that is inactive, which is cached for a short time.
    pub(crate) fn inactive(stage: &PhantomToken, reason: InactiveReason, now: u64) -> Self {
        Self::Known {
            state: TokenState::Inactive(reason),
            expires_at: inactive_until(stage, now),
        }
    }
}

/// Why a token counts as inactive: every request with it is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveReason {
    /// Introspection says so: for example, the token is unknown, expired or revoked.
    NotActive,
    /// The authorization server does not recognize it as a token that can be introspected.
    NotIntrospectable,
    /// This step calls it active, or has returned it, but its `exp` has passed by the local clock.
    ExpiredHere {
        /// The step.
        step: Step,
        /// Time since `exp`, in seconds. If it is more than the response took, the clocks differ.
        seconds: u64,
    },
    /// The authorization server does not accept it for a token exchange.
    NotExchangeable,
    /// It does not have the audience `token_exchange.subject_audience`.
    OtherAudience,
    /// It does not permit what the entry point exchanges it for. The string is for the log.
    NotPermitted(&'static str),
}

impl InactiveReason {
    /// Returns the string for the log.
    #[must_use]
    pub const fn details(self) -> &'static str {
        match self {
            Self::NotActive => "introspection: the token is inactive",
            Self::NotIntrospectable => "introspection: HTTP 400 unsupported_token_type or invalid_token for this token",
            Self::ExpiredHere {
                step: Step::Introspection,
                ..
            } => "introspection: the token is active but has expired by this clock: compare the clocks",
            Self::ExpiredHere {
                step: Step::Exchange, ..
            } => "token exchange: the new token has expired by this clock: compare the clocks",
            Self::NotExchangeable => {
                "token exchange: invalid_grant, invalid_token or invalid_request: the authorization server does not accept the token"
            }
            Self::OtherAudience => "the token is not for token_exchange.subject_audience",
            Self::NotPermitted(details) => details,
        }
    }

    /// Returns the rejection of a request with the token. `bearer`: whether it is a bearer token of the caller.
    pub(crate) const fn rejection(self, bearer: bool) -> Rejection {
        match self {
            Self::NotPermitted(details) => Rejection::forbidden(bearer, details),
            // Another login would obtain another token of the same audience.
            Self::OtherAudience if !bearer => Rejection::forbidden(bearer, self.details()),
            Self::NotActive
            | Self::NotIntrospectable
            | Self::ExpiredHere { .. }
            | Self::NotExchangeable
            | Self::OtherAudience => Rejection::invalid_token(bearer, self.details()),
        }
    }

    /// Whether the token itself is the reason: the authorization server does not accept it, or it has expired by the local clock.
    /// Otherwise it is not sufficient at this entry point.
    pub(crate) const fn is_invalid(self) -> bool {
        match self {
            Self::NotActive | Self::NotIntrospectable | Self::ExpiredHere { .. } | Self::NotExchangeable => true,
            Self::OtherAudience | Self::NotPermitted(_) => false,
        }
    }
}
