//! The userinfo endpoint (OpenID Connect Core 1.0, section 5.3).

use serde_json::{Map, Value};

use url::Url;

use super::authorization_server::TokenSender;
use super::client::OAuthClient;
use super::dpop::ServerRole;
use super::error::{ErrorResponse, OAuthError};
use super::http::{MAX_RESPONSE_BYTES, ServerResponse};
use super::metadata::Metadata;
use super::signed_jwt::{self, JwtError, validate_addressed};
use crate::clock;
use crate::jose::error::JwsError;
use crate::telemetry::server_endpoint::ServerEndpoint;

impl OAuthClient {
    /// The claims about the user of the access token. `sub` must be `expected_sub`, that of the ID token. If that is
    /// `None`, any `sub` is accepted, but one must be present.
    ///
    /// # Errors
    /// [`OAuthError::TokenExpired`] for HTTP 401; [`OAuthError::Rejected`] for any other HTTP 4xx, and HTTP 503;
    /// [`OAuthError::Unavailable`] if there is no endpoint or no usable response; [`OAuthError::Internal`] for an error
    /// of the service.
    pub async fn userinfo(
        &self,
        access_token: &str,
        expected_sub: Option<&str>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let unusable = |what: &str| OAuthError::Unavailable(format!("userinfo endpoint: {what}"));
        let metadata = self.metadata().await?;
        let url = metadata.userinfo_endpoint.as_ref().ok_or_else(|| {
            unusable("missing: set `authorization_server.userinfo_endpoint`, or set `userinfo_source` to `id_token`")
        })?;
        let response = self.get_userinfo(&metadata, url, access_token).await?;
        match response.status {
            200 => {}
            401 => return Err(OAuthError::TokenExpired),
            400..=499 => {
                let error_response = ErrorResponse::of(ServerEndpoint::Userinfo, &response, &[], Some(access_token));
                return Err(OAuthError::Rejected(error_response));
            }
            status => return Err(unusable(&format!("HTTP {status}"))),
        }
        let claims = match (
            response.has_media_type("application/json"),
            response.has_media_type("application/jwt"),
        ) {
            (true, _) => serde_json::from_slice(&response.body).map_err(|_| {
                unusable(
                    "the response is not a JSON object: check `authorization_server.userinfo_endpoint` and the metadata",
                )
            })?,
            (_, true) => self.verify_userinfo(&response.body).await?,
            (false, false) => {
                return Err(unusable(
                    "the response is neither JSON nor a JWT: check `authorization_server.userinfo_endpoint` and the metadata",
                ));
            }
        };
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .ok_or_else(|| unusable("missing `sub` in the response"))?;
        match expected_sub {
            Some(expected) if subject != expected => Err(unusable("`sub` is not that of the ID token")),
            _ => Ok(claims),
        }
    }

    /// The claims of a response that is a signed JWT (OpenID Connect Core 1.0, section 5.3.2): for this client, by the
    /// issuer, with one of `authorization_server.id_token_algorithms`.
    async fn verify_userinfo(&self, body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
        let invalid = |error: JwtError| OAuthError::Unavailable(format!("userinfo endpoint: invalid JWT: {error}"));
        let raw = std::str::from_utf8(body).map_err(|_| invalid(JwsError::Malformed.into()))?;
        let verified = self
            .verify_signature(raw.trim(), TokenSender::AuthorizationServer, &signed_jwt::TYPES)
            .await;
        let (_, claims) = verified.map_err(|error| error.into_oauth_error(invalid))?;
        let config = self.config();
        let skew = config.authorization_server.clock_skew_seconds;
        validate_addressed(&claims, config.addressee(), skew, clock::now()).map_err(invalid)?;
        Ok(claims)
    }

    async fn get_userinfo(
        &self,
        metadata: &Metadata,
        url: &Url,
        access_token: &str,
    ) -> Result<ServerResponse, OAuthError> {
        let get = async |headers: &[(&str, &str)]| {
            // The client's registration decides which of the two the authorization server sends.
            let headers = [&[("accept", "application/json, application/jwt")], headers].concat();
            let response = self
                .http()
                .get(ServerEndpoint::Userinfo, url.as_str(), &headers, MAX_RESPONSE_BYTES)
                .await;
            response.map_err(|error| OAuthError::http(ServerEndpoint::Userinfo, error))
        };
        let Some(dpop) = self.dpop() else {
            return get(&[("authorization", &format!("Bearer {access_token}"))]).await;
        };
        let authorization = format!("DPoP {access_token}");
        let proof = || {
            dpop.proof(
                metadata.profile.dpop,
                ServerRole::ResourceServer,
                "GET",
                url,
                Some(access_token),
            )
        };
        let response = get(&[("authorization", &authorization), ("dpop", &proof()?)]).await?;
        // Repeat the request with the nonce of the response (RFC 9449, section 9).
        if !dpop.store_nonce(ServerRole::ResourceServer, &response) || response.status != 401 {
            return Ok(response);
        }
        get(&[("authorization", &authorization), ("dpop", &proof()?)]).await
    }
}
