//! `/userInfo` and `/claims`.

use serde_json::json;

use crate::support::app::{Setup, TestApp};
use crate::support::authorization_server::Misbehaviour;

const FROM_ENDPOINT: Setup<'static> = Setup {
    server: "",
    top: "userinfo_source = 'userinfo_endpoint'",
    session: "",
    client: "",
    authorization_server: "",
    more_keys: "",
    more: "",
};

#[test]
fn user_info_and_claims_are_those_of_the_id_token() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for endpoint in ["/userInfo", "/claims"] {
        let response = browser.get(endpoint);
        assert_eq!(response.status, 200);
        assert_eq!(response.json()["sub"], "alice");
        assert_eq!(response.json()["name"], "Alice of the ID token");
        assert!(response.set_cookies().is_empty());
    }
    assert_eq!(app.authorization_server.requests("userinfo"), 0);
}

#[test]
fn user_info_can_come_from_the_userinfo_endpoint() {
    let app = TestApp::start_with(FROM_ENDPOINT);
    let mut browser = app.signed_in();
    assert_eq!(
        browser.get("/userInfo").json(),
        json!({"sub": "alice", "name": "Alice of userinfo"})
    );
    assert_eq!(browser.get("/claims").json()["name"], "Alice of the ID token");
}

#[test]
fn an_access_token_that_the_userinfo_endpoint_refuses_has_expired() {
    let app = TestApp::start_with(FROM_ENDPOINT);
    let mut browser = app.signed_in();
    app.authorization_server
        .misbehave("userinfo", Misbehaviour::Answer(401, "{}".to_owned()));
    let response = browser.get("/userInfo");
    assert_eq!(response.outcome(), "401 token_expired");
    assert!(response.set_cookies().is_empty());
    app.authorization_server.behave();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.get("/userInfo").status, 200);
}

#[test]
fn user_info_about_somebody_else_is_not_passed_on() {
    let app = TestApp::start_with(FROM_ENDPOINT);
    let mut browser = app.browser().sign_in_as("mallory");
    let response = browser.get("/userInfo");
    assert_eq!(response.outcome(), "502 authorization_server_error");
    assert!(!response.body.contains("Alice"));
}

#[test]
fn a_userinfo_endpoint_that_fails_is_told_by_the_error_table() {
    let app = TestApp::start_with(FROM_ENDPOINT);
    let mut browser = app.signed_in();
    let answer = |status, body: &str| Misbehaviour::Answer(status, body.to_owned());
    for (misbehaviour, expected) in [
        (answer(403, "{}"), "400 authorization_error"),
        (answer(500, "{}"), "502 authorization_server_error"),
        (answer(200, "<html>"), "502 authorization_server_error"),
        (answer(200, "[]"), "502 authorization_server_error"),
        (answer(200, "{}"), "502 authorization_server_error"),
        (Misbehaviour::Close, "502 authorization_server_error"),
        (Misbehaviour::Truncate, "502 authorization_server_error"),
        (Misbehaviour::Hang, "502 authorization_server_error"),
    ] {
        app.authorization_server.misbehave("userinfo", misbehaviour);
        assert_eq!(browser.get("/userInfo").outcome(), expected);
        app.authorization_server.behave();
    }
    assert_eq!(browser.get("/userInfo").status, 200);
}
