//! Signed JSON Web Tokens: parsing, and verification of the signature. The caller validates the claims.
//!
//! According to RFC 8725, the algorithm is in a configured list, the key is one of the issuer's published keys and fits
//! the algorithm, and nothing in the token's header (`jwk`, `jku`, `x5u`, `x5c`) can select another. Only the tokens of a
//! device have no issuer: the device registers its own key ([`DeviceKey`](super::device_key::DeviceKey)).

use jsonwebtoken::crypto;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::object;
use super::error::{JwsError, shown};
use super::jwks::{KeySet, VerificationKey};

/// Maximum length of a token, in bytes.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A token whose signature has not been verified. Use it only to select a key.
pub struct UnverifiedToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    header: Map<String, Value>,
    signed: &'a str,
    signature: &'a str,
    claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Parses a token. `types` are the accepted values of `typ`, in lower case. A token without `typ` is accepted.
    /// `allowed` are the accepted algorithms.
    ///
    /// # Errors
    /// The token is not a signed JWT, or its `typ`, `crit` or `alg` is not accepted.
    pub fn parse(token: &'a str, types: &[&str], allowed: &[Algorithm]) -> Result<UnverifiedToken<'a>, JwsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed)?;
        let (header, claims) = (object(header)?, object(payload)?);
        if header.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        match header.get("typ") {
            None => {}
            Some(Value::String(kind)) => {
                let kind = kind.to_ascii_lowercase();
                let kind = kind.strip_prefix("application/").unwrap_or(&kind);
                if !types.contains(&kind) {
                    return Err(JwsError::Type);
                }
            }
            Some(_) => return Err(JwsError::Malformed),
        }
        let name = header.get("alg").and_then(Value::as_str).ok_or(JwsError::Malformed)?;
        let algorithm = Algorithm::of(name).filter(|algorithm| allowed.contains(algorithm));
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(key_id)) => Some(key_id.clone()),
            Some(_) => return Err(JwsError::Malformed),
        };
        Ok(UnverifiedToken {
            algorithm: algorithm.ok_or_else(|| JwsError::Algorithm(shown(name)))?,
            key_id,
            header,
            signed,
            signature,
            claims,
        })
    }

    /// A member of the header.
    pub(super) fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// The algorithm, which is one of the allowed ones.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The claims, if a key of the issuer verifies the signature. A token without a key id may be signed with any of
    /// the keys. If two verify it, one key is published with two ids.
    ///
    /// # Errors
    /// No key fits the header, or none verifies the signature.
    pub fn verify(&self, keys: &KeySet) -> Result<&Map<String, Value>, JwsError> {
        let mut error = JwsError::NoKey;
        for candidate in keys.candidates(self.key_id.as_deref(), self.algorithm) {
            match self.verify_with(candidate) {
                Ok(claims) => return Ok(claims),
                Err(failure) => error = failure,
            }
        }
        Err(error)
    }

    /// The claims, if this key, which fits the algorithm, verifies the signature.
    pub(super) fn verify_with(&self, key: &VerificationKey) -> Result<&Map<String, Value>, JwsError> {
        let result = crypto::verify(
            self.signature,
            self.signed.as_bytes(),
            key.key(),
            self.algorithm.library(),
        );
        match result {
            Ok(true) => Ok(&self.claims),
            Ok(false) | Err(_) => Err(JwsError::Signature),
        }
    }
}
