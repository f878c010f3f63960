//! The client's private keys: signing, and the public keys.

use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, NamedAlgorithm};
use super::error::SigningError;

/// Minimum length of an RSA key, in bytes (RFC 7518, section 3.3).
const MIN_RSA_BYTES: usize = 2048 / 8;

/// A private key with its public key.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    /// The supported algorithms, the best first.
    algorithms: Vec<Algorithm>,
    jwk: Jwk,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or has no usable key. The string is what follows the name of the field.
    pub fn from_file(path: &Path) -> Result<SigningKey, String> {
        let shown = path.display();
        let pem = std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|error| format!("reading {shown} failed: {error}: write the path of a file that can be read"))?;
        SigningKey::from_pem(&pem).map_err(|what| format!("the file {shown} {what}"))
    }

    /// Parses a private key in PEM: PKCS#8, or PKCS#1 for RSA.
    ///
    /// # Errors
    /// There is no usable key. The string is what follows the name of the file.
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, &'static str> {
        use Algorithm::{ES256, ES384, Ed25519, PS256, RS256};
        let candidates = [
            (EncodingKey::from_ec_pem(pem), &[ES256][..]),
            (EncodingKey::from_ec_pem(pem), &[ES384]),
            (ed25519(pem), &[Ed25519]),
            (EncodingKey::from_rsa_pem(pem), &[PS256, RS256]),
        ];
        for (key, algorithms) in candidates {
            let (Ok(key), Some(first)) = (key, algorithms.first()) else {
                continue;
            };
            // Only this call reveals the curve.
            let Ok(mut jwk) = Jwk::from_encoding_key(&key, first.library()) else {
                continue;
            };
            if let jsonwebtoken::jwk::AlgorithmParameters::RSA(rsa) = &jwk.algorithm
                && rsa.n.len() * 3 / 4 < MIN_RSA_BYTES
            {
                return Err("contains an RSA key of less than 2048 bits: write one of 2048 bits or more");
            }
            let id = jwk
                .thumbprint(ThumbprintHash::SHA256)
                .map_err(|_| "contains a key without a thumbprint: write another key")?;
            // An RSA key may be used with any of its algorithms, and the algorithm of Ed25519 has two names (RFC 9864).
            jwk.common.key_algorithm = match algorithms {
                [Ed25519] => None,
                [one] => Some(one.library().into()),
                _ => None,
            };
            jwk.common.key_id = Some(id);
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            return Ok(SigningKey {
                key,
                algorithms: algorithms.to_vec(),
                jwk,
            });
        }
        Err("contains no usable private key: write PKCS#8 in PEM with RSA, P-256, P-384 or Ed25519")
    }

    /// The key id: the thumbprint of the public key (RFC 7638).
    pub fn id(&self) -> &str {
        self.jwk.common.key_id.as_deref().unwrap_or_default()
    }

    /// The public key (RFC 7517).
    pub fn public(&self) -> &Jwk {
        &self.jwk
    }

    /// Whether the key can sign with the algorithm.
    pub fn can_sign_with(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The best supported algorithm that the authorization server published, with the published name. Without a published
    /// list: the most common one.
    pub fn choose(&self, published: Option<&[String]>) -> Option<NamedAlgorithm> {
        match published {
            None => self
                .algorithms
                .last()
                .and_then(|last| NamedAlgorithm::well_known(*last)),
            Some(names) => self
                .algorithms
                .iter()
                .find_map(|algorithm| NamedAlgorithm::among(*algorithm, names)),
        }
    }

    /// The best supported algorithm.
    pub fn best(&self) -> Option<NamedAlgorithm> {
        self.algorithms
            .first()
            .and_then(|first| NamedAlgorithm::well_known(*first))
    }

    /// A JWT with this `typ`, and with the key id in its header.
    ///
    /// # Errors
    /// The claims cannot be serialized, or the key cannot sign with the algorithm.
    pub fn sign(&self, typ: &str, algorithm: NamedAlgorithm, claims: &impl Serialize) -> Result<String, SigningError> {
        let header = json!({"typ": typ, "alg": algorithm.name, "kid": self.id()});
        self.encode(&header, algorithm, claims)
    }

    /// A JWT with this `typ`, and with the public key in its header, like a DPoP proof (RFC 9449, section 4.2).
    ///
    /// # Errors
    /// The claims cannot be serialized, or the key cannot sign with the algorithm.
    pub fn sign_with_public_key(
        &self,
        typ: &str,
        algorithm: NamedAlgorithm,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        let mut jwk = self.jwk.clone();
        jwk.common = Default::default();
        let header = json!({"typ": typ, "alg": algorithm.name, "jwk": jwk});
        self.encode(&header, algorithm, claims)
    }

    /// Encodes the header here, because the library knows only one name of each algorithm.
    fn encode(
        &self,
        header: &Value,
        algorithm: NamedAlgorithm,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        let failed = |what: String| SigningError(what);
        let claims = serde_json::to_vec(claims).map_err(|error| failed(error.to_string()))?;
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, algorithm.algorithm.library())
            .map_err(|error| failed(error.to_string()))?;
        Ok(format!("{signed}.{signature}"))
    }
}

/// PKCS#8 files may or may not contain the public key. `jsonwebtoken` accepts only those without.
fn ed25519(pem: &[u8]) -> jsonwebtoken::errors::Result<EncodingKey> {
    let unusable = || jsonwebtoken::errors::new_error(ErrorKind::InvalidEddsaKey);
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| unusable())?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| unusable())?;
    let short = pair.to_pkcs8v1().map_err(|_| unusable())?;
    Ok(EncodingKey::from_ed_der(short.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
        rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_pem()
    }

    #[test]
    fn each_kind_of_key_is_read_and_signs_what_its_public_half_verifies() {
        for (algorithm, expected) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384),
            (&rcgen::PKCS_ED25519, Algorithm::Ed25519),
            (&rcgen::PKCS_RSA_SHA256, Algorithm::PS256),
        ] {
            let key = SigningKey::from_pem(pem(algorithm).as_bytes()).unwrap();
            assert!(key.can_sign_with(expected), "{expected:?}");
            let named = NamedAlgorithm::well_known(expected).unwrap();
            let token = key.sign("JWT", named, &serde_json::json!({"a": 1})).unwrap();
            let verifier = jsonwebtoken::DecodingKey::from_jwk(key.public()).unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let verified = jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &verifier, expected.library());
            assert_eq!(verified.ok(), Some(true), "{expected:?}");
        }
    }

    #[test]
    fn the_published_half_holds_no_private_part() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let key = SigningKey::from_pem(pem(algorithm).as_bytes()).unwrap();
            let published = serde_json::to_value(key.public()).unwrap();
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(published.get(private).is_none(), "{private}");
            }
            assert_eq!(published["kid"], key.id());
        }
    }

    #[test]
    fn an_rsa_key_signs_with_the_best_that_the_server_published() {
        let key = SigningKey::from_pem(pem(&rcgen::PKCS_RSA_SHA256).as_bytes()).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let chosen = |published: Option<&[String]>| key.choose(published).map(|named| named.algorithm);
        assert_eq!(chosen(Some(&names(&["RS256", "PS256"]))), Some(Algorithm::PS256));
        assert_eq!(chosen(Some(&names(&["RS256"]))), Some(Algorithm::RS256));
        assert_eq!(chosen(Some(&names(&["ES256"]))), None);
        assert_eq!(chosen(None), Some(Algorithm::RS256));
    }

    #[test]
    fn an_ed25519_key_signs_under_the_name_that_the_server_published() {
        let key = SigningKey::from_pem(pem(&rcgen::PKCS_ED25519).as_bytes()).unwrap();
        for (published, expected) in [
            (Some(&["EdDSA"][..]), Some("EdDSA")),
            (Some(&["RS256", "Ed25519"]), Some("Ed25519")),
            (Some(&["EdDSA", "Ed25519"]), Some("Ed25519")),
            (Some(&["ES256"]), None),
            (None, Some("EdDSA")),
        ] {
            let names: Option<Vec<String>> =
                published.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let chosen = key.choose(names.as_deref());
            assert_eq!(chosen.map(|algorithm| algorithm.name), expected, "{published:?}");
            let Some(algorithm) = chosen else { continue };
            let token = key.sign("JWT", algorithm, &json!({"a": 1})).unwrap();
            let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["alg"], algorithm.name);
            let verifier = jsonwebtoken::DecodingKey::from_jwk(key.public()).unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let verified =
                jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &verifier, Algorithm::Ed25519.library());
            assert_eq!(verified.ok(), Some(true), "{algorithm:?}");
        }
    }

    #[test]
    fn a_published_ed25519_key_fits_both_names_of_its_algorithm() {
        let key = SigningKey::from_pem(pem(&rcgen::PKCS_ED25519).as_bytes()).unwrap();
        let published = serde_json::to_value(key.public()).unwrap();
        assert_eq!((&published["crv"], published.get("alg")), (&json!("Ed25519"), None));
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let certificate = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        for pem in ["", "hello", &certificate.cert.pem()] {
            assert!(SigningKey::from_pem(pem.as_bytes()).is_err(), "{pem}");
        }
    }
}
