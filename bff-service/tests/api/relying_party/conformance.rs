//! Those of the OpenID Foundation's relying-party tests that are not of one subject: the honest ones, and a refresh that lies.

use serde_json::{Value, json};

use super::signer::{Signer, jwks};
use super::{app_that_follows_rotations, assert_accepted, assert_refused, be_honest};
use crate::support::app::{Setup, TestApp};
use crate::support::authorization_server::{KEY_ID, Misbehaviour};

#[test]
fn oidcc_client_test() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    assert_eq!(browser.get("/session").json()["claims"]["sub"], "alice");
    assert_eq!(browser.get("/userInfo").json()["sub"], "alice");
}

#[test]
fn oidcc_client_test_discovery_openid_config() {
    // All that the service knows is the issuer.
    let app = TestApp::start();
    app.signed_in();
    let requests = |endpoint| app.authorization_server.requests(endpoint);
    assert!(requests("metadata") > 0 && requests("jwks") > 0);
    assert_eq!(requests("token"), 1);
}

#[test]
fn oidcc_client_test_idtoken_sig_rs256() {
    let app = app_that_follows_rotations();
    let signer = Signer::rsa("rsa");
    let keys = jwks([&signer]);
    assert_accepted(&app, "RS256", move |state| {
        state.jwks = Some(keys);
        state.id_token_maker = Some(Box::new(move |claims| {
            signer.sign_with_header(&json!({"alg": "RS256", "kid": "rsa"}), claims)
        }));
    });
}

#[test]
fn oidcc_client_test_refresh_token() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().rotations, 2);
}

/// A refresh whose ID token has these claims gives nobody anything, and ends the session, whose tokens are revoked.
fn assert_refresh_refused(changes: Value) {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.state().claims = changes.as_object().unwrap().clone();
    let response = browser.post("/refresh");
    assert_eq!(response.outcome(), "401 session_expired", "{changes}");
    be_honest(&app.authorization_server);
    assert_eq!(browser.get("/session").json()["isLoggedIn"], false, "{changes}");
    app.signed_in();
}

#[test]
fn oidcc_client_test_refresh_token_invalid_issuer() {
    assert_refresh_refused(json!({"iss": "https://other.example.test"}));
}

#[test]
fn oidcc_client_test_refresh_token_invalid_sub() {
    assert_refresh_refused(json!({"sub": "mallory"}));
}

#[test]
fn a_refresh_with_the_time_of_another_login_is_refused() {
    assert_refresh_refused(json!({"auth_time": 1_000_000}));
}

#[test]
fn a_second_audience_is_refused_unless_it_is_trusted_with_azp_or_without() {
    let several = |app: &TestApp, azp: Value| {
        let changes = json!({"aud": ["project", "spa-client"], "azp": azp});
        let what = changes.to_string();
        assert_accepted(app, &what, move |state| {
            state.claims = changes.as_object().unwrap().clone()
        });
    };
    let trusting = TestApp::start_with(Setup {
        client: "trusted_audiences = ['project']",
        ..Setup::default()
    });
    several(&trusting, json!(null));
    several(&trusting, json!("spa-client"));
    super::assert_claims_refused(&TestApp::start(), json!({"aud": ["project", "spa-client"]}));
}

#[test]
fn an_id_token_whose_alg_is_null_or_another_than_registered_is_refused() {
    let app = TestApp::start();
    for alg in [json!(null), json!("PS384"), json!("ES384"), json!(1), json!(["ES256"])] {
        let server = app.authorization_server.clone();
        assert_refused(&app, &alg.to_string(), "400 invalid_request", |state| {
            state.id_token_maker = Some(Box::new(move |claims| {
                server.sign(&json!({"alg": alg, "typ": "JWT", "kid": KEY_ID}), claims)
            }));
        });
    }
}

#[test]
fn oidcc_client_test_userinfo_signed() {
    let app = TestApp::start_with(Setup {
        top: "userinfo_source = 'userinfo_endpoint'",
        ..Setup::default()
    });
    let server = &app.authorization_server;
    let mut browser = app.signed_in();
    let mut respond_with = |claims: Value| {
        let token = server.sign(&json!({"alg": "ES256", "kid": KEY_ID}), &claims);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\ncontent-length: {}",
            token.len()
        );
        let response = format!("{head}\r\nconnection: close\r\n\r\n{token}");
        server.misbehave("userinfo", Misbehaviour::Raw(response.into_bytes()));
        browser.get("/userInfo")
    };
    let issuer = server.issuer();
    let claims = json!({"iss": issuer, "aud": "spa-client", "sub": "alice", "email": "alice@example.test"});
    assert_eq!(respond_with(claims.clone()).json(), claims);
    for changes in [
        json!({"iss": issuer, "aud": "another", "sub": "alice"}),
        json!({"iss": "https://other.example.test", "aud": "spa-client", "sub": "alice"}),
        json!({"sub": "alice"}),
        json!({"iss": issuer, "aud": "spa-client", "sub": "mallory"}),
    ] {
        assert_eq!(
            respond_with(changes.clone()).outcome(),
            "502 authorization_server_error",
            "{changes}"
        );
    }
}
