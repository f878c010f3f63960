//! A code or a refresh token that the authorization server rejects: temporarily, because the user must sign in, or
//! because of an error of the configuration or the server (`docs/CONTRACT.md`, section 1.2).

use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use bff_core::cookie::purpose::Purpose;
use bff_service::telemetry::logging::session_name;
use serde_json::json;

use crate::support::app::{AUTH, Setup, TestApp, WEB_ORIGIN};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};
use crate::support::browser::Browser;
use crate::support::forgery::open;
use crate::support::http::Response;
use crate::support::log_capture;

/// Temporary errors of the authorization server: statuses, and error codes with any other status.
const NOT_NOW: [(u16, &str); 8] = [
    (429, "{}"),
    (429, "<html>slow down</html>"),
    (429, r#"{"error":"invalid_grant"}"#),
    (503, "{}"),
    (408, ""),
    (425, "{}"),
    (400, r#"{"error":"temporarily_unavailable"}"#),
    (400, r#"{"error":"slow_down"}"#),
];

/// The error codes that only the user can resolve.
const USER_MUST_COME: [&str; 7] = [
    "invalid_grant",
    "invalid_token",
    "interaction_required",
    "login_required",
    "consent_required",
    "account_selection_required",
    "access_denied",
];

/// The error codes that the operators must investigate.
const FAULTS: [(u16, &str); 9] = [
    (401, r#"{"error":"invalid_client"}"#),
    (400, r#"{"error":"invalid_request"}"#),
    (
        400,
        r#"{"error":"unauthorized_client","error_description":"invalid_grant"}"#,
    ),
    (400, r#"{"error":"unsupported_grant_type"}"#),
    (400, r#"{"error":"server_error"}"#),
    (400, r#"{"error":"a_code_of_its_own"}"#),
    (400, "{}"),
    (403, "<html>forbidden</html>"),
    (404, "invalid_grant"),
];

fn error(status: u16, body: &str) -> Misbehaviour {
    Misbehaviour::Respond(status, body.to_owned())
}

/// The same with a `Retry-After`.
fn error_with_retry_after(status: u16, retry_after: &str) -> Misbehaviour {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nretry-after: {retry_after}");
    Misbehaviour::Raw(format!("{head}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}").into_bytes())
}

fn retry_after(response: &Response) -> Option<&str> {
    response.header("retry-after")
}

#[test]
fn a_refresh_that_is_refused_for_now_is_503_and_the_session_goes_on() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for (status, body) in NOT_NOW {
        app.authorization_server.misbehave("token", error(status, body));
        let response = browser.post("/refresh");
        assert_eq!(response.outcome(), "503 authorization_server_error", "{status} {body}");
        assert!(response.set_cookies().is_empty(), "{status} {body}");
        assert_eq!(retry_after(&response), None, "the server did not say when");
        app.authorization_server.behave();
        assert_eq!(browser.get("/session").json()["isLoggedIn"], true, "{status} {body}");
        assert_eq!(browser.post("/refresh").status, 204, "{status} {body}");
    }
}

#[test]
fn retry_after_is_handed_on_as_1_to_300_seconds_and_exposed_to_the_page() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let date = |seconds: u64| HttpDate::from(SystemTime::now() + Duration::from_secs(seconds)).to_string();
    let past = HttpDate::from(SystemTime::UNIX_EPOCH).to_string();
    for (said, expected) in [
        ("20", 20..=20),
        ("0", 1..=1),
        ("301", 300..=300),
        ("99999999999999999999999", 300..=300),
        (&date(120), 1..=120),
        (&date(100_000), 300..=300),
        (&past, 1..=1),
    ] {
        for status in [429, 503] {
            app.authorization_server
                .misbehave("token", error_with_retry_after(status, said));
            let response = browser.post("/refresh");
            assert_eq!(response.outcome(), "503 authorization_server_error", "{said}");
            let seconds: u64 = retry_after(&response).expect(said).parse().unwrap();
            assert!(expected.contains(&seconds), "{said}: {seconds}");
            assert_eq!(response.header("access-control-allow-origin"), Some(WEB_ORIGIN));
            assert_eq!(response.header("access-control-expose-headers"), Some("retry-after"));
        }
    }
    for nonsense in ["soon", "-1", "1.5", "Fri, 99 Nov 2026"] {
        app.authorization_server
            .misbehave("token", error_with_retry_after(429, nonsense));
        assert_eq!(retry_after(&browser.post("/refresh")), None, "{nonsense}");
    }
}

#[test]
fn every_caller_of_one_refresh_is_told_when_to_come_again() {
    let app = TestApp::start();
    let browser = app.signed_in();
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    std::thread::scope(|scope| {
        let tabs: Vec<_> = (0..5)
            .map(|_| {
                let mut tab = browser.clone();
                scope.spawn(move || tab.post("/refresh"))
            })
            .collect();
        app.authorization_server.wait_for_requests("token", before + 1);
        app.authorization_server
            .misbehave("token", error_with_retry_after(429, "7"));
        app.authorization_server.go_on();
        for tab in tabs {
            let response = tab.join().unwrap();
            assert_eq!(response.outcome(), "503 authorization_server_error");
            assert_eq!(retry_after(&response), Some("7"));
        }
    });
}

/// The alert for lost sessions counts these.
#[test]
fn a_refresh_for_which_the_user_has_to_come_is_an_event_in_the_log_and_counted_with_its_reason() {
    let app = TestApp::start();
    let session = |browser: &Browser<'_>| {
        let session = open(Purpose::RefreshToken, browser.cookie(AUTH)).session.unwrap();
        session_name(session)
    };
    for (number, code) in (1..).zip(USER_MUST_COME) {
        let mut browser = app.signed_in();
        let event = format!("event=refresh_failed session={}", session(&browser));
        app.authorization_server
            .misbehave("token", error(400, &format!(r#"{{"error":"{code}"}}"#)));
        assert_eq!(browser.post("/refresh").outcome(), "401 session_expired", "{code}");
        app.authorization_server.behave();
        let lines = log_capture::lines();
        let events: Vec<_> = lines.iter().filter(|line| line.contains(&event)).collect();
        assert_eq!(events.len(), 1, "{code}: {events:?}");
        assert!(
            events[0].starts_with("WARN audit") && events[0].contains(code),
            "{events:?}"
        );
        let counted = app.metric(r#"bff_refusals_total{endpoint="refresh",reason="refresh_token_refused"}"#);
        assert_eq!(counted, number, "{code}");
    }
}

#[test]
fn a_refresh_for_which_the_user_has_to_come_ends_the_session() {
    let app = TestApp::start();
    for code in USER_MUST_COME {
        for status in [400, 401, 403] {
            let mut browser = app.signed_in();
            let body = format!(r#"{{"error":"{code}","error_description":"AADSTS50076"}}"#);
            app.authorization_server.misbehave("token", error(status, &body));
            let response = browser.post("/refresh");
            app.authorization_server.behave();
            assert_eq!(response.outcome(), "401 session_expired", "{status} {code}");
            assert!(browser.cookies.is_empty(), "{code}: {:?}", browser.cookie_names());
            assert_eq!(browser.get("/session").json()["isLoggedIn"], false, "{code}");
        }
    }
}

#[test]
fn a_refresh_that_fails_for_a_fault_is_502_an_error_in_the_log_and_the_session_goes_on() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for (status, body) in FAULTS {
        app.authorization_server.misbehave("token", error(status, body));
        let before = log_capture::lines().len();
        let response = browser.post("/refresh");
        assert_eq!(response.outcome(), "502 authorization_server_error", "{status} {body}");
        assert!(response.set_cookies().is_empty(), "{status} {body}");
        let told = format!("the token endpoint answered HTTP {status}");
        let lines = log_capture::lines();
        assert!(
            lines[before..]
                .iter()
                .any(|line| line.starts_with("ERROR") && line.contains(&told)),
            "{status} {body}: {:?}",
            &lines[before..]
        );
        app.authorization_server.behave();
        assert_eq!(browser.post("/refresh").status, 204, "{status} {body}");
    }
}

#[test]
fn a_login_that_is_refused_for_now_is_503_and_goes_on_with_the_same_code_later() {
    let app = TestApp::start();
    for (status, body) in NOT_NOW {
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        app.authorization_server.misbehave("token", error(status, body));
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.outcome(), "503 authorization_server_error", "{status} {body}");
        assert!(response.set_cookies().is_empty(), "the pending login stays as it is");
        app.authorization_server.behave();
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.json()["isLoggedIn"], true, "{status} {body}");
    }
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    app.authorization_server
        .misbehave("token", error_with_retry_after(429, "20"));
    assert_eq!(retry_after(&browser.load_page(page_url.as_str())), Some("20"));
}

#[test]
fn a_login_that_is_refused_says_whether_the_user_can_do_something_about_it_and_spares_the_session_there_was() {
    let app = TestApp::start();
    let user_must_come = USER_MUST_COME.map(|code| {
        let outcome = match code {
            "invalid_grant" => "400 authorization_error",
            _ => "401 login_required",
        };
        (400, format!(r#"{{"error":"{code}"}}"#), outcome)
    });
    let faults = FAULTS.map(|(status, body)| (status, body.to_owned(), "502 authorization_server_error"));
    for (status, body, outcome) in user_must_come.into_iter().chain(faults) {
        let mut browser = app.signed_in();
        let page_url = browser.authorize("alice");
        app.authorization_server.misbehave("token", error(status, &body));
        let before = log_capture::lines().len();
        let response = browser.load_page(page_url.as_str());
        app.authorization_server.behave();
        assert_eq!(response.outcome(), outcome, "{status} {body}");
        if outcome.starts_with("502") {
            let told =
                format!("ERROR audit refused login_end: HTTP {outcome}: the token endpoint answered HTTP {status}");
            let lines = log_capture::lines();
            assert!(
                lines[before..].iter().any(|line| line.starts_with(&told)),
                "{status} {body}"
            );
        }
        assert_eq!(browser.get("/session").json()["isLoggedIn"], true, "{status} {body}");
    }
}

#[test]
fn a_pushed_request_that_is_refused_for_now_is_503_and_the_next_one_begins_a_login() {
    let server = FakeAuthorizationServer::start();
    let endpoint = format!("{}/par", server.issuer());
    server.state().metadata.extend([
        ("pushed_authorization_request_endpoint".to_owned(), json!(endpoint)),
        ("require_pushed_authorization_requests".to_owned(), json!(true)),
    ]);
    let app = TestApp::start_against(server, Setup::default());
    let mut browser = app.browser();
    // The only endpoint of this server that it does not know.
    let refuse = |how: Misbehaviour| app.authorization_server.misbehave("unknown", how);
    for (status, body) in NOT_NOW {
        refuse(error(status, body));
        let response = browser.post("/login/start");
        assert_eq!(response.outcome(), "503 authorization_server_error", "{status} {body}");
        assert!(response.set_cookies().is_empty(), "{status} {body}");
    }
    refuse(error_with_retry_after(429, "20"));
    assert_eq!(retry_after(&browser.post("/login/start")), Some("20"));
    refuse(Misbehaviour::Respond(
        201,
        r#"{"request_uri":"urn:x","expires_in":60}"#.to_owned(),
    ));
    assert_eq!(browser.post("/login/start").status, 200);
}
