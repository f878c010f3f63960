//! Signing out: token revocation (RFC 7009) and OpenID Connect RP-Initiated Logout 1.0.

use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::client::OAuthClient;
use super::error::OAuthError;
use crate::logging::RequestContext;
use crate::metrics::ServerEndpoint;

/// How often a revocation is tried where the server says that it cannot answer just now.
const ATTEMPTS: u32 = 3;
/// How long is waited between attempts, in seconds: what the server says in `Retry-After`, but not longer than this.
const LONGEST_PAUSE: u64 = 60;
/// And where it does not say.
const PAUSE: u64 = 2;

impl OAuthClient {
    /// Revokes a token where the server has an endpoint for it (RFC 7009); `hint` is `refresh_token` or `access_token`.
    /// A failure is logged and nothing more: the user wants to be signed out here in any case. Where the server answers
    /// 503 it is asked again later (section 2.2.1), and nobody waits for that.
    pub async fn revoke(self: Rc<Self>, token: Zeroizing<String>, hint: &'static str) {
        let Some(mut pause) = self.revoke_once(&token, hint).await else {
            return;
        };
        actix_web::rt::spawn(RequestContext::inherit(async move {
            for _ in 1..ATTEMPTS {
                tokio::time::sleep(pause).await;
                match self.revoke_once(&token, hint).await {
                    Some(next) => pause = next,
                    None => return,
                }
            }
            log::warn!("a token could not be revoked: the authorization server kept answering 503");
        }));
    }

    /// One attempt. Returns how long to wait before another, where one may help.
    pub(super) async fn revoke_once(&self, token: &str, hint: &'static str) -> Option<Duration> {
        match self.try_revoke(token, hint).await {
            Ok(None) => None,
            Ok(Some(seconds)) => Some(Duration::from_secs(seconds.min(LONGEST_PAUSE))),
            Err(error) => {
                log::warn!("a {hint} could not be revoked: {error}");
                None
            }
        }
    }

    async fn try_revoke(&self, token: &str, hint: &str) -> Result<Option<u64>, OAuthError> {
        let metadata = self.metadata().await?;
        let Some(endpoint) = &metadata.revocation_endpoint else {
            return Ok(None);
        };
        let form = vec![
            ("token".to_owned(), token.to_owned()),
            ("token_type_hint".to_owned(), hint.to_owned()),
        ];
        match self
            .post_form(&metadata, (ServerEndpoint::Revocation, endpoint), form)
            .await
        {
            Ok(answer) if answer.status == 200 => Ok(None),
            Ok(answer) => Err(OAuthError::Rejected {
                status: answer.status,
                error: None,
            }),
            Err(OAuthError::Busy { retry_after }) => Ok(Some(retry_after.unwrap_or(PAUSE))),
            Err(error) => Err(error),
        }
    }

    /// Where the browser is to go to sign out at the authorization server too; `None` if it has no such place, or is
    /// not to be reached. `state` comes back with the browser.
    pub async fn end_session_url(&self, id_token_hint: Option<&str>, state: &str) -> Option<String> {
        let metadata = self
            .metadata()
            .await
            .inspect_err(|error| log::warn!("there is no URL for signing out at the authorization server: {error}"))
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
