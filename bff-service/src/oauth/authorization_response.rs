//! What an authorization response is judged by before its code is used: its issuer (RFC 9207), and its signature where
//! it comes as a JWT (JARM).

use serde_json::{Map, Value};

use super::client::OAuthClient;
use super::error::OAuthError;
use super::id_token::{self, IdTokenError};
use crate::clock;

impl OAuthClient {
    /// Checks `iss` of an authorization response, RFC 9207: another issuer's is refused in any case, a missing one
    /// where the authorization server announces that it sends it.
    pub async fn check_response_issuer(&self, iss: Option<&str>) -> Result<(), OAuthError> {
        let expected = &self.config().authorization_server.issuer;
        match iss {
            Some(iss) if iss == expected => Ok(()),
            Some(_) => Err(OAuthError::AuthorizationResponse(
                "`iss` is not `authorization_server.issuer`",
            )),
            None if self.metadata().await?.iss_parameter_supported => Err(OAuthError::AuthorizationResponse(
                "`iss` is missing, although the authorization server announces it",
            )),
            None => Ok(()),
        }
    }

    /// Opens a response that comes as a JWT, JARM section 2.4: its parameters are believed only if the server signed
    /// them, for this client, and not too long ago.
    pub async fn open_response(&self, response: &str) -> Result<Map<String, Value>, OAuthError> {
        let (_, claims) = self
            .verify_signature(response, &id_token::TYPES)
            .await
            .map_err(|error| match error {
                OAuthError::InvalidIdToken(_) => {
                    OAuthError::AuthorizationResponse("it is not a JWT that the authorization server signed")
                }
                other => other,
            })?;
        let expected = (
            self.config().authorization_server.issuer.as_str(),
            self.config().client.id.as_str(),
        );
        let skew = self.config().authorization_server.clock_skew_seconds;
        id_token::validate_addressed(&claims, expected, skew, clock::now()).map_err(|error| {
            OAuthError::AuthorizationResponse(match error {
                IdTokenError::Issuer | IdTokenError::Claim("iss") => "`iss` of its JWT is not the issuer",
                IdTokenError::Audience | IdTokenError::Claim("aud") => "`aud` of its JWT is not this client",
                IdTokenError::Expired | IdTokenError::Claim("exp") => "its JWT has expired",
                _ => "its JWT is not acceptable",
            })
        })?;
        Ok(claims)
    }
}
