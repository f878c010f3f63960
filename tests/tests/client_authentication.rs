//! The real authorization server rejects a client that presents another secret, key or certificate than the registered
//! one, for each kind of client authentication, and the service reports that without disclosing any detail.

use bff_tests::client_credentials::{
    set, with_certificate, with_certificate_of_another, with_signing_key, with_wrong_jwks,
};
use bff_tests::setup::start;
use bff_tests::user_agent::UserAgent;
use demo_system::{Component, Options};
use serde_json::json;

const SERVER: Component = Component::AuthorizationServer;
const BFF: Component = Component::Bff;

fn assert_refused(what: &str, change: impl FnOnce(&mut Options)) {
    let test = start(change);
    let mut user = UserAgent::new(&test.system);
    let page_url = user.go_through_login();
    let end = user
        .bff_request("POST", "/bff/login/end")
        .json(&json!({ "pageUrl": page_url }));
    let response = user.send(&end);
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "authorization_server_error"),
        "{what}"
    );
    let log = |component| std::fs::read_to_string(test.system.log(component)).expect("the log");
    assert!(!log(SERVER).contains("tokens_issued"), "{what}: {}", log(SERVER));
    assert!(log(BFF).contains("`invalid_client`"), "{what}: {}", log(BFF));
}

fn with_wrong_secret(options: &mut Options) {
    std::fs::create_dir_all(&options.directory).expect("the folder");
    let file = options.directory.join("another-secret");
    std::fs::write(&file, "another-secret-of-enough-length-0123456789").expect("written");
    set(options, BFF, "BFF_CLIENT_SECRET_FILE", file);
}

#[test]
fn another_secret_is_refused_as_header_and_as_parameter() {
    for method in ["client_secret_basic", "client_secret_post"] {
        assert_refused(method, |options| {
            with_wrong_secret(options);
            set(options, SERVER, "CLIENT_AUTHENTICATION", method);
            set(options, BFF, "BFF_CLIENT__AUTHENTICATION", method);
        });
    }
}

#[test]
fn another_key_is_refused() {
    assert_refused("private_key_jwt", |options| {
        with_signing_key(options, &rcgen::PKCS_ECDSA_P256_SHA256);
        with_wrong_jwks(options);
        set(options, SERVER, "CLIENT_AUTHENTICATION", "private_key_jwt");
    });
}

#[test]
fn another_certificate_is_refused_of_the_same_name_and_self_signed() {
    for (method, by_authority) in [("tls_client_auth", true), ("self_signed_tls_client_auth", false)] {
        assert_refused(method, |options| {
            with_certificate(options, by_authority);
            with_certificate_of_another(options);
            set(options, SERVER, "CLIENT_AUTHENTICATION", method);
            set(options, BFF, "BFF_CLIENT__AUTHENTICATION", method);
        });
    }
}
