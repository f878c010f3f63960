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
    /// The claims about the user of the access token. `sub` must be `expected_sub`, that of the ID token; if it is
    /// unknown, `sub` must be present.
    ///
    /// # Errors
    /// [`OAuthError::TokenExpired`] for status 401; [`OAuthError::Rejected`] for any other status 4xx;
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
        let answer = self.get_userinfo(&metadata, url, access_token).await?;
        match answer.status {
            200 => {}
            401 => return Err(OAuthError::TokenExpired),
            400..=499 => {
                let error_response = ErrorResponse::of(ServerEndpoint::Userinfo, &answer, &[], Some(access_token));
                return Err(OAuthError::Rejected(error_response));
            }
            status => return Err(unusable(&format!("HTTP {status}"))),
        }
        let claims = match (answer.is("application/json"), answer.is("application/jwt")) {
            (true, _) => {
                serde_json::from_slice(&answer.body).map_err(|_| unusable("the response is not a JSON object"))?
            }
            (_, true) => self.open_userinfo(&answer.body).await?,
            (false, false) => return Err(unusable("the response is neither JSON nor a JWT")),
        };
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .ok_or_else(|| unusable("the response has no `sub`"))?;
        match expected_sub {
            Some(expected) if subject != expected => Err(unusable("`sub` is not that of the ID token")),
            _ => Ok(claims),
        }
    }

    /// The claims of a response that is a signed JWT (OpenID Connect Core 1.0, section 5.3.2): for this client, by the
    /// issuer, with one of `authorization_server.id_token_algorithms`.
    async fn open_userinfo(&self, body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
        let refused = |error: JwtError| OAuthError::Unavailable(format!("userinfo endpoint: its JWT: {error}"));
        let raw = std::str::from_utf8(body).map_err(|_| refused(JwsError::Malformed.into()))?;
        let verified = self
            .verify_signature(raw.trim(), TokenSender::AuthorizationServer, &signed_jwt::TYPES)
            .await;
        let (_, claims) = verified.map_err(|error| error.into_oauth_error(refused))?;
        let config = self.config();
        let skew = config.authorization_server.clock_skew_seconds;
        validate_addressed(&claims, config.addressee(), skew, clock::now()).map_err(refused)?;
        Ok(claims)
    }

    async fn get_userinfo(
        &self,
        metadata: &Metadata,
        url: &Url,
        access_token: &str,
    ) -> Result<ServerResponse, OAuthError> {
        let get = async |headers: &[(&str, &str)]| {
            // The client's registration decides which of the two the server sends.
            let headers = [&[("accept", "application/json, application/jwt")], headers].concat();
            let answer = self
                .http()
                .get(ServerEndpoint::Userinfo, url.as_str(), &headers, MAX_RESPONSE_BYTES)
                .await;
            answer.map_err(|error| OAuthError::http(ServerEndpoint::Userinfo, error))
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
        let answer = get(&[("authorization", &authorization), ("dpop", &proof()?)]).await?;
        // Repeat the request with the server's nonce (RFC 9449, section 9).
        if !dpop.learn(ServerRole::ResourceServer, &answer) || answer.status != 401 {
            return Ok(answer);
        }
        get(&[("authorization", &authorization), ("dpop", &proof()?)]).await
    }
}
