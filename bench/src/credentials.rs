//! The credentials of requests: sealed cookies as the service makes them, tokens, and JWTs with a real signature.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use bff_core::cookie::name_prefixes::{CookieNames, NamePrefixes};
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, NONCE_BYTES, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::encoding::base64url;
use serde_json::{Value, json};

use crate::result::Result;

/// The Origin of the page.
pub(crate) const ORIGIN: &str = "https://www.example.com";
/// The prefix of the cookie names.
pub(crate) const PREFIX: &str = "example";
/// The CSRF value of every session.
pub(crate) const CSRF: &str = "lkz3gFJ4jzCyoLhnQEBmE4v1Hq9dTtVv3g7XgVqXo1w";
const SUBJECT: &str = "8d7f1e2c-0b7a-4e0e-9b47-1f3f0b3e1c55";

/// The keys that the service and the filter share, generated for each run.
pub(crate) struct Deployment {
    pub(crate) key: String,
    sealer: Sealer,
    pub(crate) names: CookieNames,
    /// Seconds since 1970.
    now: u64,
}

/// A session's cookies.
pub(crate) struct Session {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) id_token: String,
    pub(crate) csrf: String,
    /// The proof of the device's key, if the session is bound.
    pub(crate) proof: Option<String>,
}

impl Deployment {
    pub(crate) fn new() -> Result<Self> {
        let key: String = random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let (ring, _) =
            KeyRing::parse(&key, false).map_err(|error| format!("making the cookie keys failed: {error}"))?;
        let names = CookieNames::new(PREFIX, NamePrefixes::Host, false, false)
            .map_err(|error| format!("making the cookie names failed: {error}"))?;
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_err(|error| format!("reading the clock failed: {error}"))?
            .as_secs();
        Ok(Self {
            sealer: Sealer::new(ring, PREFIX, false),
            key,
            names,
            now,
        })
    }

    /// A new session whose access token cookie has a value of about `size` bytes, but of no fewer than 146.
    pub(crate) fn session(&self, size: usize) -> Result<Session> {
        self.session_in(Binding::Unbound, size)
    }

    /// A new session like that, bound to a device.
    pub(crate) fn bound_session(&self, size: usize) -> Result<Session> {
        self.session_in(Binding::Bound, size)
    }

    fn session_in(&self, binding: Binding, size: usize) -> Result<Session> {
        let session = SessionId(random()?);
        let seal = |purpose: Purpose, value: &str| {
            let content = Content {
                value: value.as_bytes(),
                session,
                began_at: self.now,
                expires_at: self.now + 36_000,
            };
            let nonce = random::<NONCE_BYTES>()?;
            let sealed = self.sealer.seal_in(binding, purpose, &content, nonce);
            sealed.map_err(|error| format!("sealing a cookie failed: {error}"))
        };
        let claims = json!({"iss": "https://login.example.com", "sub": "user", "aud": "client", "iat": self.now, "exp": self.now + 36_000});
        let id_token = format!(
            "{}.{}.{}",
            base64url::encode(br#"{"alg":"RS256"}"#),
            base64url::encode(claims.to_string().as_bytes()),
            base64url::encode(&[1; 256])
        );
        let refresh_token =
            json!({"refresh_token": format!("40-{}", token(40)?), "started_at": self.now, "renewed_by": 1});
        Ok(Session {
            access_token: seal(Purpose::AccessToken, &token(token_length(size))?)?,
            refresh_token: seal(Purpose::RefreshToken, &refresh_token.to_string())?,
            id_token: seal(Purpose::IdToken, &id_token)?,
            csrf: seal(Purpose::Csrf, CSRF)?,
            proof: match binding {
                Binding::Bound => Some(seal(Purpose::DeviceBinding, "")?),
                Binding::Unbound | Binding::Provisional => None,
            },
        })
    }

    /// The `Cookie` header of a request to the API. An access token cookie of more than 4,000 bytes has several parts.
    pub(crate) fn api_cookies(&self, session: &Session) -> String {
        let name = self.names.of(Purpose::AccessToken);
        let value = &session.access_token;
        let access_token = match value.len() {
            0..=4000 => format!("{name}={value}"),
            _ => {
                let parts = value.as_bytes().chunks(3900).zip(1..);
                let parts = parts.map(|(part, number)| format!("{name}.{number}={}", String::from_utf8_lossy(part)));
                parts.collect::<Vec<_>>().join("; ")
            }
        };
        let proof = session.proof.as_ref().map_or(String::new(), |proof| {
            format!("; {}={proof}", self.names.of(Purpose::DeviceBinding))
        });
        format!(
            "{access_token}; {}={}{proof}",
            self.names.of(Purpose::Csrf),
            session.csrf
        )
    }
}

/// The length of an access token whose sealed cookie has about this size, both in bytes. It is at least 16.
pub(crate) fn token_length(size: usize) -> usize {
    const SEALED_AROUND_BYTES: usize = 1 + 4 + 24 + 48 + 16;
    (size * 3 / 4).saturating_sub(SEALED_AROUND_BYTES).max(16)
}

/// A random token of this length, in bytes.
pub(crate) fn token(length: usize) -> Result<String> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| format!("generating random bytes failed: {error}"))?;
    let mut text = base64url::encode(&bytes);
    text.truncate(length);
    Ok(text)
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("generating random bytes failed: {error}"))?;
    Ok(bytes)
}

/// The key with which the authorization server signs.
pub(crate) struct SigningKey(KeyPair);

impl SigningKey {
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048);
        key.map(Self)
            .map_err(|_| "generating the signing key failed".to_owned())
    }

    /// The access token that the API gets, as a JWT.
    pub(crate) fn access_token(&self) -> Result<String> {
        self.sign(
            "at+jwt",
            &json!({
                "iss": "https://login.example.com", "aud": "api.example.com", "sub": SUBJECT,
                "scope": "openid profile data", "exp": 4_000_000_000_u64, "client_id": "spa-client",
            }),
        )
    }

    /// An ID token for the client `client`, with the claims of the scopes `profile` and `email`.
    pub(crate) fn id_token(&self, issuer: &str) -> Result<String> {
        self.sign(
            "JWT",
            &json!({
                "iss": issuer, "aud": "client", "sub": SUBJECT, "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64,
                "name": "Ada Example", "preferred_username": "ada", "email": "ada@example.com", "email_verified": true,
            }),
        )
    }

    /// The public key.
    pub(crate) fn jwks(&self) -> Value {
        let public = self.0.public_key();
        let number = |bytes: &[u8]| base64url::encode(bytes);
        json!({"keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        }]})
    }

    fn sign(&self, typ: &str, claims: &Value) -> Result<String> {
        let header = json!({"alg": "RS256", "kid": "1", "typ": typ});
        let encoded = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| "signing a JWT failed".to_owned())?;
        Ok(format!("{signed}.{}", base64url::encode(&signature)))
    }
}
