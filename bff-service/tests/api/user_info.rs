//! `/userInfo` and `/claims`.

use bff_core::cookie::purpose::Purpose;
use serde_json::json;

use crate::support::app::{ID, Setup, TestApp};
use crate::support::authorization_server::Misbehaviour;
use crate::support::forgery::{Forgery, now, open};

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
        .misbehave("userinfo", Misbehaviour::Respond(401, "{}".to_owned()));
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
fn user_info_about_somebody_else_is_not_passed_on_where_the_id_token_is_missing_expired_or_of_another_session() {
    let app = TestApp::start_with(FROM_ENDPOINT);
    let (signed_in, other) = (app.browser().sign_in_as("mallory"), app.signed_in());
    let expired = Forgery {
        expires_at: now() - 1,
        ..Forgery::of(&open(Purpose::IdToken, signed_in.cookie(ID)))
    };
    let values = [
        None,
        Some(expired.seal(Purpose::IdToken)),
        Some(other.cookie(ID).to_owned()),
    ];
    for value in values {
        let mut browser = signed_in.clone();
        match &value {
            Some(value) => browser.replace_cookie(ID, value),
            None => browser.remove_cookie(ID),
        }
        let response = browser.get("/userInfo");
        assert_eq!(response.outcome(), "502 authorization_server_error", "{value:?}");
        assert!(!response.body.contains("Alice"));
    }
    let mut alice = other;
    alice.remove_cookie(ID);
    assert_eq!(
        alice.get("/userInfo").json()["sub"],
        "alice",
        "the session knows who signed in"
    );
}

#[test]
fn a_userinfo_endpoint_that_fails_is_told_by_the_error_table() {
    let app = TestApp::start_with(FROM_ENDPOINT);
    let mut browser = app.signed_in();
    let respond = |status, body: &str| Misbehaviour::Respond(status, body.to_owned());
    for (misbehaviour, expected) in [
        (respond(403, "{}"), "400 authorization_error"),
        (respond(500, "{}"), "502 authorization_server_error"),
        (respond(200, "<html>"), "502 authorization_server_error"),
        (respond(200, "[]"), "502 authorization_server_error"),
        (respond(200, "{}"), "502 authorization_server_error"),
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
