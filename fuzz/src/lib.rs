//! Common parts of the fuzz targets: keys, sealed values, and signed JWTs, which the targets alter.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff_core::cookie::name_prefixes::{CookieNames, NamePrefixes};
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Content, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_service::jose::jwks::KeySet;
use bff_service::jose::signing_key::SigningKey;

/// The time of all events, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
/// The cookie key that seals, as 64 hexadecimal digits.
pub const KEY: &str = "8f3a1c5e7b9d02468ace13579bdf0246fedcba98765432100f1e2d3c4b5a6978";
/// A secret that must be in no error message.
pub const SECRET: &str = "pL4nt3d-s3cr3t-0123456789";

/// An HTTP response of the authorization server, and the access token that it is about. The lines of `data` are: a byte that
/// chooses the status, `Content-Type`, `Cache-Control`, the body, the token, which may be missing.
pub fn server_response(data: &[u8], statuses: [u16; 8]) -> (u16, ServerResponse, &[u8]) {
    let mut lines = data.splitn(5, |byte| *byte == b'\n');
    let status = match lines.next().and_then(|line| line.first()) {
        None => 0,
        Some(byte) => statuses.get(usize::from(byte % 8)).copied().unwrap_or(200),
    };
    let response = ServerResponse::Http {
        status,
        content_type: lines.next().unwrap_or_default().to_vec(),
        cache_control: vec![lines.next().unwrap_or_default().to_vec()],
        body: lines.next().map(<[u8]>::to_vec),
    };
    (status, response, lines.next().unwrap_or(b"opaque"))
}

/// Cookie names without prefixes: `cookie_hardening` is `none`.
pub fn names() -> CookieNames {
    CookieNames::new("example", NamePrefixes::None, false, false).expect("names")
}

/// A sealer, with `accept_v1` as in the configuration.
pub fn sealer(accept_v1: bool) -> Sealer {
    Sealer::new(KeyRing::parse(KEY, false).expect("a ring").0, "example", accept_v1)
}

/// A value sealed for this purpose.
pub fn seal(purpose: Purpose, value: &[u8]) -> String {
    let content = Content {
        value,
        session: SessionId([7; 32]),
        began_at: NOW,
        expires_at: NOW + 300,
    };
    sealer(false).seal(purpose, &content, [3; 24]).expect("sealed")
}

/// The key with which the authorization server signs.
pub static SIGNER: LazyLock<SigningKey> = LazyLock::new(|| {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let der = pair.to_pkcs8v1().expect("encoded");
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    SigningKey::from_pem(pem.as_bytes()).expect("a signing key")
});

/// The authorization server's public keys.
pub static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let set = serde_json::json!({"keys": [SIGNER.public()]});
    KeySet::parse(set.to_string().as_bytes()).expect("a key set")
});

/// A JWT with these claims, signed by the authorization server.
pub fn sign(claims: &serde_json::Value) -> String {
    SIGNER
        .sign("JWT", SIGNER.best().expect("an algorithm"), claims)
        .expect("signed")
}

/// Encodes bytes as base64url.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
