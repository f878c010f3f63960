//! Validation of an authorization response before its code is used: its issuer (RFC 9207), and the signature of a JWT
//! (JARM).

use serde_json::{Map, Value};

use super::authorization_server::TokenSender;
use super::client::OAuthClient;
use super::error::{AuthorizationResponseError, OAuthError};
use super::signed_jwt::{self, JwtError, validate_addressed};
use crate::clock;
use crate::jose::error::{ClaimError, shown};

impl OAuthClient {
    /// Checks `iss` of an authorization response (RFC 9207, section 2.4). Another issuer is always invalid. If the metadata or the
    /// configuration announces that the authorization server sends `iss`, a missing one is invalid too.
    ///
    /// # Errors
    /// [`OAuthError::AuthorizationResponse`] for an invalid response; [`OAuthError::Unavailable`] without metadata.
    pub async fn check_response_issuer(&self, iss: Option<&str>) -> Result<(), OAuthError> {
        match iss {
            Some(iss) if iss == self.config().authorization_server.issuer => Ok(()),
            Some(iss) => Err(AuthorizationResponseError::Issuer(shown(iss)).into()),
            None if self.metadata().await?.iss_parameter_supported => Err(AuthorizationResponseError::NoIssuer.into()),
            None => Ok(()),
        }
    }

    /// Verifies a response that is a JWT (JARM, section 2.4): its parameters are valid only if the authorization server
    /// signed them for this client, and the JWT has not expired.
    ///
    /// # Errors
    /// [`OAuthError::AuthorizationResponse`] for an invalid response; [`OAuthError::Unavailable`] without keys.
    pub async fn verify_response(&self, response: &str) -> Result<Map<String, Value>, OAuthError> {
        let verified = self
            .verify_signature(response, TokenSender::Anybody, &signed_jwt::TYPES)
            .await;
        let (_, claims) = verified.map_err(|error| error.into_oauth_error(invalid))?;
        let config = self.config();
        // JARM, section 2.1 requires `exp`.
        if !claims.contains_key("exp") {
            return Err(invalid(ClaimError("exp").into()));
        }
        let skew = config.authorization_server.clock_skew_seconds;
        validate_addressed(&claims, config.addressee(), skew, clock::now()).map_err(invalid)?;
        Ok(claims)
    }
}

fn invalid(error: JwtError) -> OAuthError {
    AuthorizationResponseError::Jwt(error).into()
}
