//! The public key of a device (W3C Device Bound Session Credentials, section 9.10): the device registers the key with a JWT
//! that has it in the header, and later proves with other JWTs that it still has the private key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;
use super::error::JwsError;
use super::jwks::VerificationKey;
use super::jws::UnverifiedToken;

/// The `typ` of the JWTs.
const TOKEN_TYPE: &str = "dbsc+jwt";
/// The longest accepted RSA modulus, in bytes: the key is in a cookie.
const MAX_MODULUS_BYTES: usize = 512;
/// The only accepted RSA exponent, 65537.
const RSA_EXPONENT: &str = "AQAB";
/// The private members of a JWK (RFC 7518, sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a JWT of a device is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceKeyError {
    /// The JWT is malformed, of another kind, or not signed with the key.
    #[error("the JWT of the device is refused: {0}")]
    Token(JwsError),
    /// The `alg` of the JWT is neither `ES256` nor `RS256`, or not that of the key.
    #[error("the JWT of the device is refused: its `alg` is neither ES256 nor RS256, or not that of the key")]
    Algorithm,
    /// The JWT has no `typ`, which distinguishes it from other kinds of JWTs.
    #[error("the JWT of the device is refused: it has no `typ`")]
    NoType,
    /// The key is missing or unusable.
    #[error("the key of the device {0}")]
    Key(String),
}

impl From<JwsError> for DeviceKeyError {
    fn from(error: JwsError) -> DeviceKeyError {
        match error {
            // Its message names a setting that does not apply here.
            JwsError::Algorithm(_) => DeviceKeyError::Algorithm,
            other @ (JwsError::Malformed
            | JwsError::Type
            | JwsError::Critical
            | JwsError::NoKey
            | JwsError::Signature) => DeviceKeyError::Token(other),
        }
    }
}

/// The public key of a device.
pub struct DeviceKey {
    jwk: Value,
    algorithm: Algorithm,
    key: VerificationKey,
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeviceKey").field(&self.jwk).finish()
    }
}

impl DeviceKey {
    /// The algorithms, by `alg`, in the order of preference.
    pub const ALGORITHMS: [&str; 2] = ["ES256", "RS256"];

    /// The key in the header of `token`, which proves that the device has the private key. Also returns the claims.
    ///
    /// # Errors
    /// The key is neither P-256 nor RSA of 2048 to 4096 bits with the exponent 65537, or the token is not signed with
    /// it.
    pub fn register(token: &str) -> Result<(DeviceKey, Map<String, Value>), DeviceKeyError> {
        let allowed = [Algorithm::ES256, Algorithm::RS256];
        let parsed = UnverifiedToken::parse(token, &[TOKEN_TYPE], &allowed)?;
        let jwk = parsed
            .header("jwk")
            .ok_or_else(|| DeviceKeyError::Key("is missing".to_owned()))?;
        let key = DeviceKey::parse(jwk)?;
        let claims = key.claims_of(&parsed)?;
        Ok((key, claims))
    }

    /// Parses a JWK (RFC 7517).
    ///
    /// # Errors
    /// [`DeviceKeyError::Key`].
    pub fn parse(jwk: &Value) -> Result<DeviceKey, DeviceKeyError> {
        DeviceKey::of_jwk(jwk).map_err(DeviceKeyError::Key)
    }

    fn of_jwk(jwk: &Value) -> Result<DeviceKey, String> {
        if PRIVATE_MEMBERS.iter().any(|name| jwk.get(name).is_some()) {
            return Err("has a private member".to_owned());
        }
        let key = VerificationKey::of_jwk(jwk)?;
        let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        // Only the members that identify the key (RFC 7638, section 3.2): the cookie should be short.
        let (algorithm, minimal) = match (member("kty"), member("crv")) {
            ("EC", "P-256") => (
                Algorithm::ES256,
                json!({"crv": "P-256", "kty": "EC", "x": member("x"), "y": member("y")}),
            ),
            ("RSA", _) => {
                if member("e") != RSA_EXPONENT {
                    return Err("has an RSA exponent other than 65537".to_owned());
                }
                if URL_SAFE_NO_PAD
                    .decode(member("n"))
                    .is_ok_and(|modulus| modulus.len() > MAX_MODULUS_BYTES)
                {
                    return Err("is an RSA key of more than 4096 bits".to_owned());
                }
                (
                    Algorithm::RS256,
                    json!({"e": member("e"), "kty": "RSA", "n": member("n")}),
                )
            }
            _ => return Err("is neither P-256 nor RSA".to_owned()),
        };
        Ok(DeviceKey {
            jwk: minimal,
            algorithm,
            key,
        })
    }

    /// The claims of `token`, if it is signed with this key.
    ///
    /// # Errors
    /// See [`DeviceKeyError`]; not [`DeviceKeyError::Key`].
    pub fn verify(&self, token: &str) -> Result<Map<String, Value>, DeviceKeyError> {
        self.claims_of(&UnverifiedToken::parse(token, &[TOKEN_TYPE], &[self.algorithm])?)
    }

    fn claims_of(&self, token: &UnverifiedToken<'_>) -> Result<Map<String, Value>, DeviceKeyError> {
        if token.header("typ").is_none() {
            return Err(DeviceKeyError::NoType);
        }
        if token.algorithm() != self.algorithm {
            return Err(DeviceKeyError::Algorithm);
        }
        Ok(token.verify_with(&self.key)?.clone())
    }

    /// The public key as a JWK, with its required members only.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// The thumbprint (RFC 7638) with SHA-256, as base64url.
    pub fn thumbprint(&self) -> String {
        // The members are in the order that the RFC requires, since `serde_json` sorts those of an object by name.
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.jwk.to_string()))
    }
}
