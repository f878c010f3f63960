//! Tokens that are too long for cookies: no incomplete session begins, and the tokens are revoked.

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::log_capture;

fn too_long() -> String {
    "a".repeat(20_000)
}

/// The token of a login that does not fit.
fn lengthen(app: &TestApp, which: &str) {
    let mut state = app.authorization_server.state();
    match which {
        "access_token" => state.token_response.insert(which.to_owned(), json!(too_long())),
        _ => state.claims.insert("padding".to_owned(), json!(too_long())),
    };
}

#[test]
fn a_token_that_is_too_long_for_cookies_is_an_error_and_no_half_session_and_is_revoked() {
    for which in ["access_token", "id_token"] {
        let app = TestApp::start();
        lengthen(&app, which);
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.outcome(), "500 server_error", "{which}");
        assert!(browser.cookies.is_empty(), "{which}: {:?}", browser.cookie_names());
        app.authorization_server.wait_until("both are revoked", |state| {
            state.live_refresh_tokens().is_empty() && state.revoked.len() == 2
        });
        assert_eq!(app.metric("bff_logins_total"), 0, "{which}");
    }
}

#[test]
fn a_session_there_was_outlives_a_login_whose_tokens_are_too_long() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    lengthen(&app, "access_token");
    let page_url = browser.authorize("alice");
    assert_eq!(browser.load_page(page_url.as_str()).outcome(), "500 server_error");
    app.authorization_server.state().token_response.clear();
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.metric("bff_logins_total"), 1);
}

#[test]
fn a_rotated_refresh_token_that_came_with_one_that_is_too_long_is_revoked_and_the_session_is_over() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    lengthen(&app, "access_token");
    let before = log_capture::lines().len();
    let response = browser.post("/refresh");
    assert_eq!(response.outcome(), "500 server_error");
    assert!(response.set_cookies().is_empty(), "no half of a new session");
    app.authorization_server.wait_until("both are revoked", |state| {
        state.live_refresh_tokens().is_empty() && state.revoked.contains(&too_long())
    });
    assert_eq!(app.metric("bff_refreshes_total{outcome=\"failed\"}"), 1);
    assert!(
        log_capture::lines()[before..]
            .iter()
            .any(|line| line.starts_with("ERROR audit")
                && line.contains("example-at is too long")
                && line.contains("event=refresh_failed")),
    );
    app.authorization_server.state().token_response.clear();
    assert_eq!(browser.post("/refresh").outcome(), "401 session_expired");
}

#[test]
fn a_refresh_token_that_is_not_rotated_outlives_an_access_token_that_is_too_long() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.state().token_response = json!({"access_token": too_long(), "refresh_token": null})
        .as_object()
        .unwrap()
        .clone();
    assert_eq!(browser.post("/refresh").outcome(), "500 server_error");
    app.authorization_server
        .wait_until("the access token is revoked", |state| !state.revoked.is_empty());
    assert_eq!(app.authorization_server.state().revoked, [too_long()], "it alone");
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
}
