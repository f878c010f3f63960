//! Sessions that end when their user is not active: `session.max_idle_seconds` and `POST /touch`.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Opened;
use serde_json::json;

use crate::support::app::{AT, AUTH, CSRF, ID, KEYS, Setup, TestApp};
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, now, open, sealer};

const IDLE: &str = "max_idle_seconds = 600";

fn idle_app() -> TestApp {
    TestApp::start_with(Setup {
        session: IDLE,
        ..Setup::default()
    })
}

/// Whether `at` is so many seconds from now, or one of those that the test itself took.
fn is_in(seconds: u64, at: u64) -> bool {
    (seconds - 10..=seconds).contains(&(at - now()))
}

/// The user was last active so long ago that the session ends, or ended, at `at`.
fn active_until(browser: &mut Browser<'_>, at: u64) {
    browser.reseal(CSRF, Purpose::Csrf, |csrf| csrf.expires_at = at);
    browser.reseal(AT, Purpose::AccessToken, |token| {
        token.expires_at = at.min(token.expires_at);
    });
    browser.reseal(AUTH, Purpose::RefreshToken, |token| {
        let mut content: serde_json::Value = serde_json::from_slice(&token.value).unwrap();
        content["idle_ends_at"] = json!(at);
        token.value = content.to_string().into_bytes();
    });
}

fn opened(browser: &Browser<'_>, name: &str, purpose: Purpose) -> Opened {
    open(purpose, browser.cookie(name))
}

#[test]
fn activity_prolongs_an_idle_session_and_changes_only_the_csrf_cookie() {
    let app = idle_app();
    let mut browser = app.signed_in();
    assert!(is_in(600, opened(&browser, CSRF, Purpose::Csrf).expires_at));
    active_until(&mut browser, now() + 60);
    let before = browser.clone();
    let response = browser.post("/touch");
    assert_eq!(response.status, 200, "{response:?}");
    assert!(is_in(600, now() + response.json()["idleExpiresIn"].as_u64().unwrap()));
    assert_eq!(response.set_cookies().len(), 1);
    let after = opened(&browser, CSRF, Purpose::Csrf);
    assert!(is_in(600, after.expires_at));
    assert_eq!(after.value, opened(&before, CSRF, Purpose::Csrf).value);
    assert!(after.session == opened(&before, AT, Purpose::AccessToken).session);
    assert_eq!(app.authorization_server.state().rotations, 0);
}

#[test]
fn activity_does_not_prolong_a_session_beyond_its_lifetime() {
    let app = TestApp::start_with(Setup {
        session: "max_lifetime_seconds = 3600\nmax_idle_seconds = 600",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    for (name, purpose) in [
        (AT, Purpose::AccessToken),
        (CSRF, Purpose::Csrf),
        (AUTH, Purpose::RefreshToken),
    ] {
        browser.reseal(name, purpose, |cookie| {
            (cookie.began_at, cookie.expires_at) = (now() - 3500, now() + 100);
        });
    }
    let ends = browser.post("/touch").json();
    for member in ["sessionExpiresIn", "idleExpiresIn"] {
        assert!(is_in(100, now() + ends[member].as_u64().unwrap()), "{member}: {ends}");
    }
    assert!(is_in(100, opened(&browser, CSRF, Purpose::Csrf).expires_at));
}

#[test]
fn a_refresh_is_no_activity() {
    let app = idle_app();
    let mut browser = app.signed_in();
    active_until(&mut browser, now() + 60);
    let csrf = browser.cookie(CSRF).to_owned();
    let response = browser.post("/refresh");
    assert_eq!(response.status, 204, "{response:?}");
    assert_eq!(browser.cookie(CSRF), csrf, "the cookie that says it stays as it is");
    assert!(
        is_in(60, opened(&browser, AT, Purpose::AccessToken).expires_at),
        "the API is closed with it"
    );
    let session = browser.get("/session").json();
    assert!(
        is_in(60, now() + session["idleExpiresIn"].as_u64().unwrap()),
        "{session}"
    );
}

#[test]
fn a_session_that_was_idle_is_over_at_every_endpoint_and_its_cookies_are_cleared() {
    let app = idle_app();
    let mut idle = app.signed_in();
    active_until(&mut idle, now() - 1);
    let mut without_csrf = idle.clone();
    without_csrf.remove_cookie(CSRF);
    let mut without_access_token = idle.clone();
    without_access_token.remove_cookie(AT);
    for (case, browser) in [("idle", &idle), ("without its CSRF cookie", &without_csrf)] {
        for (method, endpoint) in [
            ("POST", "/refresh"),
            ("POST", "/touch"),
            ("POST", "/logout"),
            ("GET", "/userInfo"),
            ("GET", "/claims"),
        ] {
            let mut browser = browser.clone();
            let response = browser.send(&browser.request(method, endpoint));
            assert_eq!(response.outcome(), "401 session_expired", "{case}: {endpoint}");
            assert!(
                browser.cookies.is_empty(),
                "{case}: {endpoint}: {:?}",
                browser.cookie_names()
            );
        }
    }
    assert_eq!(without_access_token.post("/refresh").status, 401);
    for (case, mut browser) in [
        ("idle", idle),
        ("without its CSRF cookie", without_csrf),
        ("without its access token cookie", without_access_token),
    ] {
        let response = browser.get("/session");
        assert_eq!(response.json(), json!({"isLoggedIn": false}), "{case}");
        assert!(response.set_cookies().is_empty(), "{case}");
    }
    assert_eq!(app.authorization_server.state().rotations, 0);
    let series = "bff_refusals_total{endpoint=\"touch\",reason=\"session_over\"}";
    assert_eq!(app.metric(series), 2, "{}", app.admin("/metrics").body);
}

#[test]
fn a_csrf_cookie_that_was_lost_comes_back_with_the_time_that_was_left() {
    let app = idle_app();
    let mut browser = app.signed_in();
    active_until(&mut browser, now() + 60);
    browser.remove_cookie(CSRF);
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert!(is_in(60, opened(&browser, CSRF, Purpose::Csrf).expires_at));
}

#[test]
fn a_touch_and_a_refresh_undo_nothing_of_each_other_in_whatever_order_their_responses_come() {
    let app = idle_app();
    for touch_is_last in [false, true] {
        let mut browser = app.signed_in();
        active_until(&mut browser, now() + 60);
        let (mut refreshing, mut touching) = (browser.clone(), browser.clone());
        let (refreshed, touched) = (refreshing.post("/refresh"), touching.post("/touch"));
        assert_eq!((refreshed.status, touched.status), (204, 200));
        let responses = if touch_is_last {
            [refreshed, touched]
        } else {
            [touched, refreshed]
        };
        for response in &responses {
            browser.take_cookies(response);
        }
        assert!(is_in(600, opened(&browser, CSRF, Purpose::Csrf).expires_at));
        assert_eq!(
            browser.cookie(AUTH),
            refreshing.cookie(AUTH),
            "the newest refresh token"
        );
        assert_eq!(browser.post("/refresh").status, 204);
    }
}

#[test]
fn a_touch_whose_response_comes_after_a_logout_or_another_login_brings_nothing_back_and_breaks_nothing() {
    let app = idle_app();
    let mut browser = app.signed_in();
    let touched = browser.clone().post("/touch");
    assert_eq!(touched.status, 200);
    assert_eq!(browser.post("/logout").status, 200);
    browser.take_cookies(&touched);
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));

    browser.csrf = None;
    let mut browser = browser.sign_in_as("alice");
    browser.take_cookies(&touched);
    assert_eq!(
        browser.post("/refresh").status,
        401,
        "the CSRF cookie is of the earlier session"
    );
    let session = browser.get("/session").json();
    assert_eq!(session["isLoggedIn"], true);
    browser.csrf = session["csrf"].as_str().map(str::to_owned);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/touch").status, 200);
}

#[test]
fn a_refresh_seals_the_csrf_value_again_if_its_key_is_not_the_first_and_says_the_same_time() {
    let app = idle_app();
    let mut browser = app.signed_in();
    let second_key = KEYS.split(',').next_back().unwrap();
    let before = Forgery {
        expires_at: now() + 60,
        keys: second_key.to_owned(),
        ..Forgery::of(&opened(&browser, CSRF, Purpose::Csrf))
    };
    browser.replace_cookie(CSRF, &before.seal(Purpose::Csrf));
    assert_eq!(browser.post("/refresh").status, 204);
    let after = opened(&browser, CSRF, Purpose::Csrf);
    assert_eq!(Some(after.key_id), sealer(KEYS).key_ids().next());
    assert_eq!(
        (after.expires_at, after.value.to_vec()),
        (before.expires_at, before.value)
    );
}

#[test]
fn an_idle_time_that_is_configured_anew_holds_from_the_next_refresh() {
    let app = idle_app();
    let mut browser = app.signed_in();
    for (name, purpose) in [
        (CSRF, Purpose::Csrf),
        (AUTH, Purpose::RefreshToken),
        (ID, Purpose::IdToken),
    ] {
        browser.reseal(name, purpose, |cookie| cookie.expires_at = now() + 100_000);
    }
    assert_eq!(browser.post("/refresh").status, 204);
    assert!(is_in(600, opened(&browser, CSRF, Purpose::Csrf).expires_at));
}

#[test]
fn the_session_says_when_it_ends() {
    let app = TestApp::start();
    app.authorization_server.state().token_response = json!({"refresh_expires_in": 1800}).as_object().unwrap().clone();
    let mut browser = app.signed_in();
    let session = browser.get("/session").json();
    assert!(
        is_in(1800, now() + session["sessionExpiresIn"].as_u64().unwrap()),
        "{session}"
    );
    assert_eq!(
        (&session["idleExpiresIn"], &session["idleTimeout"]),
        (&json!(null), &json!(null))
    );
    let touched = browser.post("/touch");
    assert_eq!((touched.status, &touched.json()["idleExpiresIn"]), (200, &json!(null)));
    assert_eq!(browser.post("/refresh").status, 204, "the CSRF value is the same");

    let app = TestApp::start_with(Setup {
        session: "max_lifetime_seconds = 3600\nmax_idle_seconds = 600",
        ..Setup::default()
    });
    let session = app.signed_in().get("/session").json();
    assert!(
        is_in(3600, now() + session["sessionExpiresIn"].as_u64().unwrap()),
        "{session}"
    );
    assert!(
        is_in(600, now() + session["idleExpiresIn"].as_u64().unwrap()),
        "{session}"
    );
    assert_eq!(session["idleTimeout"], 600);
}

#[test]
fn an_idle_time_that_is_not_configured_any_more_is_told_until_somebody_is_active() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    active_until(&mut browser, now() + 60);
    let session = browser.get("/session").json();
    assert!(
        is_in(60, now() + session["idleExpiresIn"].as_u64().unwrap()),
        "{session}"
    );
    assert_eq!(browser.post("/touch").json()["idleExpiresIn"], json!(null));
    assert_eq!(browser.get("/session").json()["idleExpiresIn"], json!(null));
}

#[test]
fn a_session_is_over_with_its_refresh_token_even_if_its_user_is_active() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    browser.post("/touch");
    for (name, purpose) in [(AT, Purpose::AccessToken), (AUTH, Purpose::RefreshToken)] {
        browser.reseal(name, purpose, |cookie| cookie.expires_at = now() - 1);
    }
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
    for endpoint in ["/touch", "/refresh"] {
        let mut browser = browser.clone();
        assert_eq!(browser.post(endpoint).outcome(), "401 session_expired", "{endpoint}");
        assert!(browser.cookies.is_empty(), "{endpoint}: {:?}", browser.cookie_names());
    }
}

#[test]
fn a_touch_needs_the_csrf_value_and_a_session() {
    let app = idle_app();
    let mut browser = app.signed_in();
    let request = browser.request("POST", "/touch").without("x-example-csrf");
    assert_eq!(browser.send(&request).outcome(), "401 unauthorized_request");
    assert_eq!(app.browser().post("/touch").outcome(), "401 unauthorized_request");
    assert_eq!(browser.post("/logout").status, 200);
    let mut copy = app.signed_in();
    let stolen = copy.clone();
    assert_eq!(copy.post("/logout").status, 200);
    assert_eq!(stolen.clone().post("/touch").outcome(), "401 session_expired");
}
