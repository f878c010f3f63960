//! What the token stage does with an access token.

use super::endpoint::Endpoint;
use super::error::ConfigError;
use super::token_exchange::{RawTokenExchange, TokenExchange};

/// What the token stage does with an access token about which nothing is known: one or two requests to the authorization
/// server.
#[derive(Clone, Debug)]
pub enum Steps {
    /// The stage introspects the token at this endpoint.
    Introspect(Endpoint),
    /// The stage exchanges the token.
    Exchange(TokenExchange),
    /// The stage introspects the token at this endpoint, and exchanges it if it is active.
    Both(Endpoint, TokenExchange),
}

impl Steps {
    pub(super) fn check(introspection: Option<&str>, exchange: Option<RawTokenExchange>) -> Result<Self, ConfigError> {
        let example = "https://login.example.com/oauth/v2/oauth-introspect";
        let parse = |url| Endpoint::parse("phantom_token.introspection_endpoint", url, example);
        let introspection = introspection.map(parse).transpose()?;
        let exchange = exchange.map(|raw| raw.check(introspection.is_some())).transpose()?;
        match (introspection, exchange) {
            (Some(endpoint), None) => Ok(Self::Introspect(endpoint)),
            (None, Some(exchange)) => Ok(Self::Exchange(exchange)),
            (Some(endpoint), Some(exchange)) if endpoint.scheme != exchange.endpoint.scheme => Err(ConfigError::new(
                "phantom_token.token_exchange.token_endpoint",
                "the scheme is not that of `introspection_endpoint`, but `cluster` is for both: write the same scheme",
            )),
            (Some(endpoint), Some(exchange)) => Ok(Self::Both(endpoint, exchange)),
            (None, None) => Err(ConfigError::new(
                "phantom_token.introspection_endpoint",
                format!("missing: write its URL, for example `{example}`, or add `token_exchange`"),
            )),
        }
    }

    /// Returns the introspection endpoint, if the stage introspects.
    #[must_use]
    pub const fn introspection(&self) -> Option<&Endpoint> {
        match self {
            Self::Introspect(endpoint) | Self::Both(endpoint, _) => Some(endpoint),
            Self::Exchange(_) => None,
        }
    }

    /// Returns the token exchange, if the stage exchanges.
    #[must_use]
    pub const fn exchange(&self) -> Option<&TokenExchange> {
        match self {
            Self::Exchange(exchange) | Self::Both(_, exchange) => Some(exchange),
            Self::Introspect(_) => None,
        }
    }
}
