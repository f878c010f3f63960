//! The authorization request (RFC 6749, section 4.1.1; OpenID Connect Core 1.0, section 3.1.2.1). It is signed (JAR, RFC
//! 9101) or pushed (PAR, RFC 9126), or both, if the configuration or the authorization server requires it.

use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::authentication::Form;
use super::client::OAuthClient;
use super::error::OAuthError;
use super::extra_params::{self, IdTokenRequirements};
use super::metadata::Metadata;
use crate::clock;
use crate::config::ResponseMode;
use crate::random;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// Lifetime of a request object, in seconds: until the browser has sent it to the authorization server.
const REQUEST_OBJECT_SECONDS: u64 = 120;

/// An authorization request, and the values that are stored until its response.
pub struct AuthorizationRequest {
    /// The URL for the browser.
    pub url: String,
    /// `state`: 256 random bits in base64url.
    pub state: String,
    /// `nonce`: 256 random bits in base64url.
    pub nonce: String,
    /// PKCE code verifier: 256 random bits in base64url.
    pub code_verifier: String,
    /// The requirements of the page's parameters for the ID token.
    pub requirements: IdTokenRequirements,
}

impl OAuthClient {
    /// Creates a request with new `state`, `nonce` and code verifier, and with `redirect_uri`. `extra` are parameters
    /// of the page, which are checked against `client.allowed_extra_params` and encoded.
    ///
    /// # Errors
    /// [`OAuthError::ExtraParam`] for a parameter that is not allowed; [`OAuthError::Unavailable`] without metadata, or
    /// if pushing the request fails; [`OAuthError::Rejected`] if the authorization server refuses a pushed request or is
    /// busy; [`OAuthError::Internal`] for an error of the service.
    pub async fn authorization_request(
        &self,
        redirect_uri: &RedirectUrl,
        extra: &[(String, String)],
    ) -> Result<AuthorizationRequest, OAuthError> {
        let settings = &self.config().client;
        let requirements = extra_params::check(extra, &settings.allowed_extra_params)?;
        let metadata = self.metadata().await?;
        let (state, nonce, code_verifier) = (random::token()?, random::token()?, random::token()?);
        let verifier = PkceCodeVerifier::new(code_verifier.clone());
        let client = self.grants(&metadata, redirect_uri);
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(self.config().scopes().iter().cloned())
            .add_extra_param("nonce", nonce.as_str());
        if settings.response_mode == ResponseMode::Jwt {
            request = request.add_extra_param("response_mode", "jwt");
        }
        if let Some(dpop) = self.dpop() {
            request = request.add_extra_param("dpop_jkt", dpop.thumbprint()?);
        }
        for resource in &settings.resource {
            request = request.add_extra_param("resource", resource);
        }
        for (key, value) in extra {
            request = request.add_extra_param(key, value);
        }
        let (url, _) = request.url();
        Ok(AuthorizationRequest {
            url: self.send_ahead(&metadata, url).await?.into(),
            state,
            nonce,
            code_verifier,
            requirements,
        })
    }

    /// The URL for the browser: `plain`, or a URL with a signed or pushed request instead of the parameters.
    async fn send_ahead(&self, metadata: &Metadata, plain: Url) -> Result<Url, OAuthError> {
        let profile = &metadata.profile;
        if profile.request_object.is_none() && !profile.push {
            return Ok(plain);
        }
        let endpoint = &metadata.authorization_endpoint;
        // The endpoint URL may have parameters, which stay.
        let own = endpoint.query_pairs().count();
        let mut parameters: Form = plain.query_pairs().into_owned().skip(own).collect();
        let client_id = ("client_id".to_owned(), self.config().client.id.clone());
        if profile.request_object.is_some() {
            let request = self.request_object(metadata, &parameters)?;
            parameters = vec![client_id.clone(), ("request".to_owned(), request)];
        }
        if profile.push {
            let request_uri = self.push(metadata, parameters).await?;
            parameters = vec![client_id, ("request_uri".to_owned(), request_uri)];
        }
        let mut url = endpoint.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url)
    }

    /// The parameters as a signed JWT (RFC 9101, section 4).
    fn request_object(&self, metadata: &Metadata, parameters: &Form) -> Result<String, OAuthError> {
        let key = self.config().client_keys().signing.first();
        let (Some(key), Some(algorithm)) = (key, metadata.profile.request_object) else {
            return Err(OAuthError::Internal(
                "missing key for a request object: set `client.signing_key_files`".to_owned(),
            ));
        };
        let mut claims: Map<String, Value> = Map::new();
        for (name, value) in parameters {
            let value = match name.as_str() {
                // Parameters with other JSON types than string (OpenID Connect Core 1.0, section 6.1).
                "max_age" => value
                    .parse::<u64>()
                    .map_or_else(|_| json!(value), |seconds| json!(seconds)),
                "claims" => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
                _ => json!(value),
            };
            match claims.get_mut(name) {
                None => {
                    claims.insert(name.clone(), value);
                }
                // Only `resource` may be repeated.
                Some(Value::Array(values)) => values.push(value),
                Some(earlier) => *earlier = json!([earlier.take(), value]),
            }
        }
        let now = clock::now();
        let own = json!({
            "iss": self.config().client.id,
            "aud": self.config().authorization_server.issuer,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(REQUEST_OBJECT_SECONDS),
            "jti": random::token()?,
        });
        claims.extend(own.as_object().cloned().unwrap_or_default());
        Ok(key.sign("oauth-authz-req+jwt", algorithm, &claims)?)
    }

    /// Pushes a request to the authorization server and returns its `request_uri`, which can be used once (RFC 9126,
    /// section 2).
    async fn push(&self, metadata: &Metadata, parameters: Form) -> Result<String, OAuthError> {
        #[derive(Deserialize)]
        struct Pushed {
            request_uri: String,
        }
        let endpoint = metadata.pushed_authorization_request_endpoint.as_ref();
        let endpoint = endpoint.ok_or_else(|| {
            let what = "missing `pushed_authorization_request_endpoint`: set \
                        `authorization_server.pushed_authorization_request_endpoint`";
            OAuthError::Internal(what.to_owned())
        })?;
        let endpoint = (ServerEndpoint::PushedAuthorizationRequest, endpoint);
        let response = self
            .authenticator()
            .post_form(self.http(), metadata, endpoint, parameters)
            .await?;
        match serde_json::from_slice::<Pushed>(&response.body) {
            Ok(pushed) if !pushed.request_uri.is_empty() => Ok(pushed.request_uri),
            _ => Err(OAuthError::Unavailable(
                "malformed response to the pushed authorization request: missing or invalid `request_uri`: check \
                 `authorization_server.pushed_authorization_request_endpoint` and the metadata"
                    .to_owned(),
            )),
        }
    }
}
