//! `/logout`.

use bff_core::cookie::purpose::Purpose;
use serde_json::json;
use std::collections::HashMap;
use url::Url;

use crate::support::app::{AT, AUTH, CSRF, ID, LOGIN, POST_LOGOUT_REDIRECT_URI, TestApp};
use crate::support::authorization_server::{CLIENT_ID, Misbehaviour};
use crate::support::forgery::now;

fn cleared(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("-{name}")).collect()
}

#[test]
fn logout_clears_every_cookie_revokes_both_tokens_and_tells_where_to_go() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let response = browser.post("/logout");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.cookie_changes(), cleared(&[AUTH, AT, ID, CSRF]));
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookie_names());
    app.authorization_server
        .wait_until("both tokens are revoked", |state| state.revoked.len() == 2);
    let revoked = app.authorization_server.state().revoked.clone();
    let kinds: Vec<&str> = revoked.iter().map(|token| &token[..7]).collect();
    assert_eq!(kinds, ["refresh", "access-"]);
    let url = Url::parse(response.json()["url"].as_str().unwrap()).unwrap();
    assert!(
        url.as_str()
            .starts_with(&format!("{}/logout?", app.authorization_server.issuer())),
        "{url}"
    );
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["client_id"], CLIENT_ID);
    assert_eq!(query["post_logout_redirect_uri"], POST_LOGOUT_REDIRECT_URI);
    assert!(query["state"].len() >= 43);
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
}

#[test]
fn logout_clears_a_login_cookie_that_holds_something_and_no_empty_one() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser
        .cookies
        .insert((LOGIN.to_owned(), "/".to_owned()), String::new());
    assert_eq!(browser.post("/logout").cookie_changes(), cleared(&[AUTH, AT, ID, CSRF]));
    let mut pending = app.signed_in();
    pending.start_login();
    assert_eq!(
        pending.post("/logout").cookie_changes(),
        cleared(&[AUTH, AT, ID, CSRF, LOGIN])
    );
}

#[test]
fn cleared_cookies_have_the_attributes_with_which_they_were_set() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let set = browser.load_page(page_url.as_str());
    browser.csrf = set.json()["csrf"].as_str().map(str::to_owned);
    let response = browser.post("/logout");
    for line in response.set_cookies() {
        let name = line.split('=').next().unwrap();
        let original = set
            .set_cookies()
            .into_iter()
            .find(|line| line.starts_with(name))
            .unwrap();
        let attributes = original.split_once("; ").unwrap().1;
        let expected = format!("{name}=; {attributes}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(line, expected);
    }
}

#[test]
fn a_pending_login_goes_too() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser.start_login();
    let response = browser.post("/logout");
    assert_eq!(response.cookie_changes(), cleared(&[AUTH, AT, ID, CSRF, LOGIN]));
    assert!(browser.cookies.is_empty());
}

#[test]
fn any_cookie_of_the_session_is_enough() {
    let app = TestApp::start();
    for kept in [AT, AUTH, ID] {
        let mut browser = app.signed_in();
        browser.cookies.retain(|(name, _), _| name == kept || name == CSRF);
        assert_eq!(browser.post("/logout").status, 200, "{kept}");
    }
}

#[test]
fn logout_needs_a_session() {
    let app = TestApp::start();
    assert_eq!(app.browser().post("/logout").outcome(), "401 unauthorized_request");
    let mut browser = app.signed_in();
    browser.cookies.retain(|(name, _), _| name == CSRF);
    let response = browser.post("/logout");
    assert_eq!(response.outcome(), "401 unauthorized_request");
    assert!(response.set_cookies().is_empty());
    let mut browser = app.signed_in();
    browser.cookies.retain(|(name, _), _| name == CSRF || name == AT);
    browser.reseal(AT, Purpose::AccessToken, |token| token.expires_at = now() - 1);
    assert_eq!(browser.post("/logout").outcome(), "401 unauthorized_request");
    assert!(app.authorization_server.state().revoked.is_empty());
}

#[test]
fn logout_works_although_the_authorization_server_does_not() {
    for misbehaviour in [
        Misbehaviour::Respond(500, "{}".to_owned()),
        Misbehaviour::Close,
        Misbehaviour::Hang,
    ] {
        let app = TestApp::start();
        let mut browser = app.signed_in();
        app.authorization_server.misbehave("revoke", misbehaviour);
        let response = browser.post("/logout");
        assert_eq!(response.status, 200);
        assert!(browser.cookies.is_empty());
        app.authorization_server.behave();
    }
}

#[test]
fn logout_does_not_wait_for_the_revocation() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.misbehave("revoke", Misbehaviour::Hang);
    assert_eq!(browser.post("/logout").status, 200, "while the revocation hangs");
    assert!(app.authorization_server.state().revoked.is_empty());
    app.authorization_server.behave();
    app.authorization_server
        .wait_until("both tokens are revoked", |state| state.revoked.len() == 2);
}

#[test]
fn without_a_logout_endpoint_the_browser_goes_straight_to_where_it_would_come_back() {
    use crate::support::app::Setup;
    use crate::support::authorization_server::FakeAuthorizationServer;
    let authorization_server = FakeAuthorizationServer::start();
    authorization_server.state().metadata = json!({"end_session_endpoint": null, "revocation_endpoint": null})
        .as_object()
        .unwrap()
        .clone();
    let app = TestApp::start_against(authorization_server, Setup::default());
    let mut browser = app.signed_in();
    let response = browser.post("/logout");
    assert_eq!(response.json(), json!({"url": POST_LOGOUT_REDIRECT_URI}));
    assert!(browser.cookies.is_empty());
}

#[test]
fn a_refresh_just_before_cannot_be_replayed_after_logout() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let before = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/logout").status, 200);
    let response = before.clone().post("/refresh");
    assert_eq!(response.outcome(), "401 session_expired");
}

#[test]
fn a_refresh_under_way_does_not_bring_the_session_back() {
    let app = TestApp::start();
    let browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    // The old token's revocation fails, or else the server itself would refuse the refresh.
    app.authorization_server
        .misbehave("revoke", Misbehaviour::Respond(503, "{}".to_owned()));
    std::thread::scope(|scope| {
        let mut tab = browser.clone();
        let refresh = scope.spawn(move || tab.post("/refresh"));
        app.authorization_server.wait_for_requests("token", 2);
        assert_eq!(browser.clone().post("/logout").status, 200);
        app.authorization_server.wait_for_requests("revoke", 1);
        app.authorization_server.behave();
        assert_eq!(refresh.join().unwrap().outcome(), "401 session_expired");
    });
    assert_eq!(app.authorization_server.state().rotations, 1);
    app.authorization_server
        .wait_until("the new refresh token is revoked", |state| {
            state.live_refresh_tokens().is_empty()
        });
}

#[test]
fn signing_out_with_cookies_from_before_a_refresh_revokes_what_the_refresh_got() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut behind = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(behind.post("/logout").status, 200);
    app.authorization_server
        .wait_until("no refresh token is valid", |state| {
            state.live_refresh_tokens().is_empty()
        });
    assert_eq!(browser.post("/refresh").outcome(), "401 session_expired");
}

#[test]
fn the_state_that_comes_back_from_signing_out_is_recognised_and_no_other_is() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let url = Url::parse(browser.post("/logout").json()["url"].as_str().unwrap()).unwrap();
    let state = url
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let back = |state: &str| {
        let url = Url::parse_with_params(POST_LOGOUT_REDIRECT_URI, [("state", state), ("other", "1")]).unwrap();
        app.browser().load_page(url.as_str()).json()
    };
    assert_eq!(back(&state), json!({"handled": true, "isLoggedIn": false}));
    // Anything else is the page's own, and is left to it.
    let mut altered = state.clone();
    altered.replace_range(60..61, if &state[60..61] == "A" { "B" } else { "A" });
    for other in ["", "made-up", &altered, &state[1..]] {
        assert_eq!(back(other), json!({"handled": false, "isLoggedIn": false}), "{other}");
    }
}
