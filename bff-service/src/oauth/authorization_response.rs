//! What an authorization response is judged by before its code is used: its issuer (RFC 9207), and its signature where
//! it comes as a JWT (JARM).

use serde_json::{Map, Value};

use super::client::OAuthClient;
use super::error::OAuthError;
use super::id_token::{self, IdTokenError};
use super::provider::Source;
use crate::clock;
use crate::jose::error::{ClaimError, shown};

impl OAuthClient {
    /// Checks `iss` of an authorization response, RFC 9207: another issuer's is refused in any case, a missing one
    /// where the authorization server announces that it sends it.
    pub async fn check_response_issuer(&self, iss: Option<&str>) -> Result<(), OAuthError> {
        let expected = &self.config().authorization_server.issuer;
        match iss {
            Some(iss) if iss == expected => Ok(()),
            Some(iss) => Err(OAuthError::AuthorizationResponse(format!(
                "`iss` is `{}`, which is not `authorization_server.issuer`",
                shown(iss)
            ))),
            None if self.metadata().await?.iss_parameter_supported => Err(OAuthError::AuthorizationResponse(
                "`iss` is missing, although the authorization server announces it".to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// Opens a response that comes as a JWT, JARM section 2.4: its parameters are believed only if the server signed
    /// them, for this client, and not too long ago.
    pub async fn open_response(&self, response: &str) -> Result<Map<String, Value>, OAuthError> {
        let (_, claims) = self
            .verify_signature(response, Source::Anybody, &id_token::TYPES)
            .await
            .map_err(|error| match error {
                OAuthError::InvalidIdToken(error) => OAuthError::AuthorizationResponse(format!("its JWT: {error}")),
                other => other,
            })?;
        let settings = self.config();
        let skew = settings.authorization_server.clock_skew_seconds;
        let judged = match claims.contains_key("exp") {
            true => id_token::validate_addressed(&claims, settings.addressee(), skew, clock::now()),
            // JARM, section 2.1.
            false => Err(IdTokenError::Claim(ClaimError("exp"))),
        };
        judged.map_err(|error| OAuthError::AuthorizationResponse(format!("its JWT: {error}")))?;
        Ok(claims)
    }
}
