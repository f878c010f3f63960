//! What introspection says about a token (RFC 7662, section 2.2).

use std::sync::Arc;

use super::token_info::TokenInfo;

/// What introspection says about a token (RFC 7662, section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The token is active. Each request checks whether it is sufficient.
    Active(Arc<TokenInfo>),
    /// The token is inactive.
    Inactive(InactiveReason),
}

/// Why a token counts as inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveReason {
    /// Introspection says so: the token is unknown, expired or revoked.
    NotActive,
    /// The authorization server does not recognize it as a token that can be introspected.
    NotIntrospectable,
    /// Introspection calls it active, but its `exp` has passed by the local clock.
    ExpiredHere {
        /// Time since `exp`, in seconds. The clocks differ by at least this much.
        seconds: u64,
    },
}

impl InactiveReason {
    /// Returns the string for the log.
    pub(crate) const fn details(self) -> &'static str {
        match self {
            Self::NotActive => "introspection: the token is inactive",
            Self::NotIntrospectable => "introspection: HTTP 400 unsupported_token_type or invalid_token for this token",
            Self::ExpiredHere { .. } => {
                "introspection: the token is active but has expired by this clock: compare the clocks"
            }
        }
    }
}
