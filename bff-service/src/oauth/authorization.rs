//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1), and the issuer of the
//! response (RFC 9207).

use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};

use super::client::OAuthClient;
use super::error::OAuthError;
use super::extra_params;
use crate::random;

/// An authorization request, and what must be remembered until its response comes.
pub struct AuthorizationRequest {
    /// Where the browser is to go.
    pub url: String,
    /// `state`: 256 random bits in base64url.
    pub state: String,
    /// `nonce`: 256 random bits in base64url.
    pub nonce: String,
    /// PKCE code verifier: 256 random bits in base64url.
    pub code_verifier: String,
    /// `max_age` in seconds, where it is among the parameters that the page added.
    pub max_age: Option<u64>,
}

impl OAuthClient {
    /// Makes a request with fresh `state`, `nonce` and code verifier. `extra` are parameters that the page wants to
    /// add; they are checked against `client.allowed_extra_params`, and encoded, key and value.
    pub async fn authorization_request(&self, extra: &[(String, String)]) -> Result<AuthorizationRequest, OAuthError> {
        let settings = &self.config().client;
        let max_age = extra_params::check(extra, &settings.allowed_extra_params)?;
        let metadata = self.metadata().await?;
        let (state, nonce, code_verifier) = (random::token()?, random::token()?, random::token()?);
        let verifier = PkceCodeVerifier::new(code_verifier.clone());
        let client = self.grants(&metadata)?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(
                settings
                    .scope
                    .split_ascii_whitespace()
                    .map(|scope| Scope::new(scope.to_owned())),
            )
            .add_extra_param("nonce", nonce.as_str());
        for (key, value) in extra {
            request = request.add_extra_param(key, value);
        }
        let (url, _) = request.url();
        Ok(AuthorizationRequest {
            url: url.into(),
            state,
            nonce,
            code_verifier,
            max_age,
        })
    }

    /// Checks `iss` of an authorization response, RFC 9207: another issuer's is refused in any case, a missing one
    /// where the authorization server announces that it sends it.
    pub async fn check_response_issuer(&self, iss: Option<&str>) -> Result<(), OAuthError> {
        let expected = &self.config().authorization_server.issuer;
        match iss {
            Some(iss) if iss == expected => Ok(()),
            Some(_) => Err(OAuthError::WrongIssuer("`iss` is not `authorization_server.issuer`")),
            None if self.metadata().await?.iss_parameter_supported => Err(OAuthError::WrongIssuer(
                "`iss` is missing, although the authorization server announces it",
            )),
            None => Ok(()),
        }
    }
}
