//! Pages that load without an authorization response: `/login/end` and `/session`.

use bff_core::cookie::purpose::Purpose;
use serde_json::json;

use crate::support::app::{AT, AUTH, CSRF, ID, REDIRECT_URI, TestApp};
use crate::support::browser::Browser;
use crate::support::forgery::{now, open};

#[test]
fn without_cookies_nobody_is_signed_in() {
    let app = TestApp::start();
    let mut browser = app.browser();
    assert_eq!(
        browser.load_page(REDIRECT_URI).json(),
        json!({"handled": false, "isLoggedIn": false})
    );
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
    assert!(browser.cookies.is_empty());
}

#[test]
fn a_reload_and_a_second_tab_find_the_session_with_its_csrf_value() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let csrf = browser.csrf.clone().unwrap();
    let response = browser.load_page(REDIRECT_URI);
    assert_eq!(
        response.json(),
        json!({"handled": false, "isLoggedIn": true, "csrf": csrf})
    );
    assert!(response.set_cookies().is_empty());
    let session = browser.get("/session").json();
    assert_eq!(session["csrf"], csrf.as_str());
    assert_eq!(session["claims"]["sub"], "alice");
    assert!((290..=300).contains(&session["accessTokenExpiresIn"].as_u64().unwrap()));
}

#[test]
fn a_session_cookie_that_does_not_open_counts_as_little_as_one_that_is_not_there() {
    let app = TestApp::start();
    let signed_in = app.signed_in();
    let altered = |value: &str| value[..value.len() - 5].to_owned() + "AAAAA";
    let what_is_shown = |browser: &mut Browser<'_>| {
        let session = browser.get("/session").json();
        let is_valid = session["accessTokenExpiresIn"].as_u64().map(|seconds| seconds > 0);
        (session["isLoggedIn"].clone(), session["claims"].clone(), is_valid)
    };
    for name in [AT, AUTH, ID] {
        let mut without = signed_in.clone();
        without.remove_cookie(name);
        let expected = what_is_shown(&mut without);
        assert_eq!(expected.0, true, "without {name}");
        for value in ["garbage", "", &altered(signed_in.cookie(name)), signed_in.cookie(CSRF)] {
            let mut browser = signed_in.clone();
            browser.replace_cookie(name, value);
            assert_eq!(browser.load_page(REDIRECT_URI).json()["isLoggedIn"], true, "{name}");
            assert_eq!(what_is_shown(&mut browser), expected, "{name}");
        }
        let mut alone = app.browser();
        alone.plant(name, "/", "garbage");
        assert_eq!(
            alone.load_page(REDIRECT_URI).json()["isLoggedIn"],
            false,
            "{name} alone"
        );
    }
    for names in [&[AT, CSRF][..], &[AT, AUTH]] {
        let mut browser = signed_in.clone();
        names.iter().for_each(|name| browser.replace_cookie(name, "garbage"));
        assert_eq!(
            browser.get("/session").json(),
            json!({"isLoggedIn": false}),
            "{names:?}"
        );
    }
}

#[test]
fn an_expired_access_token_is_a_session_that_wants_a_refresh() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser.reseal(AT, Purpose::AccessToken, |token| token.expires_at = now() - 1);
    assert_eq!(browser.load_page(REDIRECT_URI).json()["isLoggedIn"], true);
    assert_eq!(browser.get("/session").json()["accessTokenExpiresIn"], 0);
    assert_eq!(browser.post("/refresh").status, 204);
    assert!(browser.get("/session").json()["accessTokenExpiresIn"].as_u64().unwrap() > 0);
}

#[test]
fn an_unreadable_csrf_cookie_is_replaced_by_one_that_works() {
    let app = TestApp::start();
    let signed_in = app.signed_in();
    for page in ["/session", "/login/end"] {
        for value in ["garbage", signed_in.cookie(AT)] {
            let mut browser = signed_in.clone();
            browser.replace_cookie(CSRF, value);
            let response = match page {
                "/session" => browser.get(page),
                _ => browser.load_page(REDIRECT_URI),
            };
            let csrf = response.json()["csrf"].as_str().unwrap().to_owned();
            assert_ne!(Some(&csrf), signed_in.csrf.as_ref());
            assert_eq!(response.cookie_changes(), [CSRF]);
            browser.csrf = Some(csrf);
            assert_eq!(browser.post("/refresh").status, 204, "{page}");
        }
    }
}

#[test]
fn signing_in_again_keeps_the_csrf_value_for_the_users_other_tabs() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut other_tab_csrf = browser.csrf.clone();
    let before = open(Purpose::Csrf, browser.cookie(CSRF)).session;
    browser = browser.sign_in_as("alice");
    assert_eq!(browser.csrf, other_tab_csrf);
    assert!(
        open(Purpose::Csrf, browser.cookie(CSRF)).session != before,
        "the session is a new one"
    );
    browser.csrf = other_tab_csrf.take();
    assert_eq!(browser.post("/refresh").status, 204);
}

#[test]
fn signing_in_as_somebody_else_takes_nothing_over_from_the_session_before() {
    let app = TestApp::start();
    let planted = app.browser().sign_in_as("mallory");
    let browser = planted.clone().sign_in_as("alice");
    assert_ne!(browser.csrf, planted.csrf);
    let session =
        |browser: &crate::support::browser::Browser<'_>| open(Purpose::AccessToken, browser.cookie(AT)).session;
    assert!(session(&browser) != session(&planted));
}

#[test]
fn a_planted_csrf_cookie_is_not_taken_over_at_login() {
    let app = TestApp::start();
    let mallory = app.browser().sign_in_as("mallory");
    let mut victim = app.browser();
    victim
        .cookies
        .insert((CSRF.to_owned(), "/".to_owned()), mallory.cookie(CSRF).to_owned());
    let victim = victim.sign_in_as("alice");
    assert_ne!(victim.csrf, mallory.csrf);
}
