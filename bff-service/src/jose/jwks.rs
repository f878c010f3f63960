//! The JWKS of the authorization server (RFC 7517).

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::{Algorithm, KeyType};

/// Maximum number of keys that are used: each may cost a signature verification.
const MAX_KEYS: usize = 50;

/// The keys for verifying signatures.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    unusable: Vec<String>,
}

/// One public key.
pub struct VerificationKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl VerificationKey {
    /// A single key, which is in no set.
    ///
    /// # Errors
    /// Why it cannot verify signatures.
    pub(super) fn of_jwk(jwk: &Value) -> Result<VerificationKey, String> {
        let jwk = Jwk::deserialize(jwk).map_err(|_| "is not a JWK".to_owned())?;
        verification_key(&jwk)
    }

    /// The key itself.
    pub fn key(&self) -> &DecodingKey {
        &self.key
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Parses a JWKS. Omits keys that cannot verify a signature here (for encryption, symmetric, too short, of unknown
    /// form), because servers publish other keys as well.
    ///
    /// # Errors
    /// The document is not a JWKS, or has no usable key. The string says what is wrong.
    pub fn parse(body: &[u8]) -> Result<KeySet, String> {
        let set: JwkSet = serde_json::from_slice(body).map_err(|error| format!("not a JWKS: {error}"))?;
        let mut seen = HashSet::new();
        let mut result = KeySet::default();
        for (index, value) in set.keys.into_iter().enumerate() {
            if result.keys.len() == MAX_KEYS {
                result.unusable.push(format!("there are more than {MAX_KEYS} keys"));
                break;
            }
            let usable = serde_json::from_value::<Jwk>(value)
                .map_err(|_| "is not a JWK".to_owned())
                .and_then(|jwk| Ok((verification_key(&jwk)?, jwk)));
            match usable {
                Ok((key, jwk)) => {
                    // A repeated key counts once.
                    if seen.insert(jwk) {
                        result.keys.push(key);
                    }
                }
                Err(what) => result.unusable.push(format!("key {} {what}", index + 1)),
            }
        }
        match (result.keys.is_empty(), result.unusable.is_empty()) {
            (false, _) => Ok(result),
            (true, true) => Err("no usable signing key: the list is empty".to_owned()),
            (true, false) => Err(format!("no usable signing key: {}", result.unusable.join(", "))),
        }
    }

    /// The keys that may have signed a token with this header. A token without a key id may be signed with any.
    pub fn candidates<'a>(
        &'a self,
        key_id: Option<&'a str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a VerificationKey> {
        self.keys
            .iter()
            .filter(move |key| (key_id.is_none() || key.id.as_deref() == key_id) && key.algorithms.contains(&algorithm))
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a key can verify signatures with one of these algorithms.
    pub fn has_key_for_any(&self, algorithms: &[Algorithm]) -> bool {
        algorithms
            .iter()
            .any(|algorithm| self.candidates(None, *algorithm).next().is_some())
    }

    /// The omitted keys, and why.
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }
}

/// Returns the key, or why it is unusable for signatures.
fn verification_key(jwk: &Jwk) -> Result<VerificationKey, String> {
    if jwk.r#use.as_deref().is_some_and(|usage| usage != "sig") {
        return Err("has a `use` other than `sig`".to_owned());
    }
    if jwk
        .key_ops
        .as_ref()
        .is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Err("has `key_ops` without `verify`".to_owned());
    }
    let part = |name: &str, value: &Option<String>| {
        let encoded = value.as_deref().ok_or_else(|| format!("has no `{name}`"))?;
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| format!("has an invalid `{name}`: not base64url"))?;
        Ok::<_, String>((encoded.to_owned(), bytes))
    };
    let kind = KeyType::of(&jwk.kty, jwk.crv.as_deref()).ok_or("has an unsupported `kty` or `crv`")?;
    let key = match kind {
        KeyType::Rsa => {
            let ((n, modulus), (e, exponent)) = (part("n", &jwk.n)?, part("e", &jwk.e)?);
            let bits = bit_length(&modulus);
            // RFC 7518, section 3.3. The upper bound is that of the cryptographic library.
            if !(2048..=8192).contains(&bits) {
                return Err(format!("is an RSA key of {bits} bits, not of 2048 to 8192 bits"));
            }
            if bit_length(&exponent) < 2 || exponent.last().is_none_or(|last| last % 2 == 0) {
                return Err("has an invalid RSA exponent".to_owned());
            }
            DecodingKey::from_rsa_components(&n, &e)
        }
        KeyType::P256 | KeyType::P384 => {
            let (curve, length) = if kind == KeyType::P256 {
                ("P-256", 32)
            } else {
                ("P-384", 48)
            };
            let ((x, x_bytes), (y, y_bytes)) = (part("x", &jwk.x)?, part("y", &jwk.y)?);
            // Each verification checks that the point is on the curve.
            if x_bytes.len() != length || y_bytes.len() != length {
                return Err(format!("is not a point on {curve}"));
            }
            DecodingKey::from_ec_components(&x, &y)
        }
        KeyType::Ed25519 => {
            let (x, bytes) = part("x", &jwk.x)?;
            if bytes.len() != 32 {
                return Err("is not a point on Ed25519".to_owned());
            }
            DecodingKey::from_ed_components(&x)
        }
    };
    let key = key.map_err(|error| format!("cannot be used: {error}"))?;
    let mut algorithms: Vec<Algorithm> = kind.algorithms().collect();
    if let Some(only) = &jwk.alg {
        let only = Algorithm::of(only);
        algorithms.retain(|algorithm| Some(*algorithm) == only);
        if algorithms.is_empty() {
            return Err("has an unsupported `alg`, or one that does not fit its `kty`".to_owned());
        }
    }
    Ok(VerificationKey {
        id: jwk.kid.clone(),
        algorithms,
        key,
    })
}

/// The length of a number in bits, without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    let significant = number
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |start| &number[start..]);
    significant
        .first()
        .map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}
