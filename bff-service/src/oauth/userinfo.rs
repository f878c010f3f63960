//! The userinfo endpoint, OpenID Connect Core section 5.3.

use serde_json::{Map, Value};

use super::client::OAuthClient;
use super::error::OAuthError;
use super::http::MAX_ANSWER_BYTES;

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
        let answer = self
            .http()
            .get(url.as_str(), Some(access_token), MAX_ANSWER_BYTES)
            .await?;
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
}
