//! One callback, sent twice: by a service worker that repeats it, a page that mounts twice, or a proxy that retries.

use bff_core::cookie::purpose::Purpose;

use crate::support::app::{AT, AUTH, TestApp};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::forgery::open;

#[test]
fn the_same_callback_twice_at_once_is_one_exchange_and_both_calls_are_signed_in_to_one_session() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let calls: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let mut tab = browser.clone();
                let page_url = page_url.as_str();
                scope.spawn(move || (tab.load_page(page_url), tab))
            })
            .collect();
        app.authorization_server.wait_for_requests("token", 1);
        app.authorization_server.behave();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for (response, tab) in &calls {
        assert_eq!(response.status, 200, "{response:?}");
        let session = |tab: &Browser<'_>| open(Purpose::AccessToken, tab.cookie(AT)).session;
        assert!(session(tab) == session(&calls[0].1), "one session");
        assert_eq!(
            tab.csrf, calls[0].1.csrf,
            "whichever response the browser keeps, the page's CSRF value is of it"
        );
    }
    assert_eq!(app.authorization_server.requests("token"), 1);
    assert_eq!(app.metric("bff_logins_total"), 1);
}

#[test]
fn a_callback_that_comes_late_with_the_login_cookie_is_answered_as_the_first_was() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let mut late = browser.clone();
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    assert_eq!(late.load_page(page_url.as_str()).status, 200);
    assert_eq!(browser.csrf, late.csrf);
    assert_eq!(app.authorization_server.requests("token"), 1);
    // A refresh with the cookies of either response belongs to the same session.
    assert_eq!(late.post("/refresh").status, 204);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_callback_that_comes_after_a_refresh_does_not_put_an_older_refresh_token_over_the_newest() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let mut late = browser.clone();
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(late.load_page(page_url.as_str()).status, 200);
    let refresh_token = |tab: &Browser<'_>| open(Purpose::RefreshToken, tab.cookie(AUTH)).value.to_vec();
    assert_eq!(refresh_token(&browser), refresh_token(&late));
}

#[test]
fn a_callback_that_comes_after_the_sign_out_brings_the_session_back_to_nobody() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let mut late = browser.clone();
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    assert_eq!(browser.post("/logout").status, 200);
    let response = late.load_page(page_url.as_str());
    assert_eq!(response.outcome(), "400 invalid_request");
    assert!(
        !response.set_cookies().iter().any(|line| line.starts_with(AT)),
        "{response:?}"
    );
}

#[test]
fn the_replay_of_a_callback_needs_the_code_that_was_exchanged() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let mut late = browser.clone();
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    let mut other = page_url.clone();
    let pairs: Vec<(String, String)> = page_url.query_pairs().into_owned().collect();
    let pairs = pairs.iter().map(|(name, value)| match name.as_str() {
        "code" => (name.as_str(), "another"),
        _ => (name.as_str(), value.as_str()),
    });
    other.query_pairs_mut().clear().extend_pairs(pairs);
    assert_eq!(late.load_page(other.as_str()).outcome(), "400 authorization_error");
}
