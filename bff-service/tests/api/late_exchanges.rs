//! Exchanges at the token endpoint that outlast the time limit of their caller: the code or the refresh token is used up
//! by then, so the result must not be lost, and must reach no other user.

use std::time::Duration;

use bff_core::cookie::purpose::Purpose;

use crate::support::app::{AT, AUTH, Setup, TestApp, wait_until};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, open};

const NOT_IN_TIME: &str = "502 authorization_server_error";

fn access_token(browser: &Browser<'_>) -> Vec<u8> {
    open(Purpose::AccessToken, browser.cookie(AT)).value.to_vec()
}

fn refresh_token_cookie(browser: &Browser<'_>) -> Vec<u8> {
    open(Purpose::RefreshToken, browser.cookie(AUTH)).value.to_vec()
}

/// A refresh that the authorization server answers only after the caller's time limit.
fn refresh_late(app: &TestApp, browser: &mut Browser<'_>) {
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    assert_eq!(browser.post("/refresh").outcome(), NOT_IN_TIME);
    app.authorization_server.behave();
    app.authorization_server
        .wait_until("the late rotation", |state| state.rotations == 1);
}

#[test]
fn a_refresh_that_outlasts_its_time_limit_is_there_for_the_next_caller() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    refresh_late(&app, &mut browser);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().rotations, 1);
    assert_eq!(
        browser.post("/refresh").status,
        204,
        "with the refresh token that came late"
    );
    assert_eq!(app.authorization_server.state().rotations, 2);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_refresh_that_outlasted_its_caller_is_there_after_the_replay_window_as_well() {
    let app = TestApp::start_with(Setup {
        session: "refresh_replay_seconds = 1",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    refresh_late(&app, &mut browser);
    std::thread::sleep(Duration::from_millis(1500));
    let late = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().reuses, 0);
    assert_eq!(browser.get("/claims").status, 200);
    // From its delivery on it has the replay window, as every other.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(late.clone().post("/refresh").outcome(), "401 session_expired");
    assert_eq!(app.authorization_server.state().reuses, 1);
}

#[test]
fn a_caller_who_comes_while_a_late_refresh_is_under_way_does_not_use_the_refresh_token_again() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    for _ in 0..2 {
        assert_eq!(browser.post("/refresh").outcome(), NOT_IN_TIME);
    }
    assert_eq!(
        app.authorization_server.requests("token"),
        2,
        "the login and one refresh"
    );
    app.authorization_server.behave();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().rotations, 1);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_late_refresh_is_for_its_own_session_alone() {
    let app = TestApp::start();
    let mut alice = app.signed_in();
    let mut bob = app.browser().sign_in_as("bob");
    refresh_late(&app, &mut alice);
    assert_eq!(bob.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().rotations, 2, "his own");
    assert_eq!(alice.post("/refresh").status, 204);
    assert_ne!(access_token(&alice), access_token(&bob));
    assert_eq!(alice.get("/claims").json()["sub"], "alice");
    assert_eq!(bob.get("/claims").json()["sub"], "bob");
}

/// The service seals no such cookie; but for the session in the exchange's name, this one would be handed alice's tokens.
#[test]
fn a_late_refresh_gives_nothing_to_another_session_that_comes_with_the_same_refresh_token() {
    let app = TestApp::start();
    let mut alice = app.signed_in();
    let mut bob = app.browser().sign_in_as("bob");
    let in_bobs_session = Forgery {
        session: open(Purpose::RefreshToken, bob.cookie(AUTH)).session.unwrap(),
        ..Forgery::of(&open(Purpose::RefreshToken, alice.cookie(AUTH)))
    };
    bob.replace_cookie(AUTH, &in_bobs_session.seal(Purpose::RefreshToken));
    refresh_late(&app, &mut alice);
    let response = bob.post("/refresh");
    assert_eq!(response.outcome(), "401 session_expired");
    assert_eq!(
        app.authorization_server.state().reuses,
        1,
        "the server got the request, and refused it"
    );
}

#[test]
fn the_tokens_of_a_refresh_that_ends_after_the_logout_are_revoked() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let copy = browser.clone();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    assert_eq!(browser.post("/refresh").outcome(), NOT_IN_TIME);
    // The server has the request and will rotate, whatever is revoked meanwhile.
    app.authorization_server
        .misbehave("revoke", Misbehaviour::Respond(200, "{}".to_owned()));
    assert_eq!(browser.post("/logout").status, 200);
    app.authorization_server.wait_for_requests("revoke", 2);
    app.authorization_server.behave();
    let before = String::from_utf8(access_token(&copy)).unwrap();
    app.authorization_server
        .wait_until("the new tokens are revoked", |state| {
            let mut revoked = state.revoked.iter();
            let is_new = |token: &String| token.starts_with("access-token-") && *token != before;
            state.rotations == 1 && state.live_refresh_tokens().is_empty() && revoked.any(is_new)
        });
    assert_eq!(copy.clone().post("/refresh").outcome(), "401 session_expired");
    assert_eq!(app.authorization_server.requests("token"), 2, "nothing further");
}

#[test]
fn a_login_that_outlasts_its_time_limit_is_finished_by_the_next_call_of_the_same_browser() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    assert_eq!(browser.load_page(page_url.as_str()).outcome(), NOT_IN_TIME);
    app.authorization_server.behave();
    let response = browser.load_page(page_url.as_str());
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(
        app.authorization_server.requests("token"),
        1,
        "a code is valid for one use"
    );
    assert_eq!(browser.get("/claims").json()["sub"], "alice");
    assert_eq!(browser.post("/refresh").status, 204);
}

#[test]
fn a_late_login_is_for_the_browser_alone_that_began_it() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let mut other = app.browser();
    let page_url = browser.authorize("alice");
    other.authorize("mallory");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    assert_eq!(browser.load_page(page_url.as_str()).outcome(), NOT_IN_TIME);
    app.authorization_server.behave();
    assert_eq!(other.load_page(page_url.as_str()).outcome(), "400 invalid_request");
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
}

#[test]
fn an_exchange_that_outlasts_all_of_its_time_is_given_up_and_may_be_made_again() {
    let app = TestApp::start_with(Setup {
        authorization_server: "exchange_seconds = 2",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    let before = refresh_token_cookie(&browser);
    app.authorization_server.misbehave("token", Misbehaviour::Close);
    assert_eq!(browser.post("/refresh").outcome(), NOT_IN_TIME);
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before_hanging = app.authorization_server.requests("token");
    wait_until("the refresh token is tried again", || {
        assert_eq!(browser.post("/refresh").outcome(), NOT_IN_TIME);
        app.authorization_server.requests("token") >= before_hanging + 2
    });
    assert_eq!(refresh_token_cookie(&browser), before);
}
