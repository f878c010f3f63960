//! Signed JSON Web Tokens: taken apart, and their signature verified. What the claims must be is
//! [`id_token`](crate::oauth::id_token)'s matter.
//!
//! RFC 8725 throughout: the algorithm is one of a configured list, the key is one of the issuer's published keys and
//! fits that algorithm, and nothing in the token's header (`jwk`, `jku`, `x5u`, `x5c`) can name another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};
use serde_json::{Map, Value};

use super::jwks::KeySet;
use crate::oauth::error::shown;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// Not three parts of base64url with JSON objects in the first two; an encrypted token, for instance.
    Malformed,
    /// The header says that it is some other kind of token.
    Type,
    /// The header has `crit`: something that must be understood, and is not.
    Critical,
    /// The algorithm, as it may be logged, is not one of those configured. `none` and the symmetric ones never are.
    Algorithm(String),
    /// None of the issuer's keys has this id and fits the algorithm.
    NoKey,
    /// The signature is by none of the keys that may have made it.
    Signature,
}

impl std::fmt::Display for JwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            JwsError::Algorithm(name) => {
                return write!(
                    f,
                    "its `alg` is `{name}`, which is not in `authorization_server.id_token_algorithms`"
                );
            }
            JwsError::Malformed => "it is not a signed JSON Web Token",
            JwsError::Type => "its `typ` is that of another kind of token",
            JwsError::Critical => "its header has `crit`",
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
        let name = header.get("alg").and_then(Value::as_str).ok_or(JwsError::Malformed)?;
        let algorithm = signature_algorithm(name).filter(|algorithm| allowed.contains(algorithm));
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
            let outcome = crypto::verify(self.signature, self.signed.as_bytes(), candidate.key(), self.algorithm);
            if outcome.is_ok_and(|good| good) {
                return Ok(&self.claims);
            }
            refused = JwsError::Signature;
        }
        Err(refused)
    }
}

/// A signature algorithm, under the name that is written in `alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedAlgorithm {
    /// As the library knows it.
    pub id: Algorithm,
    /// The name.
    pub name: &'static str,
}

/// The asymmetric algorithms by name: RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864, section 2.2. Two are names of
/// the same thing: `Ed25519` is today's, `EdDSA` the older one that most servers know. ES512 is missing because the library
/// has no P-521.
const ALGORITHMS: [NamedAlgorithm; 10] = [
    named(Algorithm::RS256, "RS256"),
    named(Algorithm::RS384, "RS384"),
    named(Algorithm::RS512, "RS512"),
    named(Algorithm::PS256, "PS256"),
    named(Algorithm::PS384, "PS384"),
    named(Algorithm::PS512, "PS512"),
    named(Algorithm::ES256, "ES256"),
    named(Algorithm::ES384, "ES384"),
    named(Algorithm::EdDSA, "Ed25519"),
    named(Algorithm::EdDSA, "EdDSA"),
];

const fn named(id: Algorithm, name: &'static str) -> NamedAlgorithm {
    NamedAlgorithm { id, name }
}

impl NamedAlgorithm {
    /// The asymmetric algorithm of this name. There is no way to get a symmetric one, or `none`, out of a name.
    pub fn of(name: &str) -> Option<NamedAlgorithm> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name == name)
    }

    /// Under the newest of its names that is among `names`.
    pub fn among(id: Algorithm, names: &[String]) -> Option<NamedAlgorithm> {
        ALGORITHMS
            .into_iter()
            .find(|algorithm| algorithm.id == id && names.iter().any(|name| name == algorithm.name))
    }

    /// Under the name that every server knows.
    pub fn well_known(id: Algorithm) -> Option<NamedAlgorithm> {
        ALGORITHMS.into_iter().rfind(|algorithm| algorithm.id == id)
    }

    /// All names, for a message.
    pub fn names() -> String {
        ALGORITHMS.map(|algorithm| algorithm.name).join(", ")
    }
}

/// The asymmetric algorithm of this name. There is no way to get a symmetric one, or `none`, out of a name.
pub fn signature_algorithm(name: &str) -> Option<Algorithm> {
    NamedAlgorithm::of(name).map(|algorithm| algorithm.id)
}

/// The claims of a token that was verified before, when it was put where it now comes from: a sealed cookie.
pub fn claims_of_verified(token: &str) -> Option<Map<String, Value>> {
    object(token.split('.').nth(1)?).ok()
}

fn object(part: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| JwsError::Malformed)
}
