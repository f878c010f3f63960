//! `POST /logout` with `everywhere`: ends all sessions of the user.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::{SessionId, SubjectHash};
use serde_json::json;

use crate::ended_sessions::is_ended;
use crate::support::app::{BOUND, TestApp};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::device::{ON, SESSION, begin, bind, is_signed_in};
use crate::support::forgery::{now, open};
use crate::support::http::Response;

/// What a service without Redis cannot do.
const NOT_DONE: [&str; 3] = ["other_tokens", "other_browsers", "other_replicas"];

fn log_out_everywhere(browser: &mut Browser<'_>) -> Response {
    let request = browser.request("POST", "/logout").json(&json!({"everywhere": true}));
    browser.send(&request)
}

#[test]
fn a_logout_everywhere_ends_all_sessions_of_the_user_and_says_what_it_cannot_do() {
    let app = TestApp::start();
    let (mut browser, mut other) = (app.signed_in(), app.signed_in());
    let mut copy = browser.clone();
    let mut bob = app.browser().sign_in_as("bob");
    let response = log_out_everywhere(&mut browser);
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    assert_eq!(body["notDone"], json!(NOT_DONE));
    assert!(body["url"].as_str().unwrap().contains("/logout?"), "{body}");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookie_names());
    assert!(is_ended(&mut other) && is_ended(&mut copy) && !is_ended(&mut bob));
    // Only this session's tokens are known, and revoked.
    app.authorization_server
        .wait_until("both tokens are revoked", |state| state.revoked.len() == 2);
    assert_eq!(app.metric("bff_logouts_total{by=\"user_everywhere\"}"), 1);
    assert_eq!(app.metric("bff_logouts_total{by=\"user\"}"), 0);
    // And she may sign in again, within the same second.
    assert!(!is_ended(&mut app.signed_in()));
}

#[test]
fn a_logout_with_an_empty_object_or_without_everywhere_ends_this_session_alone() {
    let app = TestApp::start();
    let mut other = app.signed_in();
    for body in [json!({}), json!({"everywhere": false})] {
        let mut browser = app.signed_in();
        let response = browser.send(&browser.request("POST", "/logout").json(&body));
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json().as_object().unwrap().len(), 1, "{response:?}");
        assert!(!is_ended(&mut other), "{body}");
    }
}

#[test]
fn a_body_that_is_not_exactly_that_is_refused_and_ends_nothing() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for body in [
        r#"{"everywhere":"true"}"#,
        r#"{"everywhere":1}"#,
        r#"{"everywhere":null}"#,
        r#"{"everywhere":true,"everywhere":true}"#,
        r#"{"everywhere":true,"user":"bob"}"#,
        r#"{"Everywhere":true}"#,
        r#"{"everywhere":true"#,
        r#"{"everywhere":true}{}"#,
        "[true]",
        "true",
        "null",
        "everywhere",
        " ",
    ] {
        let request = browser
            .request("POST", "/logout")
            .header("content-type", "application/json");
        let response = browser.send(&request.body(body));
        assert_eq!(response.outcome(), "400 invalid_request", "{body}");
        assert!(response.set_cookies().is_empty(), "{body}");
    }
    let form = browser.request("POST", "/logout").form(&[("everywhere", "true")]);
    assert_eq!(browser.send(&form).outcome(), "415 invalid_request");
    assert!(!is_ended(&mut browser));
}

#[test]
fn a_logout_everywhere_needs_a_session_its_csrf_value_and_a_trusted_origin() {
    let app = TestApp::start();
    let (mut browser, mut other) = (app.signed_in(), app.signed_in());
    let body = json!({"everywhere": true});
    let request = browser.request("POST", "/logout").json(&body);
    for refused in [
        request.clone().without("x-example-csrf"),
        request.clone().without("cookie"),
        request.clone().without("origin"),
        request.without("origin").header("origin", "https://evil.example"),
    ] {
        assert_eq!(refused.send(app.address).outcome(), "401 unauthorized_request");
    }
    assert!(!is_ended(&mut browser) && !is_ended(&mut other));
}

#[test]
fn a_refresh_of_another_session_that_is_in_progress_does_not_survive_a_logout_everywhere() {
    let app = TestApp::start();
    let (mut browser, other) = (app.signed_in(), app.signed_in());
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    std::thread::scope(|scope| {
        let mut tab = other.clone();
        let refresh = scope.spawn(move || tab.post("/refresh"));
        app.authorization_server.wait_for_requests("token", before + 1);
        assert_eq!(log_out_everywhere(&mut browser).status, 200);
        app.authorization_server.behave();
        assert_eq!(refresh.join().unwrap().outcome(), "401 session_expired");
    });
    // The tokens that the server issued for it are revoked, besides those of the session that was signed out.
    app.authorization_server
        .wait_until("no refresh token is valid", |state| {
            state.live_refresh_tokens().is_empty()
        });
    assert!(is_ended(&mut other.clone()));
}

#[test]
fn a_login_that_is_in_progress_does_not_survive_a_logout_everywhere() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let mut elsewhere = app.browser();
    let page_url = elsewhere.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    std::thread::scope(|scope| {
        let login = scope.spawn(|| elsewhere.load_page(page_url.as_str()));
        app.authorization_server.wait_for_requests("token", before + 1);
        assert_eq!(log_out_everywhere(&mut browser).status, 200);
        app.authorization_server.behave();
        assert_eq!(login.join().unwrap().outcome(), "401 login_required");
    });
}

#[test]
fn a_session_of_an_unknown_user_ends_alone_and_the_response_says_so() {
    let app = TestApp::start();
    let (mut browser, mut other) = (app.signed_in(), app.signed_in());
    for browser in [&mut browser, &mut other] {
        for (name, purpose) in SESSION {
            browser.reseal(name, purpose, |cookie| {
                let (number, _, login) = cookie.session.parts();
                cookie.session = SessionId::new(number, SubjectHash::NONE, login);
            });
        }
    }
    let response = log_out_everywhere(&mut browser);
    assert_eq!(response.status, 200, "{response:?}");
    let not_done = [&["other_sessions"], &NOT_DONE[..]].concat();
    assert_eq!(response.json()["notDone"], json!(not_done));
    assert!(!is_ended(&mut other));
    assert_eq!(app.metric("bff_logouts_total{by=\"user\"}"), 1);
}

#[test]
fn a_logout_everywhere_of_a_bound_session_needs_a_proof_of_the_last_half_minute() {
    let app = TestApp::start_with(ON);
    let ((mut browser, mut device), (mut other, _)) = (bind(&app), bind(&app));
    let aged = |browser: &mut Browser<'_>, value: Vec<u8>| {
        browser.reseal(BOUND, Purpose::DeviceBinding, |cookie| cookie.value = value);
    };
    // The second is a proof of an earlier release.
    let stale = [(now() - 40).to_be_bytes().to_vec(), Vec::new()];
    for value in stale {
        aged(&mut browser, value);
        assert!(is_signed_in(&mut browser), "for anything else, the proof is valid");
        let response = log_out_everywhere(&mut browser);
        assert_eq!(response.outcome(), "401 device_binding_required");
        // The response clears the proof and nothing else, so that the browser gets another.
        assert_eq!(response.cookie_changes(), [format!("-{BOUND}")]);
        let without = log_out_everywhere(&mut browser);
        assert_eq!(without.outcome(), "401 device_binding_required");
        assert_eq!(device.refresh(&mut browser).status, 200);
    }
    assert!(is_signed_in(&mut other));
    assert_eq!(log_out_everywhere(&mut browser).status, 200);
    assert!(!is_signed_in(&mut other));
}

#[test]
fn a_session_that_may_still_be_bound_signs_out_everywhere_and_one_that_was_bound_since_does_not() {
    let app = TestApp::start_with(ON);
    let (mut provisional, offer) = begin(&app);
    let mut copy = provisional.clone();
    let mut device = crate::support::device::Device::new();
    assert_eq!(device.register(&mut provisional, &offer).status, 200);
    // The copy has the provisional cookies, which the service still accepts for reading.
    assert!(is_signed_in(&mut copy));
    assert_eq!(log_out_everywhere(&mut copy).outcome(), "401 device_binding_required");
    assert!(is_signed_in(&mut provisional));
    let (mut undecided, _) = begin(&app);
    assert_eq!(log_out_everywhere(&mut undecided).status, 200);
    assert!(!is_signed_in(&mut provisional));
}

#[test]
fn a_proof_says_when_the_device_has_signed() {
    let app = TestApp::start_with(ON);
    let before = now();
    let (browser, _) = bind(&app);
    let proof = open(Purpose::DeviceBinding, browser.cookie(BOUND));
    let made_at = u64::from_be_bytes(proof.value.as_slice().try_into().unwrap());
    assert!((before..=now()).contains(&made_at));
}
