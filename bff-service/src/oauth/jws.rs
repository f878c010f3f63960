//! Signed JSON Web Tokens: taken apart, and their signature verified. What the claims must be is
//! [`id_token`](super::id_token)'s matter.
//!
//! RFC 8725 throughout: the algorithm is one of a configured list, the key is one of the issuer's published keys and
//! fits that algorithm, and nothing in the token's header (`jwk`, `jku`, `x5u`, `x5c`) can name another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};
use serde_json::{Map, Value};

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

/// Why a token or its signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Not three parts of base64url with JSON objects in the first two; an encrypted token, for instance.
    Malformed,
    /// The header says that it is some other kind of token.
    Type,
    /// The header has `crit`: something that must be understood, and is not.
    Critical,
    /// The algorithm is not one of those configured. `none` and the symmetric ones never are.
    Algorithm,
    /// None of the issuer's keys has this id and fits the algorithm.
    NoKey,
    /// The signature is not by that key; or the token names no key, and none or several of them fit.
    Signature,
}

impl std::fmt::Display for JwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            JwsError::Malformed => "it is not a signed JSON Web Token",
            JwsError::Type => "its `typ` is that of another kind of token",
            JwsError::Critical => "its header has `crit`",
            JwsError::Algorithm => "its `alg` is not in `authorization_server.id_token_algorithms`",
            JwsError::NoKey => "no key of the authorization server fits its `kid` and `alg`",
            JwsError::Signature => "its signature is not by a key of the authorization server",
        })
    }
}

impl std::error::Error for JwsError {}

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
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(JwsError::Malformed)?;
        let algorithm = signature_algorithm(algorithm).filter(|algorithm| allowed.contains(algorithm));
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(key_id)) => Some(key_id.clone()),
            Some(_) => return Err(JwsError::Malformed),
        };
        Ok(UnverifiedToken {
            algorithm: algorithm.ok_or(JwsError::Algorithm)?,
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

    /// The claims, if exactly one of the keys that may have signed the token did.
    pub fn verify(&self, keys: &KeySet) -> Result<&Map<String, Value>, JwsError> {
        let mut tried = 0;
        let mut verified = 0;
        for candidate in keys.candidates(self.key_id.as_deref(), self.algorithm) {
            tried += 1;
            let outcome = crypto::verify(self.signature, self.signed.as_bytes(), candidate.key(), self.algorithm);
            if outcome.is_ok_and(|good| good) {
                verified += 1;
            }
        }
        match (tried, verified) {
            (_, 1) => Ok(&self.claims),
            (0, _) => Err(JwsError::NoKey),
            _ => Err(JwsError::Signature),
        }
    }
}

/// The asymmetric algorithm of this name. There is no way to get a symmetric one, or `none`, out of a name.
pub fn signature_algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// The claims of a token that was verified before, when it was put where it now comes from: a sealed cookie.
pub fn claims_of_verified(token: &str) -> Option<Map<String, Value>> {
    object(token.split('.').nth(1)?).ok()
}

fn object(part: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwsError::Malformed)
}
