//! Cookies that an attacker planted in the browser, or that an earlier configuration left: a page of a sibling domain can
//! set those whose names do not forbid `Domain`, beside the user's own or alone.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use serde_json::json;

use crate::support::app::{AT, AUTH, CSRF, ID, LOGIN, REDIRECT_URI, Setup, TestApp};
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, now, open};

/// Paths of a sibling's cookies, before and after the user's own.
const PATHS: [&str; 4] = ["/", "/bff/session", "/bff/refresh", "/bff/claims"];

/// A browser after a sibling has set cookies of mallory's session.
fn planted<'a>(mut browser: Browser<'a>, mallory: &Browser<'_>, names: &[&str], paths: &[&str]) -> Browser<'a> {
    for name in names {
        for path in paths {
            browser.plant(name, path, mallory.cookie(name));
        }
    }
    browser
}

fn who_is_signed_in(browser: &mut Browser<'_>) -> Option<String> {
    let session = browser.get("/session").json();
    session["claims"]["sub"].as_str().map(str::to_owned)
}

#[test]
fn refresh_and_id_token_cookies_without_a_host_locked_one_are_no_session() {
    let app = TestApp::start();
    let mallory = app.browser().sign_in_as("mallory");
    let mut visitor = planted(app.browser(), &mallory, &[AUTH, ID], &["/"]);
    let response = visitor.get("/session");
    assert_eq!(response.json(), json!({"isLoggedIn": false}));
    assert!(response.set_cookies().is_empty(), "{response:?}");
    assert_eq!(
        visitor.load_page(REDIRECT_URI).json(),
        json!({"handled": false, "isLoggedIn": false})
    );
    visitor.csrf = mallory.csrf.clone();
    for (method, endpoint) in [
        ("GET", "/claims"),
        ("GET", "/userInfo"),
        ("POST", "/refresh"),
        ("POST", "/logout"),
    ] {
        let response = visitor.send(&visitor.request(method, endpoint));
        assert_eq!(response.outcome(), "401 unauthorized_request", "{endpoint}");
        assert!(response.set_cookies().is_empty(), "{endpoint}");
    }
    assert_eq!(app.authorization_server.state().rotations, 0);
    let mut alice = visitor.sign_in_as("alice");
    assert_eq!(who_is_signed_in(&mut alice).as_deref(), Some("alice"));
    assert_eq!(alice.post("/refresh").status, 204, "signing in works");
}

#[test]
fn cookies_of_another_session_beside_the_users_own_change_nothing() {
    let app = TestApp::start();
    let mallory = app.browser().sign_in_as("mallory");
    let mut alice = planted(app.signed_in(), &mallory, &[AUTH, ID], &PATHS);
    assert_eq!(who_is_signed_in(&mut alice).as_deref(), Some("alice"));
    for endpoint in ["/claims", "/userInfo"] {
        assert_eq!(alice.get(endpoint).json()["sub"], "alice", "{endpoint}");
    }
    for _ in 0..2 {
        assert_eq!(alice.post("/refresh").status, 204);
        assert_eq!(alice.get("/claims").json()["sub"], "alice");
    }
    let of_mallory = open(Purpose::RefreshToken, mallory.cookie(AUTH)).session;
    assert!(open(Purpose::AccessToken, alice.cookie(AT)).session != of_mallory);
    assert_eq!(alice.post("/logout").status, 200);
    assert_eq!(alice.get("/session").json(), json!({"isLoggedIn": false}));
    assert_eq!(
        mallory.clone().post("/refresh").status,
        204,
        "mallory is not signed out"
    );
}

#[test]
fn an_access_token_that_has_expired_still_says_whose_the_session_is() {
    let app = TestApp::start();
    let mallory = app.browser().sign_in_as("mallory");
    let mut alice = app.signed_in();
    let expired = Forgery {
        expires_at: now() - 1,
        ..Forgery::of(&open(Purpose::AccessToken, alice.cookie(AT)))
    };
    alice.replace_cookie(AT, &expired.seal(Purpose::AccessToken));
    alice.remove_cookie(CSRF);
    let mut alice = planted(alice, &mallory, &[AUTH, ID], &PATHS);
    let session = alice.get("/session").json();
    assert_eq!(session["claims"]["sub"], "alice");
    alice.csrf = session["csrf"].as_str().map(str::to_owned);
    assert_eq!(alice.post("/refresh").status, 204);
    assert_eq!(who_is_signed_in(&mut alice).as_deref(), Some("alice"));
}

#[test]
fn a_csrf_value_is_made_beside_an_access_token_alone() {
    let app = TestApp::start();
    let alice = app.signed_in();
    let mut without_csrf = alice.clone();
    without_csrf.remove_cookie(CSRF);
    let response = without_csrf.get("/session");
    assert_eq!(response.json()["isLoggedIn"], true);
    assert_eq!(response.cookie_changes(), [CSRF]);
    let mut without_either = alice.clone();
    without_either.remove_cookie(CSRF);
    without_either.remove_cookie(AT);
    let response = without_either.get("/session");
    assert_eq!(response.json(), json!({"isLoggedIn": false}));
    assert!(response.set_cookies().is_empty());
    let mut by_csrf = alice;
    by_csrf.remove_cookie(AT);
    assert_eq!(who_is_signed_in(&mut by_csrf).as_deref(), Some("alice"));
    assert_eq!(
        by_csrf.post("/refresh").status,
        204,
        "the CSRF cookie says whose it is, too"
    );
}

#[test]
fn of_several_cookies_of_one_name_the_one_counts_that_opens_and_is_of_the_session() {
    let app = TestApp::start();
    let signed_in = app.signed_in();
    let altered = |value: &str| value[..value.len() - 5].to_owned() + "AAAAA";
    for (name, purpose) in [
        (AT, Purpose::AccessToken),
        (CSRF, Purpose::Csrf),
        (AUTH, Purpose::RefreshToken),
        (ID, Purpose::IdToken),
    ] {
        let own = signed_in.cookie(name).to_owned();
        let unknown = Forgery {
            keys: "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f".to_owned(),
            ..Forgery::of(&open(purpose, &own))
        };
        for value in [
            "",
            "garbage",
            &altered(&own),
            signed_in.cookie(AT),
            &unknown.seal(purpose),
            &own,
        ] {
            for paths in [&["/bff/refresh", "/bff/session"][..], &["/"], &PATHS] {
                let mut browser = signed_in.clone();
                for path in paths {
                    browser.plant(name, path, value);
                }
                // A host-locked name has one place alone; another one beside it is what a program could send.
                if !browser.cookies.values().any(|value| *value == own) {
                    browser.plant(name, "/bff", &own);
                }
                assert_eq!(
                    who_is_signed_in(&mut browser).as_deref(),
                    Some("alice"),
                    "{name} {value}"
                );
                assert_eq!(browser.post("/refresh").status, 204, "{name} {value} {paths:?}");
            }
        }
    }
}

#[test]
fn host_locked_cookies_of_different_sessions_under_one_name_are_no_session_until_the_user_signs_in() {
    let app = TestApp::start_with(Setup {
        top: "cookie_hardening = 'none'\nuserinfo_source = 'id_token'",
        ..Setup::default()
    });
    let mallory = app.browser().sign_in_as("mallory");
    let names = ["example-at", "example-csrf", "example-auth", "example-id"];
    let mut alice = planted(app.signed_in(), &mallory, &names, &["/bff"]);
    assert_eq!(alice.get("/session").json(), json!({"isLoggedIn": false}));
    for (method, endpoint) in [
        ("GET", "/claims"),
        ("GET", "/userInfo"),
        ("POST", "/refresh"),
        ("POST", "/logout"),
    ] {
        let response = alice.send(&alice.request(method, endpoint));
        assert_eq!(response.outcome(), "401 unauthorized_request", "{endpoint}");
    }
    assert_eq!(app.authorization_server.state().rotations, 0);
}

#[test]
fn parts_that_came_twice_and_parts_beside_a_whole_cookie_do_not_hide_the_users_own() {
    let app = TestApp::start();
    let (alice, mallory) = (app.signed_in(), app.browser().sign_in_as("mallory"));
    // A long refresh token's cookie, as three parts.
    let parts = |browser: &Browser<'_>| -> Vec<String> {
        let mut forgery = Forgery::of(&open(Purpose::RefreshToken, browser.cookie(AUTH)));
        forgery.value.truncate(forgery.value.len() - 1);
        forgery
            .value
            .extend_from_slice(format!(",\"padding\":\"{}\"}}", "x".repeat(6_000)).as_bytes());
        let sealed = forgery.seal(Purpose::RefreshToken).into_bytes();
        sealed
            .chunks(3_800)
            .map(|part| String::from_utf8(part.to_vec()).unwrap())
            .collect()
    };
    let (own_parts, planted_parts) = (parts(&alice), parts(&mallory));
    assert_eq!(own_parts.len(), 3);
    let name = |index: usize| format!("{AUTH}.{}", index + 1);
    let mut split = alice.clone();
    split.remove_cookie(AUTH);
    for (index, part) in own_parts.iter().enumerate() {
        split.plant(&name(index), "/bff", part);
    }
    for paths in [&["/"][..], &["/bff/refresh"], &["/", "/bff/refresh"]] {
        for indices in [&[0, 1, 2][..], &[0], &[1], &[2], &[0, 2]] {
            for own in [&alice, &split] {
                let mut browser = own.clone();
                for (index, path) in indices
                    .iter()
                    .flat_map(|index| paths.iter().map(move |path| (index, path)))
                {
                    browser.plant(&name(*index), path, &planted_parts[*index]);
                }
                let response = browser.post("/refresh");
                assert_eq!(
                    response.status,
                    204,
                    "parts {indices:?} at {paths:?}, own parts: {}",
                    own.cookies.len() - 3
                );
            }
        }
        let mut browser = split.clone();
        for path in paths {
            browser.plant(AUTH, path, mallory.cookie(AUTH));
            browser.plant(&format!("{AUTH}.4"), path, "AAAA");
            browser.plant(&format!("{AUTH}.99999"), path, "AAAA");
            browser.plant(&format!("{AUTH}.01"), path, "AAAA");
        }
        assert_eq!(
            browser.post("/refresh").status,
            204,
            "a whole one beside parts, at {paths:?}"
        );
    }
}

#[test]
fn a_flood_of_cookies_of_one_name_is_read_up_to_a_bound_and_signing_in_works() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let own = browser.cookie(AUTH).to_owned();
    let flood: Vec<String> = (0..400)
        .map(|number| format!("{AUTH}={number}; {ID}.{number}=x; {AUTH}.1={number}"))
        .collect();
    let request = browser.request("POST", "/refresh").header("cookie", flood.join("; "));
    let behind = browser.request("GET", "/session").header("cookie", flood.join("; "));
    assert_eq!(browser.send(&request).status, 204, "the user's own comes first");
    assert_eq!(browser.send(&behind).json()["isLoggedIn"], true);
    let in_front = browser
        .request("POST", "/refresh")
        .without("cookie")
        .header("cookie", flood.join("; "))
        .header("cookie", format!("{CSRF}={}; {AUTH}={own}", browser.cookie(CSRF)));
    assert_eq!(browser.send(&in_front).outcome(), "401 unauthorized_request");
    assert_eq!(browser.sign_in_as("alice").post("/refresh").status, 204);
}

#[test]
fn a_planted_login_cookie_does_not_keep_a_pending_login_from_being_finished() {
    let app = TestApp::start();
    let mut mallory = app.browser();
    mallory.start_login();
    for value in [mallory.cookie(LOGIN), "garbage", ""] {
        for path in ["/bff", "/bff/login/end"] {
            let mut alice = app.browser();
            let page_url = alice.authorize("alice");
            alice.plant(LOGIN, path, value);
            assert_eq!(alice.load_page(page_url.as_str()).status, 200, "{value} at {path}");
            assert_eq!(alice.sign_in_as("alice").get("/userInfo").status, 200);
        }
    }
}

#[test]
fn the_csrf_value_of_no_session_says_whose_session_it_is_to_nobody() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let nameless = Forgery {
        session: SessionId::NONE,
        ..Forgery::of(&open(Purpose::Csrf, browser.cookie(CSRF)))
    };
    browser.replace_cookie(CSRF, &nameless.seal(Purpose::Csrf));
    browser.remove_cookie(AT);
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
    assert_eq!(browser.post("/refresh").outcome(), "401 unauthorized_request");
}
