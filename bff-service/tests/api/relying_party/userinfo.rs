//! The userinfo endpoint as the source of the user's claims.

use serde_json::{Value, json};

use crate::support::app::{Setup, TestApp};
use crate::support::authorization_server::Misbehaviour;

fn app() -> TestApp {
    TestApp::start_with(Setup {
        top: "userinfo_source = 'userinfo_endpoint'",
        ..Setup::default()
    })
}

fn outcome_of(app: &TestApp, status: u16, body: &str) -> String {
    app.authorization_server
        .misbehave("userinfo", Misbehaviour::Respond(status, body.to_owned()));
    let outcome = app.signed_in().get("/userInfo").outcome();
    app.authorization_server.behave();
    outcome
}

#[test]
fn oidcc_client_test_userinfo_invalid_sub() {
    let app = app();
    for claims in [
        json!({"sub": "mallory"}),
        json!({"sub": "ALICE"}),
        json!({"sub": ""}),
        json!({"name": "Alice"}),
        json!({"sub": ["alice"]}),
    ] {
        assert_eq!(
            outcome_of(&app, 200, &claims.to_string()),
            "502 authorization_server_error",
            "{claims}"
        );
    }
}

#[test]
fn rp_userinfo_bearer_header() {
    let app = app();
    let mut browser = app.signed_in();
    assert_eq!(browser.get("/userInfo").status, 200);
    let headers = app.authorization_server.state().last_headers["userinfo"].clone();
    assert!(headers["authorization"].starts_with("Bearer access-token-"));
}

#[test]
fn rp_userinfo_that_is_no_json_object() {
    let app = app();
    for body in [
        "",
        "<html>",
        "[]",
        "null",
        "\"alice\"",
        "{\"sub\":\"alice\"",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        assert_eq!(outcome_of(&app, 200, body), "502 authorization_server_error", "{body}");
    }
}

#[test]
fn rp_userinfo_refused_or_failing() {
    let app = app();
    for (status, outcome) in [
        (401, "401 token_expired"),
        (403, "400 authorization_error"),
        (429, "503 authorization_server_error"),
        (500, "502 authorization_server_error"),
        (503, "503 authorization_server_error"),
        (302, "502 authorization_server_error"),
    ] {
        assert_eq!(outcome_of(&app, status, "{}"), outcome, "{status}");
    }
}

#[test]
fn oidcc_client_test_scope_userinfo_claims() {
    let app = app();
    let claims = json!({"sub": "alice", "email": "alice@example.test", "further": {"a": [1]}});
    app.authorization_server
        .misbehave("userinfo", Misbehaviour::Respond(200, claims.to_string()));
    let response: Value = app.signed_in().get("/userInfo").json();
    assert_eq!(response, claims);
}
