//! The server's keys: rotated, removed, published twice, of the wrong kind.

use serde_json::{Value, json};

use super::signer::{Signer, jwks};
use super::{app_that_follows_rotations, assert_accepted, assert_refused};
use crate::support::app::TestApp;
use crate::support::authorization_server::State;

/// Publishes these keys, and signs with that one.
fn publishing(keys: Value, signer: Signer) -> impl FnOnce(&mut State) {
    move |state| {
        state.jwks = Some(keys);
        state.id_token_maker = Some(Box::new(move |claims| signer.sign(claims)));
    }
}

#[test]
fn oidcc_client_test_kid_absent_single_jwks() {
    let app = app_that_follows_rotations();
    let signer = Signer::es256(None);
    assert_accepted(&app, "one key", publishing(jwks([&signer]), signer));
}

#[test]
fn oidcc_client_test_kid_absent_multiple_jwks() {
    let app = app_that_follows_rotations();
    // Only one of them verifies the signature.
    let (signer, other) = (Signer::es256(None), Signer::es256("2"));
    let keys = jwks([&other, &signer]);
    assert_accepted(&app, "one of several fits", publishing(keys, signer));
    // None of them does.
    let (one, two, signer) = (Signer::es256("1"), Signer::es256("2"), Signer::es256(None));
    let keys = jwks([&one, &two]);
    assert_refused(
        &app,
        "none of several fits",
        "400 invalid_request",
        publishing(keys, signer),
    );
}

#[test]
fn oidcc_client_test_signing_key_rotation() {
    let app = app_that_follows_rotations();
    app.signed_in();
    // Between two logins.
    let signer = Signer::es256("new");
    assert_accepted(&app, "rotated", publishing(jwks([&signer]), signer));
}

#[test]
fn oidcc_client_test_signing_key_rotation_just_before_signing() {
    // Just before signing: the service has the keys of before.
    let app = app_that_follows_rotations();
    let before = app.authorization_server.requests("jwks");
    let (old, signer) = (Signer::rsa("old"), Signer::rsa("new"));
    let keys = jwks([&old, &signer]);
    assert_accepted(&app, "rotated just now", publishing(keys, signer));
    assert!(
        app.authorization_server.requests("jwks") > before,
        "they were fetched again"
    );
}

#[test]
fn rp_id_token_signing_with_each_kind_of_key() {
    let app = app_that_follows_rotations();
    for signer in [Signer::rsa("rsa"), Signer::es256("ec"), Signer::ed25519("ed")] {
        assert_accepted(&app, "a kind of key", publishing(jwks([&signer]), signer));
    }
}

#[test]
fn rp_key_removed() {
    let app = app_that_follows_rotations();
    let (other, signer) = (Signer::es256("other"), Signer::es256("removed"));
    let keys = jwks([&other]);
    assert_refused(&app, "removed", "400 invalid_request", publishing(keys, signer));
}

#[test]
fn rp_key_published_twice() {
    let app = app_that_follows_rotations();
    let signer = Signer::es256("1");
    let keys = jwks([&signer, &signer]);
    assert_accepted(&app, "the same key twice", publishing(keys, signer));
    // Two keys of one id: the right one verifies.
    let (other, signer) = (Signer::es256("1"), Signer::es256("1"));
    let keys = jwks([&other, &signer]);
    assert_accepted(&app, "two keys of one id", publishing(keys, signer));
}

#[test]
fn rp_key_of_the_wrong_kind_under_the_right_id() {
    let app = app_that_follows_rotations();
    let (wrong, signer) = (Signer::rsa("1"), Signer::es256("1"));
    let keys = jwks([&wrong]);
    assert_refused(&app, "RSA for ES256", "400 invalid_request", publishing(keys, signer));
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("ES384")),
        ("key_ops", json!(["sign"])),
    ] {
        let (signer, other) = (Signer::es256("1"), Signer::es256("2"));
        let mut keys = jwks([&signer, &other]);
        keys["keys"][0][name] = value;
        assert_refused(&app, name, "400 invalid_request", publishing(keys, signer));
    }
}

#[test]
fn rp_discovery_jwks_uri_keys() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
    ] {
        let app = TestApp::start();
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        // The cached keys are sufficient for this login, so the service is made to look for new ones.
        let signer = Signer::es256("unknown");
        app.authorization_server.state().id_token_maker = Some(Box::new(move |claims| signer.sign(claims)));
        app.authorization_server.misbehave(
            "jwks",
            crate::support::authorization_server::Misbehaviour::Respond(200, body.to_owned()),
        );
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.outcome(), "502 authorization_server_error", "{body}");
    }
}
