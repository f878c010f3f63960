//! This client's private keys: what it signs with, and what it publishes of them.

use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use zeroize::Zeroizing;

use super::error::OAuthError;

/// RFC 7518 section 3.3.
const LEAST_RSA_BYTES: usize = 2048 / 8;

/// A private key, and its public half as it is published.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    /// What it can sign with, the best first.
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
    /// Reads a PEM file. The error ends a sentence that begins with the field's name.
    pub fn from_file(path: &Path) -> Result<SigningKey, String> {
        let shown = path.display();
        let pem = std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
        SigningKey::from_pem(&pem).map_err(|what| format!("the file {shown} {what}"))
    }

    /// Reads a private key in PEM: PKCS#8, or PKCS#1 for RSA.
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, &'static str> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
        let candidates = [
            (EncodingKey::from_ec_pem(pem), &[ES256][..]),
            (EncodingKey::from_ec_pem(pem), &[ES384]),
            (ed25519(pem), &[EdDSA]),
            (EncodingKey::from_rsa_pem(pem), &[PS256, RS256]),
        ];
        for (key, algorithms) in candidates {
            let (Ok(key), Some(first)) = (key, algorithms.first()) else {
                continue;
            };
            // The curve shows only here.
            let Ok(mut jwk) = Jwk::from_encoding_key(&key, *first) else {
                continue;
            };
            if let jsonwebtoken::jwk::AlgorithmParameters::RSA(rsa) = &jwk.algorithm
                && rsa.n.len() * 3 / 4 < LEAST_RSA_BYTES
            {
                return Err("holds an RSA key of less than 2048 bits");
            }
            let id = jwk
                .thumbprint(ThumbprintHash::SHA256)
                .map_err(|_| "holds a key without a thumbprint")?;
            // An RSA key may be used with either of its algorithms.
            jwk.common.key_algorithm = match algorithms {
                [one] => Some((*one).into()),
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
        Err("holds no private key in PEM that can be used: PKCS#8 with RSA, P-256, P-384 or Ed25519")
    }

    /// Its key id: the thumbprint of its public half, RFC 7638.
    pub fn id(&self) -> &str {
        self.jwk.common.key_id.as_deref().unwrap_or_default()
    }

    /// Its public half, RFC 7517.
    pub fn public(&self) -> &Jwk {
        &self.jwk
    }

    /// Whether it can sign with this.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The best that it can sign with among those that the server published; the most common one where the server
    /// published none.
    pub fn choose(&self, published: Option<&[String]>) -> Option<Algorithm> {
        match published {
            None => self.algorithms.last().copied(),
            Some(names) => self
                .algorithms
                .iter()
                .find(|algorithm| names.iter().any(|name| name == &format!("{algorithm:?}")))
                .copied(),
        }
    }

    /// A JWT of this `typ`, with the key's id in its header.
    pub fn sign(&self, typ: &str, algorithm: Algorithm, claims: &impl Serialize) -> Result<String, OAuthError> {
        let mut header = Header::new(algorithm);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.id().to_owned());
        self.encode(&header, claims)
    }

    /// A JWT of this `typ` with the public key itself in its header, as a DPoP proof has it (RFC 9449 section 4.2).
    pub fn sign_with_public_key(&self, typ: &str, claims: &impl Serialize) -> Result<String, OAuthError> {
        let algorithm = self.algorithms.first().copied().unwrap_or(Algorithm::ES256);
        let mut header = Header::new(algorithm);
        header.typ = Some(typ.to_owned());
        let mut jwk = self.jwk.clone();
        jwk.common = Default::default();
        header.jwk = Some(jwk);
        self.encode(&header, claims)
    }

    fn encode(&self, header: &Header, claims: &impl Serialize) -> Result<String, OAuthError> {
        jsonwebtoken::encode(header, claims, &self.key)
            .map_err(|error| OAuthError::Internal(format!("a JWT cannot be signed: {error}")))
    }
}

/// Both forms of PKCS#8 occur, with and without the public half; jsonwebtoken takes the shorter.
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
            (&rcgen::PKCS_ED25519, Algorithm::EdDSA),
            (&rcgen::PKCS_RSA_SHA256, Algorithm::PS256),
        ] {
            let key = SigningKey::from_pem(pem(algorithm).as_bytes()).unwrap();
            assert!(key.supports(expected), "{expected:?}");
            let token = key.sign("JWT", expected, &serde_json::json!({"a": 1})).unwrap();
            let verifier = jsonwebtoken::DecodingKey::from_jwk(key.public()).unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let good = jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &verifier, expected);
            assert_eq!(good.ok(), Some(true), "{expected:?}");
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
        assert_eq!(key.choose(Some(&names(&["RS256", "PS256"]))), Some(Algorithm::PS256));
        assert_eq!(key.choose(Some(&names(&["RS256"]))), Some(Algorithm::RS256));
        assert_eq!(key.choose(Some(&names(&["ES256"]))), None);
        assert_eq!(key.choose(None), Some(Algorithm::RS256));
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let certificate = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        for text in ["", "hello", &certificate.cert.pem()] {
            assert!(SigningKey::from_pem(text.as_bytes()).is_err(), "{text}");
        }
    }
}
