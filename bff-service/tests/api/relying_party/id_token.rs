//! Claims of ID tokens that are wrong or missing.

use serde_json::json;

use super::{assert_claims_refused, assert_refused, now};
use crate::support::app::TestApp;

#[test]
fn oidcc_client_test_nonce_invalid() {
    let app = TestApp::start();
    for nonce in [json!("another"), json!(""), json!(null), json!(1), json!(["n"])] {
        assert_claims_refused(&app, json!({ "nonce": nonce }));
    }
}

#[test]
fn oidcc_client_test_invalid_iss() {
    let app = TestApp::start();
    let issuer = app.authorization_server.issuer();
    for iss in [
        json!("https://other.example.test"),
        json!(format!("{issuer}/")),
        json!(""),
        json!(null),
        json!([issuer]),
    ] {
        assert_claims_refused(&app, json!({ "iss": iss }));
    }
}

#[test]
fn oidcc_client_test_missing_sub() {
    let app = TestApp::start();
    for sub in [json!(null), json!(""), json!(7), json!({"id": "alice"})] {
        assert_claims_refused(&app, json!({ "sub": sub }));
    }
}

#[test]
fn oidcc_client_test_invalid_aud() {
    let app = TestApp::start();
    for aud in [
        json!("another-client"),
        json!(null),
        json!(""),
        json!([]),
        json!(["another-client"]),
        json!(["spa-client", "another-client"]),
        json!([["spa-client"]]),
        json!({"spa-client": true}),
        json!("spa-client another-client"),
    ] {
        assert_claims_refused(&app, json!({ "aud": aud }));
    }
}

#[test]
fn rp_id_token_azp() {
    let app = TestApp::start();
    for azp in [json!("another-client"), json!(""), json!(["spa-client"]), json!(1)] {
        assert_claims_refused(&app, json!({ "azp": azp }));
    }
}

#[test]
fn oidcc_client_test_missing_iat() {
    let app = TestApp::start();
    for iat in [json!(null), json!("now"), json!(now() + 3600), json!([now()])] {
        assert_claims_refused(&app, json!({ "iat": iat }));
    }
}

#[test]
fn rp_id_token_exp() {
    let app = TestApp::start();
    for exp in [
        json!(null),
        json!("never"),
        json!(now() - 3600),
        json!(0),
        json!(-1),
        json!({}),
    ] {
        assert_claims_refused(&app, json!({ "exp": exp }));
    }
}

#[test]
fn rp_id_token_not_before() {
    let app = TestApp::start();
    for nbf in [json!(now() + 3600), json!("later")] {
        assert_claims_refused(&app, json!({ "nbf": nbf }));
    }
}

#[test]
fn rp_id_token_bad_at_hash() {
    let app = TestApp::start();
    for hash in [json!("AAAAAAAAAAAAAAAAAAAAAA"), json!(""), json!(1)] {
        assert_claims_refused(&app, json!({ "at_hash": hash }));
    }
}

#[test]
fn rp_id_token_missing_from_the_token_response() {
    let app = TestApp::start();
    assert_refused(&app, "none", "400 invalid_request", |state| {
        state.token_response.insert("id_token".to_owned(), json!(null));
    });
}
