//! A thread's client for the authorization server. Other modules implement its operations: [grants](super::grants),
//! [authorization requests](super::authorization_request) and [responses](super::authorization_response),
//! [userinfo](super::userinfo), [logout](super::logout), [logout tokens](super::logout_token).

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::authentication::ClientAuthenticator;
use super::authorization_server::{AuthorizationServer, TokenSender};
use super::dpop::Dpop;
use super::error::OAuthError;
use super::http::HttpClient;
use super::metadata::Metadata;
use super::signed_jwt::JwtError;
use crate::config::Config;
use crate::jose::algorithm::Algorithm;
use crate::jose::error::JwsError;
use crate::jose::jws::UnverifiedToken;

/// The client of a thread, such as a worker, for the authorization server. Not `Send`: its connections belong to the
/// thread. Clones share them.
#[derive(Clone)]
pub struct OAuthClient {
    config: Arc<Config>,
    authenticator: ClientAuthenticator,
    server: AuthorizationServer,
    http: HttpClient,
    /// Connections to the token endpoint, with the time limit of exchanges: separate ones for codes and for refresh
    /// tokens, so that made-up codes take no connections from sessions.
    pub(super) code_http: HttpClient,
    pub(super) refresh_http: HttpClient,
    dpop: Option<Rc<Dpop>>,
}

impl OAuthClient {
    /// A client without connections, which are opened on demand.
    pub fn new(config: &Arc<Config>, server: AuthorizationServer) -> OAuthClient {
        OAuthClient {
            authenticator: ClientAuthenticator::new(config, server.client_secret()),
            config: Arc::clone(config),
            http: server.http_client(),
            code_http: server.http_client_for_exchanges(),
            refresh_http: server.http_client_for_exchanges(),
            dpop: config.client_keys().dpop.clone().map(Dpop::new).map(Rc::new),
            server,
        }
    }

    /// Whether the metadata and JWKS of the authorization server are loaded.
    pub fn is_ready(&self) -> bool {
        self.server.is_ready()
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn http(&self) -> &HttpClient {
        &self.http
    }

    pub(super) fn authenticator(&self) -> &ClientAuthenticator {
        &self.authenticator
    }

    pub(super) fn dpop(&self) -> Option<&Dpop> {
        self.dpop.as_deref()
    }

    pub(super) fn server(&self) -> &AuthorizationServer {
        &self.server
    }

    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, OAuthError> {
        self.server.metadata(&self.http).await
    }

    /// The algorithm and the claims of a JWT that the authorization server signed. The claims are not validated. `types`
    /// are the accepted values of `typ`, in lower case.
    pub(super) async fn verify_signature(
        &self,
        raw: &str,
        from: TokenSender,
        types: &[&str],
    ) -> Result<(Algorithm, Map<String, Value>), VerificationError> {
        let invalid = |error: JwsError| VerificationError::Invalid(error.into());
        let token = UnverifiedToken::parse(raw, types, self.config.id_token_algorithms()).map_err(invalid)?;
        let keys = self.server.keys(&self.http).await?;
        let claims = match token.verify(&keys) {
            Ok(claims) => claims,
            // The authorization server may sign with a key that is newer than the cached JWKS.
            Err(error) => match self.server.keys_after(&self.http, &keys, from).await? {
                Some(newer) => token.verify(&newer).map_err(invalid)?,
                None => return Err(invalid(error)),
            },
        };
        Ok((token.algorithm(), claims.clone()))
    }
}

/// Why the signature of a JWT could not be verified.
pub(super) enum VerificationError {
    /// The JWT is invalid.
    Invalid(JwtError),
    /// The keys are not available.
    NoKeys(OAuthError),
}

impl VerificationError {
    /// Returns the error for the caller: `invalid` creates it for an invalid JWT.
    pub(super) fn into_oauth_error(self, invalid: impl FnOnce(JwtError) -> OAuthError) -> OAuthError {
        match self {
            VerificationError::Invalid(error) => invalid(error),
            VerificationError::NoKeys(error) => error,
        }
    }
}

impl From<OAuthError> for VerificationError {
    fn from(error: OAuthError) -> VerificationError {
        VerificationError::NoKeys(error)
    }
}
