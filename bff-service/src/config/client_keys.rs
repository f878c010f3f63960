//! The private keys of the client, from the files that the configuration names.

use super::error::FieldError;
use super::sections::{Client, ClientAuthentication, Settings};
use crate::jose::algorithm::NamedAlgorithm;
use crate::jose::signing_key::SigningKey;

/// The client's private keys.
#[derive(Debug, Default)]
pub struct ClientKeys {
    /// For client assertions and request objects: the first key signs, and all are published.
    pub signing: Vec<SigningKey>,
    /// The algorithm of the first key, if configured.
    pub algorithm: Option<NamedAlgorithm>,
    /// For DPoP proofs.
    pub dpop: Option<SigningKey>,
}

/// Reads the keys, and validates `client.resource` and the fields that need a key or a certificate.
pub(super) fn load(settings: &Settings, errors: &mut Vec<FieldError>) -> ClientKeys {
    let client = &settings.client;
    let mut keys = ClientKeys::default();
    for path in &client.signing_key_files {
        match SigningKey::from_file(path) {
            Ok(key) if keys.signing.iter().any(|other| other.id() == key.id()) => {
                errors.push(field_error(
                    "signing_key_files",
                    format!("{} contains a key of another file: remove one of them", path.display()),
                ));
            }
            Ok(key) => keys.signing.push(key),
            Err(what) => errors.push(field_error("signing_key_files", what)),
        }
    }
    if let Some(name) = &client.signing_algorithm {
        keys.algorithm = NamedAlgorithm::of(name);
        let can_sign = |named: NamedAlgorithm| {
            keys.signing
                .first()
                .is_none_or(|key| key.can_sign_with(named.algorithm))
        };
        if !keys.algorithm.is_some_and(can_sign) {
            let what = format!(
                "`{name}` is unsupported, or does not fit the first key in `client.signing_key_files`: write an algorithm \
                 of that key, or remove the field"
            );
            errors.push(field_error("signing_algorithm", what));
        }
    }
    if let Some(path) = &client.dpop_key_file {
        match SigningKey::from_file(path) {
            Ok(key) => keys.dpop = Some(key),
            Err(what) => errors.push(field_error("dpop_key_file", what)),
        }
    }
    check_combinations(client, errors);
    keys
}

/// Rejects combinations that cannot work with any authorization server, and an invalid `client.resource`.
fn check_combinations(client: &Client, errors: &mut Vec<FieldError>) {
    let has_keys = !client.signing_key_files.is_empty();
    if client.authentication == Some(ClientAuthentication::PrivateKeyJwt) && !has_keys {
        let what = "`private_key_jwt` requires a key of the client: name its file in `client.signing_key_files`";
        errors.push(field_error("authentication", what));
    }
    if client.signed_request_objects == Some(true) && !has_keys {
        let what = "signing requires a key of the client: name its file in `client.signing_key_files`";
        errors.push(field_error("signed_request_objects", what));
    }
    if client
        .authentication
        .is_some_and(ClientAuthentication::is_certificate_required)
        && client.certificate_file.is_none()
    {
        let what = "mutual TLS requires a certificate of the client: name its file in `client.certificate_file`";
        errors.push(field_error("authentication", what));
    }
    match (&client.certificate_file, &client.certificate_key_file) {
        (Some(_), None) => errors.push(field_error(
            "certificate_key_file",
            "missing: write the path of the file with the key of the certificate, or remove `client.certificate_file`",
        )),
        (None, Some(_)) => errors.push(field_error(
            "certificate_file",
            "missing: write the path of the file with the certificate, or remove `client.certificate_key_file`",
        )),
        _ => {}
    }
    for resource in &client.resource {
        // RFC 8707, section 2.
        if !url::Url::parse(resource).is_ok_and(|url| url.fragment().is_none()) {
            errors.push(field_error(
                "resource",
                format!("invalid resource `{resource}`: write an absolute URI without a fragment"),
            ));
        }
    }
}

fn field_error(field: &str, what: impl Into<String>) -> FieldError {
    FieldError::new(&format!("client.{field}"), what)
}
