//! An authorization server that is down, slow, or sends unusable responses, and then recovers.

use crate::support::app::{Setup, TestApp, wait_until};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};

fn misbehaviours() -> Vec<(&'static str, Misbehaviour)> {
    let respond = |status, body: &str| Misbehaviour::Respond(status, body.to_owned());
    vec![
        ("500", respond(500, "{}")),
        ("a page", respond(200, "<html>")),
        ("nothing", respond(200, "")),
        ("empty JSON", respond(200, "{}")),
        ("deep JSON", respond(200, &"[".repeat(100_000))),
        (
            "endless JSON",
            respond(200, &format!("{{\"access_token\":\"{}\"}}", "a".repeat(5_000_000))),
        ),
        ("a redirect", respond(302, "")),
        ("no response", Misbehaviour::Close),
        ("half a response", Misbehaviour::Truncate),
        ("silence", Misbehaviour::Hang),
    ]
}

#[test]
fn a_refresh_that_fails_is_502_and_the_session_goes_on_afterwards() {
    let app = TestApp::start();
    for (case, misbehaviour) in misbehaviours() {
        let mut browser = app.signed_in();
        app.authorization_server.misbehave("token", misbehaviour);
        let response = browser.post("/refresh");
        assert_eq!(response.outcome(), "502 authorization_server_error", "{case}");
        assert!(response.set_cookies().is_empty(), "{case}");
        app.authorization_server.behave();
        if case != "silence" {
            assert_eq!(browser.post("/refresh").status, 204, "{case}");
        }
        assert_eq!(app.signed_in().get("/userInfo").status, 200, "{case}");
    }
}

#[test]
fn a_login_that_fails_is_502_and_can_be_finished_afterwards() {
    let app = TestApp::start();
    for (case, misbehaviour) in misbehaviours() {
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        app.authorization_server.misbehave("token", misbehaviour);
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.outcome(), "502 authorization_server_error", "{case}");
        assert!(response.set_cookies().is_empty(), "{case}");
        app.authorization_server.behave();
        if case != "silence" {
            assert_eq!(browser.load_page(page_url.as_str()).status, 200, "{case}");
        }
    }
}

#[test]
fn a_server_that_is_down_when_the_service_starts_is_found_when_it_is_back() {
    for (case, misbehaviour) in misbehaviours() {
        let authorization_server = FakeAuthorizationServer::start();
        authorization_server.misbehave("metadata", misbehaviour);
        let app = TestApp::start_against(authorization_server, Setup::default());
        let response = app.browser().post("/login/start");
        assert_eq!(response.outcome(), "502 authorization_server_error", "{case}");
        assert_eq!(app.admin("/readyz").status, 503, "{case}");
        assert_eq!(app.admin("/healthz").status, 200, "{case}");
        app.authorization_server.behave();
        wait_until("login works again", || app.browser().post("/login/start").status == 200);
        assert_eq!(app.signed_in().get("/userInfo").status, 200, "{case}");
        wait_until("the service is ready", || app.admin("/readyz").status == 200);
    }
}

#[test]
fn keys_that_cannot_be_fetched_fail_the_login_for_now() {
    let app = {
        let authorization_server = FakeAuthorizationServer::start();
        authorization_server.misbehave("jwks", Misbehaviour::Respond(500, "{}".to_owned()));
        TestApp::start_against(authorization_server, Setup::default())
    };
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    assert_eq!(
        browser.load_page(page_url.as_str()).outcome(),
        "502 authorization_server_error"
    );
    app.authorization_server.behave();
    wait_until("login works again", || {
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        browser.load_page(page_url.as_str()).status == 200
    });
}

#[test]
fn failures_are_counted() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Close);
    browser.post("/refresh");
    assert_eq!(app.metric("bff_authorization_server_failures_total"), 1);
}
