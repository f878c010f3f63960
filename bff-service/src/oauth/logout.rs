//! Logout: token revocation (RFC 7009) and OpenID Connect RP-Initiated Logout 1.0.

use std::time::Duration;

use zeroize::Zeroizing;

use super::client::OAuthClient;
use super::error::OAuthError;
use super::error_meaning::Meaning;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// Maximum number of attempts for a revocation, if the authorization server is temporarily unavailable.
const MAX_ATTEMPTS: u32 = 3;
/// Maximum pause between attempts, in seconds. A longer `Retry-After` is shortened.
const MAX_PAUSE_SECONDS: u64 = 60;
/// Pause without `Retry-After`, in seconds.
const DEFAULT_PAUSE_SECONDS: u64 = 2;

/// The result of one attempt to revoke a token.
enum Attempt {
    /// The authorization server answered HTTP 200 or 201, or has no revocation endpoint.
    Done,
    /// The authorization server is temporarily unavailable. Another attempt after this time may succeed.
    Later(Duration),
    /// The request failed for another reason.
    Failed(OAuthError),
}

impl OAuthClient {
    /// If the authorization server has a revocation endpoint (RFC 7009), revokes tokens. A failure is only logged, because
    /// the logout must succeed in any case. If the authorization server is temporarily unavailable, the request is repeated
    /// later (RFC 7009, section 2.2.1).
    pub async fn revoke(&self, refresh_token: Option<Zeroizing<String>>, access_token: Option<Zeroizing<String>>) {
        let mut is_refresh_token_revoked = false;
        // The refresh token of a session without one is an empty string.
        if let Some(token) = refresh_token.filter(|token| !token.is_empty()) {
            is_refresh_token_revoked = self.revoke_one(&token, "refresh_token", log::Level::Warn).await;
        }
        if let Some(token) = access_token {
            // The authorization server may have revoked it with the refresh token, and may then answer with any error
            // (RFC 7009, section 2.1).
            let level = match is_refresh_token_revoked {
                true => log::Level::Debug,
                false => log::Level::Warn,
            };
            self.revoke_one(&token, "access_token", level).await;
        }
    }

    /// Returns whether the token is revoked, or the authorization server has no endpoint for it. A rejection that is not
    /// temporary is logged at `level`.
    async fn revoke_one(&self, token: &str, hint: &'static str, level: log::Level) -> bool {
        let name = hint.replace('_', " ");
        for attempt in 1..=MAX_ATTEMPTS {
            match self.try_revoke(token, hint).await {
                Attempt::Done => return true,
                Attempt::Later(pause) if attempt < MAX_ATTEMPTS => tokio::time::sleep(pause).await,
                Attempt::Later(_) => {
                    log::warn!(
                        "revoking the {name} failed: the revocation endpoint was unavailable at {MAX_ATTEMPTS} attempts, so \
                         the token stays valid until it expires: check why the endpoint is unavailable"
                    );
                }
                Attempt::Failed(error @ OAuthError::Rejected(_)) => {
                    log::log!(level, "revoking the {name} failed: {error}");
                    return false;
                }
                Attempt::Failed(error) => {
                    log::warn!("revoking the {name} failed: {error}");
                    return false;
                }
            }
        }
        false
    }

    async fn try_revoke(&self, token: &str, hint: &str) -> Attempt {
        let metadata = match self.metadata().await {
            Ok(metadata) => metadata,
            Err(error) => return Attempt::Failed(error),
        };
        let Some(endpoint) = &metadata.revocation_endpoint else {
            return Attempt::Done;
        };
        let form = vec![
            ("token".to_owned(), token.to_owned()),
            ("token_type_hint".to_owned(), hint.to_owned()),
        ];
        match self
            .authenticator()
            .post_form(self.http(), &metadata, (ServerEndpoint::Revocation, endpoint), form)
            .await
        {
            Ok(_) => Attempt::Done,
            Err(OAuthError::Rejected(error_response)) if error_response.meaning() == Meaning::Temporary => {
                let seconds = error_response
                    .retry_after
                    .unwrap_or(DEFAULT_PAUSE_SECONDS)
                    .min(MAX_PAUSE_SECONDS);
                Attempt::Later(Duration::from_secs(seconds))
            }
            Err(error) => Attempt::Failed(error),
        }
    }

    /// The logout URL at the authorization server. `None` if it has none, or its metadata are not available. If
    /// `client.post_logout_redirect_uri` is set, the browser returns there with `state`.
    pub async fn end_session_url(&self, id_token_hint: Option<&str>, state: &str) -> Option<String> {
        let metadata = self
            .metadata()
            .await
            .inspect_err(|error| {
                log::warn!(
                    "building the logout URL failed, so the user stays signed in at the authorization server: {error}"
                )
            })
            .ok()?;
        let settings = &self.config().client;
        let mut url = metadata.end_session_endpoint.clone()?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &settings.id);
            if let Some(hint) = id_token_hint.filter(|_| settings.send_id_token_hint) {
                query.append_pair("id_token_hint", hint);
            }
            if let Some(back) = &settings.post_logout_redirect_uri {
                query
                    .append_pair("post_logout_redirect_uri", back)
                    .append_pair("state", state);
            }
        }
        Some(url.into())
    }
}
