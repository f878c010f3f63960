//! `GET /callback`: the rules for the end of a login by a page apply here, to the cookie of navigations.

use bff_core::cookie::purpose::Purpose;
use bff_service::session::pending_logins::PendingLogin;
use serde_json::{Value, json};

use crate::navigation::{ON, authorize, go};
use crate::support::app::{AT, NAV, REDIRECT_URI, TestApp, WEB_ORIGIN};
use crate::support::authorization_server::CLIENT_ID;
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, open};

#[test]
fn a_callback_by_navigation_that_comes_again_is_one_exchange_and_one_session() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login");
    let mut again = browser.clone();
    for tab in [&mut browser, &mut again] {
        let response = go(tab, &callback);
        assert_eq!(response.status, 302, "{response:?}");
        assert_eq!(response.header("location"), Some(format!("{WEB_ORIGIN}/").as_str()));
    }
    let session = |tab: &Browser<'_>| open(Purpose::AccessToken, tab.cookie(AT)).session;
    assert!(session(&browser) == session(&again), "one session");
    assert_eq!(app.authorization_server.requests("token"), 1);
    assert_eq!(app.metric("bff_logins_total"), 1);
    // The response cleared the login cookie: a browser that received it cannot complete the login again.
    assert_eq!(go(&mut browser, &callback).outcome(), "400 invalid_request");
}

#[test]
fn a_login_by_navigation_is_finished_at_its_own_issuer_client_and_redirect_uri_alone() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login");
    let genuine = Forgery::of(&open(Purpose::NavigationLogin, browser.cookie(NAV)));
    let logins: Value = serde_json::from_slice(&genuine.value).unwrap();
    let issuer = app.authorization_server.issuer();
    let own = "https://api.example.test/bff/callback";
    assert_eq!(
        logins[0]["begun_for"],
        PendingLogin::digest(&issuer, CLIENT_ID, own).as_str()
    );
    for elsewhere in [
        PendingLogin::digest("https://login.other.example", CLIENT_ID, own),
        PendingLogin::digest(&issuer, "another-client", own),
        PendingLogin::digest(&issuer, CLIENT_ID, REDIRECT_URI),
    ] {
        let mut other = logins.clone();
        other[0]["begun_for"] = json!(elsewhere);
        let sealed = Forgery {
            value: other.to_string().into_bytes(),
            ..genuine.clone()
        };
        let mut at_other = browser.clone();
        at_other.replace_cookie(NAV, &sealed.seal(Purpose::NavigationLogin));
        assert_eq!(go(&mut at_other, &callback).outcome(), "400 invalid_request");
    }
    assert_eq!(app.authorization_server.requests("token"), 0);
    assert_eq!(go(&mut browser, &callback).status, 302);
}
