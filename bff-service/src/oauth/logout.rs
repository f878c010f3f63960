//! Signing out: token revocation (RFC 7009) and OpenID Connect RP-Initiated Logout 1.0.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oauth2::HttpRequest;
use oauth2::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use url::{Url, form_urlencoded};

use super::client::OAuthClient;
use super::error::OAuthError;
use crate::config::ClientAuthentication;

impl OAuthClient {
    /// Revokes a refresh token where the server has an endpoint for it. A failure is logged and nothing more: the user
    /// wants to be signed out here in any case.
    pub async fn revoke(&self, refresh_token: &str) {
        match self.try_revoke(refresh_token).await {
            Ok(()) => {}
            Err(error) => log::warn!("a refresh token could not be revoked: {error}"),
        }
    }

    async fn try_revoke(&self, refresh_token: &str) -> Result<(), OAuthError> {
        let metadata = self.metadata().await?;
        let Some(endpoint) = &metadata.revocation_endpoint else {
            return Ok(());
        };
        let answer = self
            .http()
            .send(self.revocation_request(endpoint, refresh_token)?)
            .await?;
        match answer.status {
            200 => Ok(()),
            status => Err(OAuthError::Rejected { status, error: None }),
        }
    }

    /// The `oauth2` crate makes no revocation request for a plain http endpoint, which demo mode needs; so this one is
    /// ours. The credentials are form-encoded before they are put into Basic, RFC 6749 section 2.3.1.
    fn revocation_request(&self, endpoint: &Url, refresh_token: &str) -> Result<HttpRequest, OAuthError> {
        let settings = &self.config().client;
        let secret = self
            .config()
            .client_secret()
            .map(|secret| secret.expose())
            .unwrap_or_default();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", refresh_token)
            .append_pair("token_type_hint", "refresh_token");
        let mut request = oauth2::http::Request::post(endpoint.as_str())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match settings.authentication {
            ClientAuthentication::ClientSecretBasic => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let credentials = STANDARD.encode(format!("{}:{}", encode(&settings.id), encode(secret)));
                request = request.header(AUTHORIZATION, format!("Basic {credentials}"));
            }
            ClientAuthentication::ClientSecretPost => {
                form.append_pair("client_id", &settings.id)
                    .append_pair("client_secret", secret);
            }
        }
        let request = request.body(form.finish().into_bytes());
        request.map_err(|error| OAuthError::Internal(format!("revocation request: {error}")))
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
