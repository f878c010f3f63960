//! `/refresh` with a server that rotates refresh tokens and ends the session after a second use of one.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use serde_json::{Value, json};

use crate::support::app::{AT, AUTH, CSRF, ID, Setup, TestApp, wait_until};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::forgery::open;

const COOKIES: [(&str, Purpose); 4] = [
    (AT, Purpose::AccessToken),
    (CSRF, Purpose::Csrf),
    (AUTH, Purpose::RefreshToken),
    (ID, Purpose::IdToken),
];

/// The content of the cookies of a session.
fn contents(browser: &Browser<'_>) -> Vec<Vec<u8>> {
    COOKIES
        .iter()
        .map(|(name, purpose)| open(*purpose, browser.cookie(name)).value.to_vec())
        .collect()
}

#[test]
fn a_refresh_replaces_the_tokens_and_keeps_the_csrf_value_and_the_session() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let before = contents(&browser);
    let session = open(Purpose::AccessToken, browser.cookie(AT)).session;
    let response = browser.post("/refresh");
    assert_eq!(response.status, 204);
    assert_eq!(response.body, "");
    assert_eq!(response.cookie_changes(), [AT, CSRF, AUTH, ID]);
    let after = contents(&browser);
    assert_ne!(before[0], after[0], "a new access token");
    assert_eq!(before[1], after[1], "the same CSRF value");
    assert_ne!(before[2], after[2], "a new refresh token");
    for (name, purpose) in COOKIES {
        assert!(open(purpose, browser.cookie(name)).session == session, "{name}");
    }
    assert_eq!(browser.post("/refresh").status, 204, "and again");
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn without_rotation_and_without_a_new_id_token_the_old_ones_are_kept() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let before = contents(&browser);
    app.authorization_server.misbehave(
        "token",
        Misbehaviour::Respond(200, r#"{"access_token":"new","token_type":"Bearer"}"#.to_owned()),
    );
    assert_eq!(browser.post("/refresh").status, 204);
    let after = contents(&browser);
    assert_eq!(after[0], b"new");
    // The refresh cookie also says when it was renewed, which may be another second.
    let refresh_token = |content: &[u8]| {
        let content: Value = serde_json::from_slice(content).expect("JSON");
        content["refresh_token"].clone()
    };
    assert_eq!(refresh_token(&before[2]), refresh_token(&after[2]));
    assert!(refresh_token(&after[2]).is_string());
    assert_eq!(before[3], after[3]);
}

#[test]
fn fifty_refreshes_at_once_make_one_rotation_and_all_get_the_same_tokens() {
    let app = TestApp::start();
    let browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let tabs: Vec<_> = std::thread::scope(|scope| {
        let refreshes: Vec<_> = (0..50)
            .map(|_| {
                let mut tab = browser.clone();
                scope.spawn(move || {
                    assert_eq!(tab.post("/refresh").status, 204);
                    tab
                })
            })
            .collect();
        app.authorization_server.wait_for_requests("token", 2);
        app.authorization_server.behave();
        refreshes.into_iter().map(|refresh| refresh.join().unwrap()).collect()
    });
    assert_eq!(app.authorization_server.state().rotations, 1);
    assert_eq!(app.authorization_server.state().reuses, 0);
    for tab in &tabs {
        assert_eq!(contents(tab), contents(&tabs[0]));
    }
    let refreshes = |outcome: &str| app.metric(&format!("bff_refreshes_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((refreshes("rotated"), refreshes("failed")), (1, 0));
    assert_eq!(refreshes("coalesced") + refreshes("replayed"), 49);
}

#[test]
fn a_late_tab_with_the_old_refresh_token_gets_the_new_tokens() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut late = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(late.post("/refresh").status, 204);
    assert_eq!(contents(&browser), contents(&late));
    assert_eq!(app.authorization_server.state().rotations, 1);
}

#[test]
fn after_the_replay_window_an_old_refresh_token_is_what_it_is() {
    let app = TestApp::start_with(Setup {
        session: "refresh_replay_seconds = 0",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    let late = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(late.clone().post("/refresh").outcome(), "401 session_expired");
    assert_eq!(app.authorization_server.state().reuses, 1);
}

#[test]
fn a_refresh_is_never_answered_with_an_access_token_from_before_that_has_expired() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let response = json!({"access_token": "new", "token_type": "Bearer", "expires_in": 0});
    app.authorization_server
        .misbehave("token", Misbehaviour::Respond(200, response.to_string()));
    for refreshes in 1..=3 {
        assert_eq!(browser.post("/refresh").status, 204);
        assert_eq!(app.authorization_server.requests("token"), 1 + refreshes);
    }
}

#[test]
fn a_late_tab_whose_replay_has_expired_goes_on_with_the_refresh_token_of_the_replay() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut late = browser.clone();
    app.authorization_server.state().token_response = json!({"expires_in": 0}).as_object().unwrap().clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/refresh").status, 204);
    app.authorization_server.state().token_response.clear();
    assert_eq!(late.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().rotations, 3);
    assert_eq!(
        app.authorization_server.state().reuses,
        0,
        "nothing was used a second time"
    );
    let seconds = late.get("/session").json()["accessTokenExpiresIn"].as_u64();
    assert!(seconds > Some(0), "the access token is valid: {seconds:?}");
    assert_eq!(
        browser.post("/refresh").status,
        204,
        "the other tab has the same session"
    );
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_late_tab_that_is_two_refreshes_behind_does_not_put_an_older_refresh_token_over_the_newest() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut late = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(late.post("/refresh").status, 204);
    assert_eq!(contents(&browser), contents(&late));
    assert_eq!(app.authorization_server.state().rotations, 2);
}

#[test]
fn a_client_that_hangs_up_does_not_lose_the_rotated_token() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let connection = browser.request("POST", "/refresh").begin(app.address);
    app.authorization_server.wait_for_requests("token", 2);
    drop(connection);
    app.authorization_server.behave();
    app.authorization_server
        .wait_until("the rotation", |state| state.rotations == 1);
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(app.authorization_server.state().rotations, 1);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_leader_that_hangs_up_does_not_take_its_followers_along() {
    let app = TestApp::start();
    let browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let leader = browser.request("POST", "/refresh").begin(app.address);
    app.authorization_server.wait_for_requests("token", 2);
    std::thread::scope(|scope| {
        let mut tab = browser.clone();
        let follower = scope.spawn(move || tab.post("/refresh").status);
        drop(leader);
        app.authorization_server.behave();
        assert_eq!(follower.join().unwrap(), 204);
    });
    assert_eq!(app.authorization_server.state().rotations, 1);
}

#[test]
fn two_users_at_the_same_instant_each_get_their_own_tokens() {
    let app = TestApp::start();
    let browsers: Vec<_> = (0..10)
        .map(|number| app.browser().sign_in_as(&format!("user-{number}")))
        .collect();
    std::thread::scope(|scope| {
        for (number, browser) in browsers.iter().enumerate() {
            for _ in 0..3 {
                let mut tab = browser.clone();
                scope.spawn(move || {
                    assert_eq!(tab.post("/refresh").status, 204);
                    assert_eq!(tab.get("/claims").json()["sub"], format!("user-{number}"));
                });
            }
        }
    });
    assert_eq!(app.authorization_server.state().rotations, 10);
    assert_eq!(app.authorization_server.state().reuses, 0);
}

#[test]
fn a_refresh_token_that_is_no_longer_good_ends_the_session() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.end_all_sessions();
    let response = browser.post("/refresh");
    assert_eq!(response.outcome(), "401 session_expired");
    assert_eq!(
        response.cookie_changes(),
        [AUTH, AT, ID, CSRF].map(|name| format!("-{name}"))
    );
    assert!(browser.cookies.is_empty());
}

#[test]
fn only_the_error_code_invalid_grant_ends_the_session() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for body in [
        json!({"error": "invalid_client", "error_description": "invalid_grant"}),
        json!({"error": "invalid_grant_type"}),
        json!({"message": "invalid_grant"}),
        json!("invalid_grant"),
    ] {
        app.authorization_server
            .misbehave("token", Misbehaviour::Respond(400, body.to_string()));
        let response = browser.post("/refresh");
        assert_eq!(response.outcome(), "502 authorization_server_error", "{body}");
        assert!(response.set_cookies().is_empty(), "{body}");
    }
    app.authorization_server.behave();
    assert_eq!(browser.post("/refresh").status, 204);
}

#[test]
fn an_id_token_about_somebody_else_ends_the_session_at_refresh() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.state().claims = json!({"sub": "mallory"}).as_object().unwrap().clone();
    let response = browser.post("/refresh");
    assert_eq!(response.outcome(), "401 session_expired");
    assert_eq!(browser.get("/session").json()["isLoggedIn"], false);
}

#[test]
fn a_refresh_at_one_replica_is_good_at_the_other() {
    let one = TestApp::start();
    let other = TestApp::start_against(one.authorization_server.clone(), Setup::default());
    let mut browser = one.signed_in();
    assert_eq!(browser.post("/refresh").status, 204);
    browser.app = &other;
    assert_eq!(browser.post("/refresh").status, 204);
    assert_eq!(browser.get("/userInfo").status, 200);
}

#[test]
fn tokens_of_a_refresh_are_not_kept_beyond_the_replay_window() {
    let app = TestApp::start_with(Setup {
        session: "refresh_replay_seconds = 1",
        ..Setup::default()
    });
    let mut browser = app.signed_in();
    let late = browser.clone();
    assert_eq!(browser.post("/refresh").status, 204);
    wait_until("the window ends", || {
        late.clone().post("/refresh").outcome() == "401 session_expired"
    });
}

/// A cookie of version 1, from `docs/CONTRACT.md`, section 2.1. That version has no purposes: it opens in any place.
const V1_KEY: &str = ",4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50";
const V1_COOKIE: &str = "AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A";
const V1_VALUE: &str = "42665300-efe8-419d-be52-07b53e208f46";

#[test]
fn a_session_in_version_1_cookies_goes_on_in_version_2_where_that_is_allowed() {
    for (top, expected) in [("accept_v1_cookies = true", 204), ("", 401)] {
        let app = TestApp::start_with(Setup {
            top,
            more_keys: V1_KEY,
            ..Setup::default()
        });
        app.authorization_server.add_refresh_token(V1_VALUE, "alice");
        let mut browser = app.browser();
        for (name, path) in [(CSRF, "/"), (AUTH, "/bff")] {
            browser
                .cookies
                .insert((name.to_owned(), path.to_owned()), V1_COOKIE.to_owned());
        }
        browser.csrf = Some(V1_VALUE.to_owned());
        assert_eq!(browser.post("/refresh").status, expected, "{top}");
        if expected == 204 {
            let session = open(Purpose::RefreshToken, browser.cookie(AUTH)).session;
            assert!(session.is_some_and(|session| session != SessionId::NONE));
            assert!(open(Purpose::Csrf, browser.cookie(CSRF)).session == session);
            assert_eq!(browser.post("/refresh").status, 204);
        }
    }
}

/// It has no name, and neither has a login that is pending.
#[test]
fn signing_out_of_a_session_in_version_1_cookies_ends_nobody_elses_login() {
    for session in ["", "max_lifetime_seconds = 3600"] {
        let app = TestApp::start_with(Setup {
            top: "accept_v1_cookies = true",
            more_keys: V1_KEY,
            session,
            ..Setup::default()
        });
        let mut browser = app.browser();
        browser.plant(AUTH, "/bff", V1_COOKIE);
        assert_eq!(browser.get("/session").json()["isLoggedIn"], false, "set by anybody");
        browser.plant(AT, "/", V1_COOKIE);
        let page = browser.get("/session").json();
        browser.csrf = Some(page["csrf"].as_str().expect("a new CSRF value").to_owned());
        assert_eq!(browser.post("/logout").status, 200, "{session}");
        assert_eq!(app.signed_in().get("/userInfo").status, 200);
    }
}
