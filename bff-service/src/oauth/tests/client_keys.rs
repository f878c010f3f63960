//! Files with keys of the client, and the JWTs that it signs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tempfile::TempDir;

/// Header and claims of a JWT, without verification.
pub(super) fn parts(token: &str) -> (Value, Value) {
    let part = |index: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (part(0), part(1))
}

/// Creates a key file. Returns its folder, which must outlive its use, and the line that sets the field `name`.
pub(super) fn key_file(name: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    std::fs::write(&path, key.serialize_pem()).unwrap();
    (folder, format!("{name} = {:?}", path.to_str().unwrap()))
}

/// Like `key_file`, for a field with a list of files.
pub(super) fn key_files() -> (TempDir, String) {
    let (folder, line) = key_file("client.signing_key_files");
    let (name, path) = line.split_once(" = ").unwrap();
    (folder, format!("{name} = [{path}]"))
}
