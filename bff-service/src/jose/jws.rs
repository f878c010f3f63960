//! Signed JSON Web Tokens: taken apart, and their signature verified. What the claims must be is
//! for whoever asks.
//!
//! RFC 8725 throughout: the algorithm is one of a configured list, the key is one of the issuer's published keys and
//! fits that algorithm, and nothing in the token's header (`jwk`, `jku`, `x5u`, `x5c`) can name another.

use jsonwebtoken::crypto;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::object;
use super::error::{JwsError, shown};
use super::jwks::KeySet;

/// Longer tokens are not taken apart.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A token whose signature has not been verified: good for choosing a key, and for nothing else.
pub struct UnverifiedToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    signed: &'a str,
    signature: &'a str,
    claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token apart. `types` are the values of `typ` that are accepted, in lower case; a token without is.
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
            signed,
            signature,
            claims,
        })
    }

    /// The algorithm, which is one of those allowed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The claims, if one of the issuer's keys that may have signed the token did. A token without key id may be by any of
    /// them; that two verify it means that one key is published under two ids.
    pub fn verify(&self, keys: &KeySet) -> Result<&Map<String, Value>, JwsError> {
        let mut refused = JwsError::NoKey;
        for candidate in keys.candidates(self.key_id.as_deref(), self.algorithm) {
            let outcome = crypto::verify(
                self.signature,
                self.signed.as_bytes(),
                candidate.key(),
                self.algorithm.library(),
            );
            if outcome.is_ok_and(|good| good) {
                return Ok(&self.claims);
            }
            refused = JwsError::Signature;
        }
        Err(refused)
    }
}
