//! Sessions that end before their cookies expire: by logout, back-channel logout and front-channel logout.

use bff_core::session::ended_sessions::EndedSessions;
use serde_json::json;

use crate::support::app::{Setup, TestApp};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::http::{Request, Response};

pub const SID: &str = "the-sid-of-this-login-0123456789";

pub fn with_sid() -> TestApp {
    let app = TestApp::start();
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!(SID));
    app
}

pub fn backchannel(app: &TestApp, token: &str) -> Response {
    Request::new("POST", "/bff/backchannel-logout")
        .form(&[("logout_token", token)])
        .send(app.address)
}

/// Two sessions of one user, of which the first is of the login [`SID`], and the second of another one.
pub fn signed_in_twice(app: &TestApp) -> (Browser<'_>, Browser<'_>) {
    let first = app.signed_in();
    app.authorization_server
        .state()
        .claims
        .insert("sid".to_owned(), json!("another-login"));
    (first, app.signed_in())
}

pub fn is_ended(browser: &mut Browser<'_>) -> bool {
    let is_ended = browser.get("/session").json() == json!({"isLoggedIn": false});
    let refresh = browser.clone().post("/refresh").outcome();
    assert_eq!(refresh, if is_ended { "401 session_expired" } else { "204" });
    is_ended
}

#[test]
fn a_logout_token_with_a_sid_ends_that_login_and_no_other() {
    let app = with_sid();
    let (mut alice, mut elsewhere) = signed_in_twice(&app);
    let response = backchannel(
        &app,
        &app.authorization_server
            .logout_token(json!({"sid": SID, "sub": "alice"})),
    );
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(is_ended(&mut alice));
    assert!(!is_ended(&mut elsewhere));
}

#[test]
fn a_logout_token_with_a_sub_alone_ends_all_sessions_of_the_user_and_not_those_of_others() {
    let app = with_sid();
    let (mut one, mut two, mut bob) = (app.signed_in(), app.signed_in(), app.browser().sign_in_as("bob"));
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sub": "alice"}))).status,
        200
    );
    assert!(is_ended(&mut one) && is_ended(&mut two));
    assert!(!is_ended(&mut bob));
    // And she may sign in again.
    assert!(!is_ended(&mut app.signed_in()));
}

/// A replica that has not heard of it yet refreshes. The session has ended all the same wherever it is known.
#[test]
fn a_refresh_elsewhere_does_not_outlive_the_end_of_all_that_a_user_has() {
    let exact = || Setup {
        authorization_server: "clock_skew_seconds = 0",
        ..Setup::default()
    };
    let one = TestApp::start_with(exact());
    let other = TestApp::start_against(one.authorization_server.clone(), exact());
    let mut browser = one.signed_in();
    backchannel(&one, &one.authorization_server.logout_token(json!({"sub": "alice"})));
    // What is sealed now is sealed later than the logout.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    browser.app = &other;
    assert_eq!(browser.post("/refresh").status, 204, "there it is not known");
    browser.app = &one;
    assert!(is_ended(&mut browser));
}

#[test]
fn an_ended_session_gets_its_cookies_cleared_by_the_refresh_and_is_refused_by_every_endpoint() {
    let app = with_sid();
    let mut browser = app.signed_in();
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    for endpoint in ["/claims", "/userInfo"] {
        assert_eq!(
            browser.clone().get(endpoint).outcome(),
            "401 session_expired",
            "{endpoint}"
        );
    }
    assert_eq!(browser.clone().post("/logout").outcome(), "401 session_expired");
    let refresh = browser.post("/refresh");
    assert_eq!(refresh.outcome(), "401 session_expired");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookie_names());
}

#[test]
fn a_refresh_under_way_does_not_survive_a_back_channel_logout() {
    let app = with_sid();
    let browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    let request = browser.request("POST", "/refresh");
    let address = app.address;
    let refresh = std::thread::spawn(move || request.send(address));
    app.authorization_server.wait_for_requests("token", before + 1);
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    app.authorization_server.behave();
    let response = refresh.join().unwrap();
    assert_eq!(response.outcome(), "401 session_expired");
    assert!(response.cookie_changes().iter().all(|change| change.starts_with('-')));
    // The tokens that the server issued for it are revoked.
    app.authorization_server
        .wait_until("the new refresh token is revoked", |state| !state.revoked.is_empty());
}

#[test]
fn after_signing_out_copies_of_the_cookies_are_good_for_nothing() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut thief = browser.clone();
    assert_eq!(browser.post("/logout").status, 200);
    assert!(is_ended(&mut thief));
    assert_eq!(thief.get("/claims").outcome(), "401 session_expired");
}

#[test]
fn the_filter_is_told_what_ended_and_only_what_it_does_not_know() {
    let app = with_sid();
    let read = |known: &str| app.admin(&format!("/ended-sessions?known={known}"));
    let list = |response: &Response| EndedSessions::from_json(response.body.as_bytes(), 100).unwrap();
    let (ended, version) = list(&read(""));
    assert!(ended.is_empty());
    assert_eq!(read(&version).status, 204);
    app.signed_in().post("/logout");
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    let (ended, later) = list(&read(&version));
    assert_eq!(ended.len(), 2);
    assert_eq!(read(&later).status, 204);
}

#[test]
fn the_list_of_ended_sessions_is_not_on_the_public_listener() {
    let app = TestApp::start();
    for path in ["/ended-sessions", "/bff/ended-sessions"] {
        assert_eq!(
            Request::new("GET", path).send(app.address).outcome(),
            "404 not_found",
            "{path}"
        );
    }
}

#[test]
fn a_login_that_was_ended_may_begin_again_with_the_same_sid_at_once() {
    let app = with_sid();
    let mut before = app.signed_in();
    // Both within one second, as a server that keeps its session signs the user in again without asking.
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID}))).status,
        200
    );
    let mut again = app.signed_in();
    assert!(is_ended(&mut before));
    assert!(!is_ended(&mut again));
    assert_eq!(again.get("/claims").status, 200);
    // And that one ends as well, however soon.
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID}))).status,
        200
    );
    assert!(is_ended(&mut again));
}

#[test]
fn a_user_who_was_signed_out_everywhere_may_sign_in_again_within_the_same_second() {
    let app = with_sid();
    let mut before = app.signed_in();
    assert_eq!(
        backchannel(&app, &app.authorization_server.logout_token(json!({"sub": "alice"}))).status,
        200
    );
    let mut again = app.signed_in();
    assert!(is_ended(&mut before));
    assert!(!is_ended(&mut again));
}

/// The server issued its tokens before it ended the login, and they came late.
#[test]
fn a_login_under_way_does_not_survive_the_logout_that_comes_meanwhile() {
    let app = with_sid();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    let request = browser
        .request("POST", "/login/end")
        .json(&json!({"pageUrl": page_url.as_str()}));
    let address = app.address;
    let login = std::thread::spawn(move || request.send(address));
    app.authorization_server.wait_for_requests("token", before + 1);
    backchannel(&app, &app.authorization_server.logout_token(json!({"sid": SID})));
    app.authorization_server.behave();
    let response = login.join().unwrap();
    assert_eq!(response.outcome(), "401 login_required");
    browser.take_cookies(&response);
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
    // The tokens that the server issued for it are revoked.
    app.authorization_server
        .wait_until("its refresh token is revoked", |state| !state.revoked.is_empty());
}
