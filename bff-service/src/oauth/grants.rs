//! The authorization code and refresh token grants.

use std::cell::Cell;

use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken, TokenUrl,
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::authorization_server::TokenSender;
use super::client::OAuthClient;
use super::dpop::{self, Dpop, ServerRole};
use super::error::{ErrorResponse, OAuthError};
use super::error_meaning::OAuthErrorCode;
use super::extra_params::IdTokenRequirements;
use super::http::{HttpClient, HttpError, ServerResponse};
use super::id_token::{self, Expected, Flow, IdTokenError};
use super::metadata::Metadata;
use super::signed_jwt;
use super::token_response::{IdToken, TokenResponse, TokenSet, TokenType};
use crate::clock;
use crate::config::ClientAuthentication;
use crate::jose::claims;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// The client of the `oauth2` crate, with this service's type of token response.
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

impl OAuthClient {
    /// Exchanges an authorization code (RFC 6749, section 4.1.3), and validates the ID token in the response.
    /// `redirect_uri`, `nonce` and `requirements` are those of the authorization request.
    ///
    /// # Errors
    /// [`OAuthError::Rejected`] if the authorization server refuses the code or is busy; [`OAuthError::InvalidIdToken`] if
    /// the ID token is missing or invalid; [`OAuthError::Unavailable`] if the authorization server is unreachable or its
    /// response cannot be used; [`OAuthError::Internal`] for an error of the service.
    pub async fn exchange_code(
        &self,
        code: &str,
        code_verifier: &str,
        redirect_uri: &RedirectUrl,
        nonce: &str,
        requirements: &IdTokenRequirements,
    ) -> Result<TokenSet, OAuthError> {
        let metadata = self.metadata().await?;
        // Before the code is used up: without the keys, the ID token could not be verified.
        self.server().keys(self.http()).await?;
        let grants = self.grants(&metadata, redirect_uri);
        let mut request = grants
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(code_verifier.to_owned()));
        for resource in &self.config().client.resource {
            request = request.add_extra_param("resource", resource);
        }
        let error_response = Cell::new(None);
        let send = |request| self.send_grant(&self.code_http, &metadata, request, &error_response);
        let response = request
            .request_async(&send)
            .await
            .map_err(|error| grant_error(error, error_response.take()))?;
        self.accept_or_revoke(response, Flow::Login { nonce, requirements })
            .await
    }

    /// Uses a refresh token (RFC 6749, section 6). An ID token in the response must belong to the same user as
    /// `previous_id_token`, which has been validated. `scope` is the granted scope, if known: some authorization servers
    /// require it, and none may accept a wider one.
    ///
    /// # Errors
    /// The same as those of [`exchange_code`](OAuthClient::exchange_code), except that an ID token may be missing.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        previous_id_token: Option<&str>,
        scope: Option<&str>,
    ) -> Result<TokenSet, OAuthError> {
        let scope = scope.filter(|_| self.config().client.send_scope_at_refresh);
        match self.refresh_with_scope(refresh_token, previous_id_token, scope).await {
            // The authorization server rejected the scope before it used the refresh token. Without the parameter, the
            // request is for the granted scope.
            Err(OAuthError::Rejected(error_response))
                if scope.is_some() && error_response.error_code() == Some(OAuthErrorCode::InvalidScope) =>
            {
                log::warn!(
                    "the authorization server refused the granted scope at a refresh, so the refresh is repeated without a \
                     scope: set `client.send_scope_at_refresh` to false"
                );
                self.refresh_with_scope(refresh_token, previous_id_token, None).await
            }
            other => other,
        }
    }

    async fn refresh_with_scope(
        &self,
        refresh_token: &str,
        previous_id_token: Option<&str>,
        scope: Option<&str>,
    ) -> Result<TokenSet, OAuthError> {
        let metadata = self.metadata().await?;
        // As for a code, before the refresh token is used up.
        self.server().keys(self.http()).await?;
        let grants = self.grants(&metadata, self.config().redirect_uri());
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let mut request = grants.exchange_refresh_token(&refresh_token);
        if let Some(scope) = scope {
            request = request.add_extra_param("scope", scope);
        }
        for resource in &self.config().client.resource {
            request = request.add_extra_param("resource", resource);
        }
        let error_response = Cell::new(None);
        let send = |request| self.send_grant(&self.refresh_http, &metadata, request, &error_response);
        let response = request
            .request_async(&send)
            .await
            .map_err(|error| grant_error(error, error_response.take()))?;
        let previous = previous_id_token.and_then(claims::claims_of_verified);
        let flow = Flow::Refresh {
            previous: previous.as_ref(),
        };
        let mut tokens = self.accept_or_revoke(response, flow).await?;
        // The granted scope is the requested one unless the response says otherwise (RFC 6749, section 5.1).
        tokens.scope = tokens.scope.or_else(|| scope.map(str::to_owned));
        Ok(tokens)
    }

    /// Validates a token response. Tokens that are not accepted are revoked, unless only the user's authentication is not
    /// accepted: the browser may have a session of the same grant, which such a revocation would end.
    async fn accept_or_revoke(&self, response: TokenResponse, flow: Flow<'_>) -> Result<TokenSet, OAuthError> {
        let secret = |token: &str| Zeroizing::new(token.to_owned());
        let refresh_token = oauth2::TokenResponse::refresh_token(&response).map(|token| secret(token.secret()));
        let access_token = secret(oauth2::TokenResponse::access_token(&response).secret());
        let accepted = self.accept(response, flow).await;
        let is_step_up = |error: &OAuthError| match error {
            OAuthError::InvalidIdToken(error) => matches!(flow, Flow::Login { .. }) && error.is_of_authentication(),
            OAuthError::Unavailable(_)
            | OAuthError::Rejected(_)
            | OAuthError::TokenExpired
            | OAuthError::AuthorizationResponse(_)
            | OAuthError::LogoutToken(_)
            | OAuthError::ExtraParam(_)
            | OAuthError::Internal(_) => false,
        };
        if accepted.as_ref().is_err_and(|error| !is_step_up(error)) {
            // Within the exchange, so that a shutdown waits for it.
            self.revoke(refresh_token, Some(access_token)).await;
        }
        accepted
    }

    /// The client of the `oauth2` crate for the current endpoints of the authorization server.
    pub(super) fn grants(&self, metadata: &Metadata, redirect_uri: &RedirectUrl) -> Grants {
        let settings = &self.config().client;
        let authentication = metadata.profile.authentication;
        let auth_type = match authentication {
            ClientAuthentication::ClientSecretBasic => AuthType::BasicAuth,
            // With the secret, or with `client_id` only.
            ClientAuthentication::ClientSecretPost
            | ClientAuthentication::PrivateKeyJwt
            | ClientAuthentication::TlsClientAuth
            | ClientAuthentication::SelfSignedTlsClientAuth => AuthType::RequestBody,
        };
        let mut grants = oauth2::Client::new(ClientId::new(settings.id.clone()))
            .set_auth_type(auth_type)
            .set_redirect_uri(redirect_uri.clone())
            .set_auth_uri(AuthUrl::from_url(metadata.authorization_endpoint.clone()))
            .set_token_uri(TokenUrl::from_url(metadata.token_endpoint.clone()));
        if let Some(secret) = self
            .authenticator()
            .secret()
            .filter(|_| authentication.is_secret_required())
        {
            grants = grants.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
        }
        grants
    }

    /// Sends a request of the `oauth2` crate. `error_response` receives the error of a response with HTTP 4xx.
    async fn send_grant(
        &self,
        http: &HttpClient,
        metadata: &Metadata,
        request: HttpRequest,
        error_response: &Cell<Option<ErrorResponse>>,
    ) -> Result<HttpResponse, HttpError> {
        let form = Zeroizing::new(request.body().clone());
        let response = match self.dpop() {
            None => {
                http.send(
                    ServerEndpoint::Token,
                    self.authenticator().authenticate(metadata, request)?,
                )
                .await?
            }
            Some(dpop) => self.send_with_proof(http, dpop, metadata, request).await?,
        };
        if response.status >= 400 {
            let secret = self.authenticator().secret();
            let secret = secret.as_ref().map(|secret| secret.expose());
            error_response.set(Some(ErrorResponse::of(ServerEndpoint::Token, &response, &form, secret)));
        }
        let mut converted = HttpResponse::new(response.body.to_vec());
        *converted.status_mut() = oauth2::http::StatusCode::from_u16(response.status)
            .map_err(|_| HttpError::Broken(format!("invalid HTTP status {}", response.status)))?;
        if let Ok(content_type) = response.content_type.parse()
            && !response.content_type.is_empty()
        {
            converted
                .headers_mut()
                .insert(oauth2::http::header::CONTENT_TYPE, content_type);
        }
        Ok(converted)
    }

    /// Sends a grant with a DPoP proof, and again if the authorization server requires its nonce before it uses the code
    /// or the refresh token (RFC 9449, section 8).
    async fn send_with_proof(
        &self,
        http: &HttpClient,
        dpop: &Dpop,
        metadata: &Metadata,
        request: HttpRequest,
    ) -> Result<ServerResponse, HttpError> {
        let failed = |error: String| HttpError::Request(format!("making a DPoP proof failed: {error}"));
        let with_proof = || {
            let proof = dpop
                .proof(
                    metadata.profile.dpop,
                    ServerRole::AuthorizationServer,
                    "POST",
                    &metadata.token_endpoint,
                    None,
                )
                .map_err(|error| failed(error.to_string()))?;
            let proof = oauth2::http::HeaderValue::try_from(proof).map_err(|error| failed(error.to_string()))?;
            let mut request = self.authenticator().authenticate(metadata, request.clone())?;
            request.headers_mut().insert("dpop", proof);
            Ok::<_, HttpError>(request)
        };
        let response = http.send(ServerEndpoint::Token, with_proof()?).await?;
        let has_nonce = dpop.store_nonce(ServerRole::AuthorizationServer, &response);
        if !has_nonce || !dpop::is_nonce_required(&response) {
            return Ok(response);
        }
        let response = http.send(ServerEndpoint::Token, with_proof()?).await?;
        dpop.store_nonce(ServerRole::AuthorizationServer, &response);
        Ok(response)
    }

    /// Validates a token response, including its ID token.
    async fn accept(&self, response: TokenResponse, flow: Flow<'_>) -> Result<TokenSet, OAuthError> {
        if self.dpop().is_some() && *oauth2::TokenResponse::token_type(&response) != TokenType::DPoP {
            return Err(OAuthError::Unavailable(
                "token response: `client.dpop_key_file` is set, but the access token is not bound to the key (`token_type` \
                 is not DPoP): enable DPoP for this client at the authorization server, or remove the field"
                    .to_owned(),
            ));
        }
        let raw = response.id_token().map(str::to_owned);
        let mut tokens = response.into_tokens()?;
        match (raw, flow) {
            (Some(raw), _) => {
                let claims = self.validate_id_token(&raw, &tokens.access_token, flow).await?;
                tokens.id_token = Some(IdToken { raw, claims });
            }
            (None, Flow::Login { .. }) => return Err(OAuthError::InvalidIdToken(IdTokenError::Missing)),
            (None, Flow::Refresh { .. }) => {}
        }
        Ok(tokens)
    }

    async fn validate_id_token(
        &self,
        raw: &str,
        access_token: &str,
        flow: Flow<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let verified = self
            .verify_signature(raw, TokenSender::AuthorizationServer, &signed_jwt::TYPES)
            .await;
        let invalid = |error| IdTokenError::Jwt(error).into();
        let (algorithm, claims) = verified.map_err(|error| error.into_oauth_error(invalid))?;
        let settings = &self.config().client;
        let expected = Expected {
            issuer: &self.config().authorization_server.issuer,
            client_id: &settings.id,
            trusted_audiences: &settings.trusted_audiences,
            clock_skew: self.config().authorization_server.clock_skew_seconds,
            access_token,
            algorithm,
            flow,
        };
        id_token::validate(&claims, &expected, clock::now())?;
        Ok(claims)
    }
}

/// The error for a failed grant. Of the body of the response, it contains only the error code or the names of invalid
/// members: the rest may repeat parameters of the request.
fn grant_error(
    error: RequestTokenError<HttpError, BasicErrorResponse>,
    error_response: Option<ErrorResponse>,
) -> OAuthError {
    match (error_response, error) {
        // An HTTP 4xx that is not in the form of OAuth is still a rejection.
        (Some(error_response), _) => OAuthError::Rejected(error_response),
        (None, RequestTokenError::Request(error)) => OAuthError::http(ServerEndpoint::Token, error),
        // The error's own message may quote a value.
        (None, RequestTokenError::Parse(error, _)) => OAuthError::Unavailable(match error.path().iter().next() {
            None => "invalid token response: not JSON, or a required member (`access_token`, `token_type`) is missing, or a \
                  member is repeated: check `authorization_server.token_endpoint` and the metadata"
                .to_owned(),
            Some(_) => format!(
                "invalid token response: the member `{}` is invalid: check `authorization_server.token_endpoint` and the \
                 metadata",
                error.path()
            ),
        }),
        (None, RequestTokenError::Other(_) | RequestTokenError::ServerResponse(_)) => OAuthError::Unavailable(
            "invalid token response: its status is not HTTP 200, its `Content-Type` is not JSON, or its body is empty: \
             check `authorization_server.token_endpoint` and the metadata"
                .to_owned(),
        ),
    }
}
