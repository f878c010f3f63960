//! Signing out: token revocation (RFC 7009) and OpenID Connect RP-Initiated Logout 1.0.

use std::time::Duration;

use zeroize::Zeroizing;

use super::client::OAuthClient;
use super::error::OAuthError;
use super::error_meaning::Meaning;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// How often a revocation is tried where the server says that it cannot answer just now.
const ATTEMPTS: u32 = 3;
/// How long is waited between attempts, in seconds: what the server says in `Retry-After`, but not longer than this.
const LONGEST_PAUSE: u64 = 60;
/// And where it does not say.
const PAUSE: u64 = 2;

/// What came of one attempt to revoke a token.
enum Attempt {
    /// The server answered 200, or has no endpoint for it.
    Done,
    /// It may answer after this time.
    Later(Duration),
    /// It refuses, or is not there.
    Failed(OAuthError),
}

impl OAuthClient {
    /// Revokes tokens where the server has an endpoint for it (RFC 7009). A failure is logged and nothing more, since the
    /// user wants to be signed out here in any case. Where the server says that it cannot answer just now it is asked again
    /// later (section 2.2.1).
    pub async fn revoke(&self, refresh_token: Option<Zeroizing<String>>, access_token: Option<Zeroizing<String>>) {
        let mut grant_is_over = false;
        // A login without a refresh token has an empty one.
        if let Some(token) = refresh_token.filter(|token| !token.is_empty()) {
            grant_is_over = self.revoke_one(&token, "refresh_token", log::Level::Warn).await;
        }
        if let Some(token) = access_token {
            // It may have gone with the refresh token, which the server may say in any way (section 2.1).
            let level = match grant_is_over {
                true => log::Level::Debug,
                false => log::Level::Warn,
            };
            self.revoke_one(&token, "access_token", level).await;
        }
    }

    /// Whether it is revoked. A refusal is logged at `level`.
    async fn revoke_one(&self, token: &str, hint: &'static str, level: log::Level) -> bool {
        for attempt in 1..=ATTEMPTS {
            match self.try_revoke(token, hint).await {
                Attempt::Done => return true,
                Attempt::Later(pause) if attempt < ATTEMPTS => tokio::time::sleep(pause).await,
                Attempt::Later(_) => {
                    log::warn!("the {hint} could not be revoked: the authorization server kept answering `later`");
                }
                Attempt::Failed(error @ OAuthError::Rejected(_)) => {
                    log::log!(level, "the {hint} could not be revoked: {error}");
                    return false;
                }
                Attempt::Failed(error) => {
                    log::warn!("the {hint} could not be revoked: {error}");
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
            Err(OAuthError::Rejected(error_response)) if error_response.meaning() == Meaning::NotNow => {
                let seconds = error_response.retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
                Attempt::Later(Duration::from_secs(seconds))
            }
            Err(error) => Attempt::Failed(error),
        }
    }

    /// Where the browser is to go to sign out at the authorization server too; `None` if it has no such place, or is
    /// not to be reached. `state` comes back with the browser.
    pub async fn end_session_url(&self, id_token_hint: Option<&str>, state: &str) -> Option<String> {
        let metadata = self
            .metadata()
            .await
            .inspect_err(|error| log::warn!("no logout URL for the authorization server: {error}"))
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
