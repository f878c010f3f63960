//! The grants: an authorization code, or a refresh token, for tokens.

use std::cell::Cell;
use std::sync::Arc;

use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken, TokenUrl,
};
use serde_json::{Map, Value};

use super::discovery::Metadata;
use super::error::{OAuthError, error_code};
use super::http::{HttpClient, HttpError};
use super::id_token::{self, Expected, IdTokenError, Occasion};
use super::jws::{self, JwsError, UnverifiedToken};
use super::provider::Provider;
use super::token::{IdToken, TokenResponse, TokenSet};
use crate::clock;
use crate::config::{ClientAuthentication, Config};

/// The `oauth2` crate's client, with our form of token response.
pub(super) type Grants = oauth2::Client<
    BasicErrorResponse,
    TokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// A worker's access to the authorization server. Not `Send`: its connections belong to the worker's thread.
pub struct OAuthClient {
    config: Arc<Config>,
    provider: Provider,
    http: HttpClient,
}

impl OAuthClient {
    /// A client without connections; they are made when needed.
    pub fn new(config: &Arc<Config>, provider: Provider) -> OAuthClient {
        OAuthClient {
            config: Arc::clone(config),
            http: provider.http_client(),
            provider,
        }
    }

    /// Whether metadata and keys of the authorization server are there.
    pub fn ready(&self) -> bool {
        self.provider.ready()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn http(&self) -> &HttpClient {
        &self.http
    }

    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, OAuthError> {
        self.provider.metadata(&self.http).await
    }

    /// Exchanges an authorization code, RFC 6749 section 4.1.3, and validates the ID token that comes with the tokens.
    /// `nonce` and `max_age` are those of the authorization request.
    pub async fn exchange_code(
        &self,
        code: &str,
        code_verifier: &str,
        nonce: &str,
        max_age: Option<u64>,
    ) -> Result<TokenSet, OAuthError> {
        let metadata = self.metadata().await?;
        let grants = self.grants(&metadata)?;
        let status = Cell::new(0);
        let send = |request| self.send_grant(request, &status);
        let response = grants
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(code_verifier.to_owned()))
            .request_async(&send)
            .await
            .map_err(|error| grant_error(error, status.get()))?;
        let occasion = Occasion::Login { nonce, max_age };
        let tokens = self.accept(response, occasion).await?;
        match tokens.id_token {
            Some(_) => Ok(tokens),
            None => Err(OAuthError::InvalidIdToken(IdTokenError::Missing)),
        }
    }

    /// Uses a refresh token, RFC 6749 section 6. If an ID token comes with the new tokens it must be of the same user
    /// as `previous_id_token`, which was validated before.
    pub async fn refresh(&self, refresh_token: &str, previous_id_token: Option<&str>) -> Result<TokenSet, OAuthError> {
        let metadata = self.metadata().await?;
        let grants = self.grants(&metadata)?;
        let status = Cell::new(0);
        let send = |request| self.send_grant(request, &status);
        let response = grants
            .exchange_refresh_token(&RefreshToken::new(refresh_token.to_owned()))
            .request_async(&send)
            .await
            .map_err(|error| grant_error(error, status.get()))?;
        let previous = previous_id_token.and_then(jws::claims_of_verified);
        self.accept(
            response,
            Occasion::Refresh {
                previous: previous.as_ref(),
            },
        )
        .await
    }

    /// The `oauth2` crate's client for the server's present endpoints.
    pub(super) fn grants(&self, metadata: &Metadata) -> Result<Grants, OAuthError> {
        let settings = &self.config.client;
        let redirect_uri = RedirectUrl::new(settings.redirect_uri.clone())
            .map_err(|error| OAuthError::Internal(format!("client.redirect_uri: {error}")))?;
        let auth_type = match settings.authentication {
            ClientAuthentication::ClientSecretBasic => AuthType::BasicAuth,
            ClientAuthentication::ClientSecretPost => AuthType::RequestBody,
        };
        let mut grants = oauth2::Client::new(ClientId::new(settings.id.clone()))
            .set_auth_type(auth_type)
            .set_redirect_uri(redirect_uri)
            .set_auth_uri(AuthUrl::from_url(metadata.authorization_endpoint.clone()))
            .set_token_uri(TokenUrl::from_url(metadata.token_endpoint.clone()));
        if let Some(secret) = self.config.client_secret() {
            grants = grants.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        Ok(grants)
    }

    /// Sends a request of the `oauth2` crate; `status` tells the status of the answer.
    async fn send_grant(&self, request: HttpRequest, status: &Cell<u16>) -> Result<HttpResponse, HttpError> {
        let answer = self.http.send(request).await?;
        status.set(answer.status);
        let mut response = HttpResponse::new(answer.body.to_vec());
        *response.status_mut() =
            oauth2::http::StatusCode::from_u16(answer.status).map_err(|_| HttpError::Status(answer.status))?;
        if let Ok(content_type) = answer.content_type.parse()
            && !answer.content_type.is_empty()
        {
            response
                .headers_mut()
                .insert(oauth2::http::header::CONTENT_TYPE, content_type);
        }
        Ok(response)
    }

    /// Checks a token response, its ID token included.
    async fn accept(&self, response: TokenResponse, occasion: Occasion<'_>) -> Result<TokenSet, OAuthError> {
        let raw = response.id_token().map(str::to_owned);
        let mut tokens = response.into_tokens()?;
        if let Some(raw) = raw {
            let claims = self.validate_id_token(&raw, &tokens.access_token, occasion).await?;
            tokens.id_token = Some(IdToken { raw, claims });
        }
        Ok(tokens)
    }

    async fn validate_id_token(
        &self,
        raw: &str,
        access_token: &str,
        occasion: Occasion<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let refused = |error: JwsError| OAuthError::InvalidIdToken(error.into());
        let token =
            UnverifiedToken::parse(raw, &id_token::TYPES, self.config.id_token_algorithms()).map_err(refused)?;
        let keys = self.provider.keys(&self.http).await?;
        let claims = match token.verify(&keys) {
            Ok(claims) => claims,
            // The server may sign with a key that it did not have when its keys were fetched.
            Err(error) => match self.provider.keys_after(&self.http, &keys).await? {
                Some(newer) => token.verify(&newer).map_err(refused)?,
                None => return Err(refused(error)),
            },
        };
        let settings = &self.config.client;
        let expected = Expected {
            issuer: &self.config.authorization_server.issuer,
            client_id: &settings.id,
            trusted_audiences: &settings.trusted_audiences,
            clock_skew: self.config.authorization_server.clock_skew_seconds,
            access_token,
            algorithm: token.algorithm(),
            occasion,
        };
        id_token::validate(claims, &expected, clock::now()).map_err(OAuthError::InvalidIdToken)?;
        Ok(claims.clone())
    }
}

/// What a failed grant means. Nothing of the answer but its error code is kept: the rest may echo what was sent.
fn grant_error(error: RequestTokenError<HttpError, BasicErrorResponse>, status: u16) -> OAuthError {
    match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(response) => match response.error() {
            BasicErrorResponseType::InvalidGrant => OAuthError::InvalidGrant,
            error => {
                if *error == BasicErrorResponseType::InvalidClient {
                    log::error!(
                        "the authorization server does not accept this client's authentication: are `client.id`, the \
                         client secret and `client.authentication` as registered there?"
                    );
                }
                OAuthError::Rejected {
                    status,
                    error: error_code(error.as_ref()).map(str::to_owned),
                }
            }
        },
        // A 4xx that is not in OAuth's form is still a refusal.
        _ if status != 200 => OAuthError::Rejected { status, error: None },
        RequestTokenError::Parse(error, _) => {
            // The path names a member; the message may quote a value.
            OAuthError::Unavailable(format!("the token response makes no sense at `{}`", error.path()))
        }
        RequestTokenError::Other(_) => OAuthError::Unavailable("the token response is not JSON".to_owned()),
    }
}
