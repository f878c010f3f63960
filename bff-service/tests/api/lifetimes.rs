//! The lifetimes of sessions, as sealed in their cookies.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use serde_json::json;

use crate::support::app::{AT, AUTH, CSRF, ID, Setup, TestApp};
use crate::support::forgery::{now, open};

#[test]
fn the_access_tokens_expiry_is_sealed_into_its_cookie() {
    let app = TestApp::start();
    let browser = app.signed_in();
    let opened = open(Purpose::AccessToken, browser.cookie(AT));
    assert!(
        (290..=300).contains(&(opened.expires_at - now())),
        "{}",
        opened.expires_at
    );
}

#[test]
fn all_cookies_of_a_session_carry_its_id_and_none_outlives_it() {
    let app = TestApp::start_with(Setup {
        session: "max_lifetime_seconds = 60",
        ..Setup::default()
    });
    let browser = app.signed_in();
    let cookies = [
        (AT, Purpose::AccessToken),
        (AUTH, Purpose::RefreshToken),
        (ID, Purpose::IdToken),
        (CSRF, Purpose::Csrf),
    ];
    let session = open(Purpose::AccessToken, browser.cookie(AT)).session.unwrap();
    assert!(session != SessionId::NONE);
    for (name, purpose) in cookies {
        let opened = open(purpose, browser.cookie(name));
        assert!(opened.session == Some(session), "{name}");
        assert!(opened.expires_at <= opened.began_at + 60, "{name}");
    }
}

#[test]
fn a_refresh_does_not_prolong_a_session_beyond_its_lifetime() {
    let app = TestApp::start_with(Setup {
        session: "max_lifetime_seconds = 3600",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    browser.reseal(AUTH, Purpose::RefreshToken, |token| token.began_at = now() - 3000);
    assert_eq!(browser.post("/refresh").status, 204);
    for (name, purpose) in [
        (AUTH, Purpose::RefreshToken),
        (CSRF, Purpose::Csrf),
        (ID, Purpose::IdToken),
    ] {
        let left = open(purpose, browser.cookie(name)).expires_at - now();
        assert!((590..=600).contains(&left), "{name}: {left}");
    }
}

#[test]
fn a_session_does_not_outlive_its_refresh_token() {
    let app = TestApp::start();
    app.authorization_server.state().token_response = json!({"refresh_expires_in": 120}).as_object().unwrap().clone();
    let browser = app.signed_in();
    for (name, purpose) in [
        (AT, Purpose::AccessToken),
        (CSRF, Purpose::Csrf),
        (AUTH, Purpose::RefreshToken),
        (ID, Purpose::IdToken),
    ] {
        let opened = open(purpose, browser.cookie(name));
        assert_eq!(opened.expires_at, opened.began_at + 120, "{name}");
    }
}

#[test]
fn a_session_that_is_over_cannot_be_refreshed() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for (name, purpose) in [(AUTH, Purpose::RefreshToken), (CSRF, Purpose::Csrf)] {
        browser.reseal(name, purpose, |cookie| cookie.expires_at = now() - 1);
    }
    assert_eq!(browser.post("/refresh").outcome(), "401 session_expired");
    assert_eq!(app.authorization_server.state().rotations, 0);
}
