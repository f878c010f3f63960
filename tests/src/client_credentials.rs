//! The credentials of a client of the authorization server, made for a test: keys, certificates, and the settings of
//! the service and of that server.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use demo_system::{Component, Options, Ports};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use serde_json::json;

/// Writes a file into the system's folder, which is created if it is missing.
fn write(options: &Options, name: &str, content: &str) -> PathBuf {
    std::fs::create_dir_all(&options.directory).expect("the folder");
    let path = options.directory.join(name);
    std::fs::write(&path, content).expect("written");
    path
}

/// Sets an environment variable of one component.
pub fn set(options: &mut Options, component: Component, name: &str, value: impl AsRef<Path>) {
    let value = value.as_ref().to_str().expect("text").to_owned();
    options.environment.push((component, name.to_owned(), value));
}

/// Gives the client a signing key, whose public key the authorization server fetches from the service.
pub fn with_signing_key(options: &mut Options, algorithm: &'static SignatureAlgorithm) {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let path = write(options, "client-key.pem", &key.serialize_pem());
    set(options, Component::Bff, "BFF_CLIENT__SIGNING_KEY_FILES", path);
    let jwks_uri = format!("http://127.0.0.1:{}/bff/jwks", options.ports.bff);
    set(options, Component::AuthorizationServer, "CLIENT_JWKS_URI", jwks_uri);
}

/// Gives the client a key to which its access tokens are bound.
pub fn with_dpop_key(options: &mut Options) {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let path = write(options, "dpop-key.pem", &key.serialize_pem());
    set(options, Component::Bff, "BFF_CLIENT__DPOP_KEY_FILE", path);
    set(options, Component::AuthorizationServer, "CLIENT_REQUIRE_DPOP", "true");
}

/// Gives the client a certificate, issued by an authority that the server trusts, or self-signed.
pub fn with_certificate(options: &mut Options, by_authority: bool) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "spa-client");
    let server = Component::AuthorizationServer;
    let certificate = if by_authority {
        let (authority_key, mut authority) = (KeyPair::generate().expect("a key"), CertificateParams::default());
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority
            .distinguished_name
            .push(DnType::CommonName, "authority of the clients");
        let authority_certificate = authority.self_signed(&authority_key).expect("signed");
        let path = write(options, "clients-ca.pem", &authority_certificate.pem());
        set(options, server, "MTLS_CA_FILE", path);
        set(options, server, "CLIENT_TLS_SUBJECT_DN", "CN=spa-client");
        params
            .signed_by(&key, &Issuer::new(authority, authority_key))
            .expect("signed")
    } else {
        params.self_signed(&key).expect("signed")
    };
    let (certificate_path, key_path) = (
        write(options, "client.pem", &certificate.pem()),
        write(options, "client-certificate-key.pem", &key.serialize_pem()),
    );
    set(
        options,
        Component::Bff,
        "BFF_CLIENT__CERTIFICATE_FILE",
        certificate_path,
    );
    set(options, Component::Bff, "BFF_CLIENT__CERTIFICATE_KEY_FILE", key_path);
    if !by_authority {
        let mut jwk = public_jwk(&key);
        jwk["x5c"] = json!([STANDARD.encode(certificate.der())]);
        let jwks = json!({"keys": [jwk]});
        let path = write(options, "client-jwks.json", &jwks.to_string());
        set(options, server, "CLIENT_JWKS_FILE", path);
    }
    // The server's listener for client certificates uses the server certificate of the whole system.
    let port = Ports::free().public;
    set(options, server, "MTLS_PORT", port.to_string());
    set(
        options,
        server,
        "MTLS_ORIGIN",
        format!("https://login.{}:{port}", options.domain),
    );
    set(options, server, "MTLS_CERT_FILE", options.directory.join("server.pem"));
    set(options, server, "MTLS_KEY_FILE", options.directory.join("server.key"));
}

/// Configures the server to expect a key other than the client's.
pub fn with_wrong_jwks(options: &mut Options) {
    let key = KeyPair::generate().expect("a key");
    let jwks = json!({"keys": [public_jwk(&key)]});
    let path = write(options, "another-jwks.json", &jwks.to_string());
    set(options, Component::AuthorizationServer, "CLIENT_JWKS_URI", "");
    set(options, Component::AuthorizationServer, "CLIENT_JWKS_FILE", path);
}

/// Gives the client a self-signed certificate with the name that the server expects.
pub fn with_certificate_of_another(options: &Options) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "spa-client");
    let certificate = params.self_signed(&key).expect("signed");
    write(options, "client.pem", &certificate.pem());
    write(options, "client-certificate-key.pem", &key.serialize_pem());
}

fn public_jwk(key: &KeyPair) -> serde_json::Value {
    let point = key.public_key_raw();
    let (x, y) = point[1..].split_at(32);
    json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

/// `private_key_jwt`, pushed and signed requests, signed responses, access tokens bound to a key.
pub fn with_everything(options: &mut Options) {
    with_signing_key(options, &rcgen::PKCS_RSA_SHA256);
    with_dpop_key(options);
    set(
        options,
        Component::AuthorizationServer,
        "CLIENT_AUTHENTICATION",
        "private_key_jwt",
    );
    set(options, Component::AuthorizationServer, "CLIENT_REQUIRE_PAR", "true");
    set(
        options,
        Component::AuthorizationServer,
        "CLIENT_REQUIRE_SIGNED_REQUEST",
        "true",
    );
    set(
        options,
        Component::Bff,
        "BFF_CLIENT__PUSHED_AUTHORIZATION_REQUESTS",
        "true",
    );
    set(options, Component::Bff, "BFF_CLIENT__SIGNED_REQUEST_OBJECTS", "true");
    set(options, Component::Bff, "BFF_CLIENT__RESPONSE_MODE", "jwt");
}

/// The administrator's token at the authorization server.
pub const ADMIN_TOKEN: &str = "administers-the-users-of-the-tests";

/// Allows the test to end sessions at the authorization server.
pub fn with_administration(options: &mut Options) {
    let path = write(options, "admin-token", ADMIN_TOKEN);
    set(options, Component::AuthorizationServer, "ADMIN_TOKEN_FILE", path);
}
