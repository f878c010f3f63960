//! Which open streams the gateway ends (`end_streams`).

use serde::Deserialize;

use super::bff_token::BffToken;
use super::error::ConfigError;
use super::phantom_token::PhantomToken;

/// Whether streams that were forwarded end with their session or with their access token. A stream is any request with its
/// response: a WebSocket, server-sent events, a gRPC stream, a long download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum EndStreams {
    /// They stay open.
    #[default]
    Never,
    /// They end when their session has ended, or one minute after their access token has expired, unless the gateway
    /// has seen a newer one of that session by then. Streams with a bearer token of the caller, or with a cookie of
    /// version 1, have no session: they stay open.
    Session,
    /// They end when their session has ended, or when their access token expires, as far as its expiry was known when
    /// they began.
    Token,
}

impl EndStreams {
    /// Checks that the gateway can know the ends that it is to wait for.
    pub(super) fn check(
        self,
        bff_token: Option<&BffToken>,
        phantom_token: Option<&PhantomToken>,
    ) -> Result<Self, ConfigError> {
        let error = |what: &str| Err(ConfigError::new("end_streams", what));
        let has_list = bff_token.is_some_and(|stage| stage.ended_sessions.is_some());
        let has_unknown_bearer = phantom_token.is_none() && bff_token.is_none_or(|stage| stage.allow_tokens);
        match self {
            Self::Never => Ok(self),
            Self::Session if bff_token.is_none() => {
                error("`session` needs sessions: add `bff_token`, or write `token` or `never`")
            }
            Self::Session | Self::Token if bff_token.is_some() && !has_list => error(
                "needs the list of ended sessions: add `bff_token.ended_sessions` with the cluster of the service's admin listener, or write `never`",
            ),
            Self::Token if has_unknown_bearer => error(
                "`token` needs the expiry of bearer tokens: add `phantom_token`, or remove `bff_token.allow_tokens`",
            ),
            Self::Session | Self::Token => Ok(self),
        }
    }
}
