//! Demonstrating Proof of Possession (RFC 9449): tokens that only the holder of a key can use.

use std::cell::RefCell;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::ThumbprintHash;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::error::OAuthError;
use super::http::ServerResponse;
use crate::clock;
use crate::jose::algorithm::NamedAlgorithm;
use crate::jose::signing_key::SigningKey;
use crate::random;

/// Maximum length of a nonce of the authorization server, in bytes.
const MAX_NONCE_BYTES: usize = 1024;

/// Creates DPoP proofs, and stores the nonces of the authorization server. One for each `OAuthClient`.
pub(super) struct Dpop {
    key: SigningKey,
    /// The latest nonces of the authorization server's endpoints and of the userinfo endpoint: the two roles have
    /// separate ones (RFC 9449, sections 8 and 9).
    nonces: [RefCell<Option<String>>; 2],
}

/// The role of the authorization server in a request.
#[derive(Clone, Copy)]
pub(super) enum ServerRole {
    /// A token request.
    AuthorizationServer,
    /// A request with an access token.
    ResourceServer,
}

impl Dpop {
    pub(super) fn new(key: SigningKey) -> Dpop {
        Dpop {
            key,
            nonces: [RefCell::new(None), RefCell::new(None)],
        }
    }

    /// `dpop_jkt` of an authorization request: only the holder of this key can use the code.
    pub(super) fn thumbprint(&self) -> Result<String, OAuthError> {
        self.key.public().thumbprint(ThumbprintHash::SHA256).map_err(|error| {
            OAuthError::Internal(format!(
                "the key of `client.dpop_key_file` has no thumbprint: {error}: write another key"
            ))
        })
    }

    /// A proof for one request, signed with `algorithm` if the metadata determine one. `access_token` is that of the
    /// request, if any.
    pub(super) fn proof(
        &self,
        algorithm: Option<NamedAlgorithm>,
        role: ServerRole,
        method: &str,
        url: &Url,
        access_token: Option<&str>,
    ) -> Result<String, OAuthError> {
        let mut target = url.clone();
        target.set_query(None);
        target.set_fragment(None);
        let mut claims = json!({
            "jti": random::token()?,
            "htm": method,
            "htu": target.as_str(),
            "iat": clock::now(),
        });
        if let Some(token) = access_token {
            claims["ath"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
        }
        if let Some(nonce) = self.nonce(role).borrow().as_deref() {
            claims["nonce"] = json!(nonce);
        }
        let algorithm = algorithm.or_else(|| self.key.best()).ok_or_else(|| {
            OAuthError::Internal("the key of `client.dpop_key_file` has no algorithm: write another key".to_owned())
        })?;
        Ok(self.key.sign_with_public_key("dpop+jwt", algorithm, &claims)?)
    }

    /// Stores the nonce of a response for the next proof. Returns whether the response has a valid one.
    pub(super) fn store_nonce(&self, role: ServerRole, response: &ServerResponse) -> bool {
        // RFC 9449, section 8.1.
        let is_valid = |nonce: &&String| {
            (1..=MAX_NONCE_BYTES).contains(&nonce.len())
                && nonce
                    .bytes()
                    .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        };
        match response.dpop_nonce.as_ref().filter(is_valid) {
            Some(nonce) => {
                *self.nonce(role).borrow_mut() = Some(nonce.clone());
                true
            }
            None => false,
        }
    }

    fn nonce(&self, role: ServerRole) -> &RefCell<Option<String>> {
        match role {
            ServerRole::AuthorizationServer => &self.nonces[0],
            ServerRole::ResourceServer => &self.nonces[1],
        }
    }
}

/// Whether the token endpoint requires a proof with its nonce.
pub(super) fn is_nonce_required(response: &ServerResponse) -> bool {
    #[derive(serde::Deserialize)]
    struct ErrorCode {
        error: String,
    }
    matches!(response.status, 400 | 401)
        && serde_json::from_slice::<ErrorCode>(&response.body).is_ok_and(|body| body.error == "use_dpop_nonce")
}
