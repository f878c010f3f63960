//! The userinfo endpoint, OpenID Connect Core section 5.3.

use serde_json::{Map, Value};

use url::Url;

use super::client::OAuthClient;
use super::dpop::Role;
use super::error::OAuthError;
use super::http::{Answer, MAX_ANSWER_BYTES};
use crate::metrics::ServerEndpoint;

impl OAuthClient {
    /// The claims about the user that the access token is for. They are used only if `sub` is `expected_sub`, the one
    /// of the ID token; where that is not known, `sub` must at least be there.
    pub async fn userinfo(
        &self,
        access_token: &str,
        expected_sub: Option<&str>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let unusable = |what: &str| OAuthError::Unavailable(format!("userinfo endpoint: {what}"));
        let metadata = self.metadata().await?;
        let url = metadata
            .userinfo_endpoint
            .as_ref()
            .ok_or_else(|| unusable("there is none"))?;
        let answer = self.get_userinfo(url, access_token).await?;
        match answer.status {
            200 => {}
            401 => return Err(OAuthError::TokenExpired),
            status => return Err(OAuthError::Rejected { status, error: None }),
        }
        if !answer.is("application/json") {
            return Err(unusable("the answer is not JSON"));
        }
        let claims: Map<String, Value> =
            serde_json::from_slice(&answer.body).map_err(|_| unusable("the answer is not a JSON object"))?;
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .ok_or_else(|| unusable("the answer has no `sub`"))?;
        match expected_sub {
            Some(expected) if subject != expected => Err(unusable("`sub` is not that of the ID token")),
            _ => Ok(claims),
        }
    }

    async fn get_userinfo(&self, url: &Url, access_token: &str) -> Result<Answer, OAuthError> {
        let get = async |headers: &[(&str, &str)]| {
            let http = self.http();
            http.get(ServerEndpoint::Userinfo, url.as_str(), headers, MAX_ANSWER_BYTES)
                .await
        };
        let Some(dpop) = self.dpop() else {
            return Ok(get(&[("authorization", &format!("Bearer {access_token}"))]).await?);
        };
        let authorization = format!("DPoP {access_token}");
        let proof = || dpop.proof(Role::ResourceServer, "GET", url, Some(access_token));
        let answer = get(&[("authorization", &authorization), ("dpop", &proof()?)]).await?;
        // With the server's nonce it is worth another try (RFC 9449 section 9).
        if !dpop.learn(Role::ResourceServer, &answer) || answer.status != 401 {
            return Ok(answer);
        }
        Ok(get(&[("authorization", &authorization), ("dpop", &proof()?)]).await?)
    }
}
