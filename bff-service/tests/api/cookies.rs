//! Cookies that are missing, altered, swapped, truncated, expired, or sealed with an unknown key.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use serde_json::json;

use crate::support::app::{AT, AUTH, CSRF, ID, LOGIN, Setup, TestApp, WEB_ORIGIN};
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, now, open};
use crate::support::http::Response;

const UNKNOWN_KEY: &str = "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f";

type Cookies = &'static [(&'static str, Purpose)];

/// Every endpoint that needs a cookie, with the cookies that it needs.
const NEEDS: [(&str, &str, Cookies); 3] = [
    (
        "POST",
        "/refresh",
        &[(CSRF, Purpose::Csrf), (AUTH, Purpose::RefreshToken)],
    ),
    ("GET", "/userInfo", &[(ID, Purpose::IdToken)]),
    ("GET", "/claims", &[(ID, Purpose::IdToken)]),
];

fn assert_refused(response: &Response, case: &str) {
    assert_eq!(response.outcome(), "401 unauthorized_request", "{case}");
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some(WEB_ORIGIN),
        "{case}"
    );
    assert_eq!(response.header("cache-control"), Some("no-store"), "{case}");
    assert!(response.set_cookies().is_empty(), "{case}: {response:?}");
}

/// Every way in which a cookie's value can be wrong.
fn wrong_values(browser: &Browser<'_>, name: &str, purpose: Purpose) -> Vec<(String, String)> {
    let value = browser.cookie(name).to_owned();
    let mut wrong = vec![
        ("empty".to_owned(), String::new()),
        ("garbage".to_owned(), "garbage".to_owned()),
        ("quoted".to_owned(), format!("\"{value}\"")),
        ("junk after it".to_owned(), format!("{value}%%%%junk")),
        ("padding after it".to_owned(), format!("{value}=")),
        ("one character more".to_owned(), format!("{value}A")),
        ("percent-encoded".to_owned(), value.replacen('A', "%41", 1) + "%41"),
        ("truncated by one".to_owned(), value[..value.len() - 1].to_owned()),
        ("cut in half".to_owned(), value[..value.len() / 2].to_owned()),
        ("the version alone".to_owned(), value[..2].to_owned()),
    ];
    // One bit in the version, the key id, the nonce, the ciphertext and the tag.
    for position in [0, 4, 12, 50, 70, value.len() - 10] {
        let mut altered = value.clone().into_bytes();
        altered[position] = if altered[position] == b'B' { b'A' } else { b'B' };
        wrong.push((format!("altered at {position}"), String::from_utf8(altered).unwrap()));
    }
    for (other_name, _) in browser.cookies.keys() {
        if other_name != name {
            wrong.push((
                format!("swapped with {other_name}"),
                browser.cookie(other_name).to_owned(),
            ));
        }
    }
    let genuine = Forgery::of(&open(purpose, &value));
    let expired = Forgery {
        expires_at: now() - 1,
        ..genuine.clone()
    };
    wrong.push(("expired".to_owned(), expired.seal(purpose)));
    let unknown = Forgery {
        keys: UNKNOWN_KEY.to_owned(),
        ..genuine
    };
    wrong.push(("sealed with an unknown key".to_owned(), unknown.seal(purpose)));
    wrong
}

#[test]
fn a_cookie_that_is_missing_is_refused() {
    let app = TestApp::start();
    let signed_in = app.signed_in();
    for (method, endpoint, cookies) in NEEDS {
        for (name, _) in cookies {
            let mut browser = signed_in.clone();
            browser.remove_cookie(name);
            let response = browser.send(&browser.request(method, endpoint));
            assert_refused(&response, &format!("{endpoint} without {name}"));
        }
    }
    assert_eq!(app.authorization_server.state().rotations, 0);
}

#[test]
fn a_cookie_that_is_not_as_we_made_it_is_refused() {
    let app = TestApp::start();
    let signed_in = app.signed_in();
    for (method, endpoint, cookies) in NEEDS {
        for (name, purpose) in cookies {
            for (case, value) in wrong_values(&signed_in, name, *purpose) {
                let mut browser = signed_in.clone();
                browser.replace_cookie(name, &value);
                let response = browser.send(&browser.request(method, endpoint));
                if (case.as_str(), *name) == ("expired", CSRF) {
                    // It says when the session ends.
                    assert_eq!(response.outcome(), "401 session_expired", "{endpoint}");
                    assert!(browser.cookies.is_empty(), "{endpoint}: {:?}", browser.cookie_names());
                } else {
                    assert_refused(&response, &format!("{endpoint} with {name} {case}"));
                }
            }
        }
    }
    assert_eq!(app.authorization_server.state().rotations, 0);
    let mut browser = signed_in;
    assert_eq!(browser.post("/refresh").status, 204, "the genuine cookies still work");
}

#[test]
fn cookies_of_different_sessions_do_not_go_together() {
    let app = TestApp::start();
    let (alice, mallory) = (app.signed_in(), app.browser().sign_in_as("mallory"));
    let mut mixed = alice.clone();
    mixed.replace_cookie(CSRF, mallory.cookie(CSRF));
    mixed.csrf = mallory.csrf.clone();
    assert_refused(
        &mixed.post("/refresh"),
        "alice's refresh token with mallory's CSRF value",
    );
    mixed.csrf = mixed.get("/session").json()["csrf"].as_str().map(str::to_owned);
    assert_ne!(mixed.csrf, mallory.csrf, "a CSRF value of another session is replaced");
    assert_eq!(mixed.clone().post("/refresh").status, 204);
    mixed = alice.clone();
    mixed.replace_cookie(AUTH, mallory.cookie(AUTH));
    assert_refused(
        &mixed.post("/refresh"),
        "mallory's refresh token with alice's CSRF value",
    );
    assert_eq!(mixed.get("/session").json()["claims"]["sub"], "alice");
    assert_eq!(app.authorization_server.state().rotations, 1);
    mixed = alice.clone();
    mixed.replace_cookie(AT, mallory.cookie(AT));
    let session = mixed.get("/session").json();
    assert_eq!(
        (&session["isLoggedIn"], &session["claims"]),
        (&json!(true), &json!(null))
    );
    assert_refused(
        &mixed.get("/claims"),
        "the ID token of a session other than the access token's",
    );
    assert_refused(
        &mixed.post("/refresh"),
        "the refresh token of a session other than the access token's",
    );
}

#[test]
fn a_csrf_value_without_a_session_is_good_for_nothing() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser.reseal(CSRF, Purpose::Csrf, |csrf| csrf.session = SessionId::NONE);
    assert_refused(&browser.post("/refresh"), "refresh");
    assert_refused(&browser.post("/logout"), "logout");
}

#[test]
fn a_login_cookie_that_is_not_as_we_made_it_is_refused_but_does_not_keep_anybody_from_signing_in() {
    let app = TestApp::start();
    let mut begun = app.browser();
    let page_url = begun.authorize("alice");
    for (case, value) in wrong_values(&begun, LOGIN, Purpose::Login) {
        let mut browser = begun.clone();
        browser.replace_cookie(LOGIN, &value);
        let expected = if case == "expired" {
            "400 invalid_request"
        } else {
            "401 unauthorized_request"
        };
        assert_eq!(browser.load_page(page_url.as_str()).outcome(), expected, "{case}");
        assert_eq!(browser.sign_in_as("alice").get("/userInfo").status, 200, "{case}");
    }
    assert_eq!(begun.load_page(page_url.as_str()).status, 200);
}

#[test]
fn long_tokens_are_split_and_parts_that_are_left_over_are_cleared() {
    let app = TestApp::start();
    let long = |bytes| json!({"access_token": "a".repeat(bytes)}).as_object().unwrap().clone();
    app.authorization_server.state().token_response = long(7_000);
    let mut browser = app.signed_in();
    let parts: Vec<String> = (1..=3).map(|number| format!("{AT}.{number}")).collect();
    assert!(parts.iter().all(|part| browser.cookie(part).len() <= 3_800));
    assert!(!browser.cookie_names().contains(&AT));
    assert!(browser.get("/session").json()["accessTokenExpiresIn"].as_u64().unwrap() > 0);

    app.authorization_server.state().token_response = long(3_000);
    let response = browser.post("/refresh");
    assert_eq!(response.status, 204);
    assert!(
        response
            .set_cookies()
            .iter()
            .all(|line| line.split(';').next().unwrap().len() <= 4_096)
    );
    assert!(
        response.cookie_changes().contains(&format!("-{}", parts[2])),
        "{:?}",
        response.cookie_changes()
    );

    app.authorization_server.state().token_response.clear();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(
        browser
            .cookie_names()
            .iter()
            .filter(|name| name.starts_with(AT))
            .count(),
        1
    );

    app.authorization_server.state().token_response = long(7_000);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/logout").status, 200);
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookie_names());
}

#[test]
fn the_hardening_is_in_the_names_and_the_attributes_stay_the_same() {
    for (hardening, wide, narrow) in [
        ("host", "__Host-Http-", "__Http-"),
        ("secure", "__Host-", "__Secure-"),
        ("none", "", ""),
    ] {
        let top = format!("cookie_hardening = '{hardening}'");
        let app = TestApp::start_with(Setup {
            top: &top,
            ..Setup::default()
        });
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        let response = browser.load_page(page_url.as_str());
        let names = [
            (wide, "at"),
            (wide, "csrf"),
            (wide, "login"),
            (narrow, "auth"),
            (narrow, "id"),
        ];
        for (line, (prefix, name)) in response.set_cookies().iter().zip(names) {
            assert!(line.starts_with(&format!("{prefix}example-{name}=")), "{line}");
            assert!(line.contains("; Secure; HttpOnly; SameSite=Strict"), "{line}");
        }
        assert_eq!(browser.post("/refresh").status, 204, "{hardening}");
        assert_eq!(browser.post("/logout").status, 200, "{hardening}");
        assert!(browser.cookies.is_empty(), "{hardening}: {:?}", browser.cookie_names());
    }
}
