//! Client authentication (RFC 6749, section 2.3; RFC 7523; RFC 8705).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bff_core::encoding::form;
use oauth2::HttpRequest;
use oauth2::http::HeaderValue;
use oauth2::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;
use url::{Url, form_urlencoded};

use super::client_secret::ClientSecret;
use super::error::{ErrorResponse, OAuthError};
use super::http::{HttpClient, HttpError, ServerResponse};
use super::metadata::Metadata;
use crate::clock;
use crate::config::{AssertionAudience, ClientAuthentication, Config, Secret};
use crate::random;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// Lifetime of an assertion, in seconds. An assertion is for one request.
const ASSERTION_SECONDS: u64 = 60;

/// The assertion type of `private_key_jwt` (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The parameters of a form.
pub(super) type Form = Vec<(String, String)>;

/// Authenticates the client. Cheap to clone.
#[derive(Clone)]
pub(super) struct ClientAuthenticator {
    config: Arc<Config>,
    secret: ClientSecret,
}

impl ClientAuthenticator {
    /// An authenticator with the keys of the configuration, and the client secret in force.
    pub(super) fn new(config: &Arc<Config>, secret: &ClientSecret) -> ClientAuthenticator {
        ClientAuthenticator {
            config: Arc::clone(config),
            secret: secret.clone(),
        }
    }

    /// The client secret in force.
    pub(super) fn secret(&self) -> Option<Arc<Secret>> {
        self.secret.get()
    }

    /// A signed client assertion. By default its audience is the issuer and not an endpoint: an assertion for one
    /// authorization server must not be valid at another one that lures the client to its endpoints. Only the
    /// configuration, never the metadata, changes the audience.
    fn assertion(&self, metadata: &Metadata) -> Result<String, OAuthError> {
        let key = self.config.client_keys().signing.first();
        let (Some(key), Some(algorithm)) = (key, metadata.profile.assertion) else {
            return Err(OAuthError::Internal(
                "missing key for a client assertion: set `client.signing_key_files`".to_owned(),
            ));
        };
        let (client_id, now) = (&self.config.client.id, clock::now());
        let (audience, typ) = match self.config.client.assertion_audience {
            AssertionAudience::Issuer => (
                self.config.authorization_server.issuer.as_str(),
                "client-authentication+jwt",
            ),
            AssertionAudience::TokenEndpoint => (metadata.token_endpoint.as_str(), "JWT"),
        };
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": random::token()?,
            "iat": now,
            "exp": now.saturating_add(ASSERTION_SECONDS),
        });
        Ok(key.sign(typ, algorithm, &claims)?)
    }

    /// Completes a request of the `oauth2` crate, if the method requires one of these:
    ///
    /// * A client assertion: a new one for each attempt, because an assertion can be used once.
    /// * HTTP Basic in this service's encoding, which differs from that of the crate in spaces.
    pub(super) fn authenticate(&self, metadata: &Metadata, mut request: HttpRequest) -> Result<HttpRequest, HttpError> {
        let failed = |error: OAuthError| HttpError::Request(error.to_string());
        match metadata.profile.authentication {
            ClientAuthentication::ClientSecretBasic => {
                let credentials = self.basic_credentials().map_err(failed)?;
                request.headers_mut().insert(AUTHORIZATION, credentials);
            }
            ClientAuthentication::PrivateKeyJwt => {
                let assertion = self.assertion(metadata).map_err(failed)?;
                let pairs = [
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", &assertion),
                ];
                let more = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(pairs)
                    .finish();
                let body = request.body_mut();
                body.push(b'&');
                body.extend_from_slice(more.as_bytes());
            }
            ClientAuthentication::ClientSecretPost
            | ClientAuthentication::TlsClientAuth
            | ClientAuthentication::SelfSignedTlsClientAuth => {}
        }
        Ok(request)
    }

    /// The header of HTTP Basic (RFC 6749, section 2.3.1).
    fn basic_credentials(&self) -> Result<HeaderValue, OAuthError> {
        let secret = self.secret();
        let secret = secret.as_ref().map_or("", |secret| secret.expose());
        let credentials = form::credentials(self.config.client.id.as_bytes(), secret.as_bytes());
        let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&*credentials)))
            .map_err(|error| OAuthError::Internal(format!("building the Authorization header failed: {error}")))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// Sends a POST request with a form and client authentication. A response with HTTP 4xx is an error.
    pub(super) async fn post_form(
        &self,
        http: &HttpClient,
        metadata: &Metadata,
        (what, endpoint): (ServerEndpoint, &Url),
        mut form: Form,
    ) -> Result<ServerResponse, OAuthError> {
        let mut request = oauth2::http::Request::post(endpoint.as_str())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let client_id = &self.config.client.id;
        let secret = self.secret();
        let secret = secret.as_ref().map(|secret| secret.expose());
        match metadata.profile.authentication {
            ClientAuthentication::ClientSecretBasic => {
                request = request.header(AUTHORIZATION, self.basic_credentials()?);
            }
            ClientAuthentication::ClientSecretPost => {
                set(&mut form, "client_id", client_id);
                set(&mut form, "client_secret", secret.unwrap_or_default());
            }
            ClientAuthentication::PrivateKeyJwt => {
                set(&mut form, "client_id", client_id);
                set(&mut form, "client_assertion_type", ASSERTION_TYPE);
                set(&mut form, "client_assertion", &self.assertion(metadata)?);
            }
            // The TLS connection authenticates the client.
            ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
                set(&mut form, "client_id", client_id);
            }
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = request
            .body(body.clone().into_bytes())
            .map_err(|error| OAuthError::Internal(format!("building a request to {endpoint} failed: {error}")))?;
        let response = http.send(what, request).await;
        let response = response.map_err(|error| OAuthError::http(what, error))?;
        if response.status >= 400 {
            return Err(OAuthError::Rejected(ErrorResponse::of(
                what,
                &response,
                body.as_bytes(),
                secret,
            )));
        }
        Ok(response)
    }
}

fn set(form: &mut Form, name: &str, value: &str) {
    form.retain(|(other, _)| other != name);
    form.push((name.to_owned(), value.to_owned()));
}
