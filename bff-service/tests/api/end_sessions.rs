//! `POST /end-sessions` on the admin listener: an operator ends sessions.

use serde_json::{Value, json};

use crate::ended_sessions::{SID, is_ended, signed_in_twice};
use crate::support::app::{Setup, TestApp, WEB_ORIGIN};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};
use crate::support::forgery::now;
use crate::support::http::{Request, Response};
use crate::support::log_capture;

const TOKEN: &str = "a-token-of-operators-0123456789abcdef";
const MORE: &str = "[admin]\ntoken = 'a-token-of-operators-0123456789abcdef'";

fn with_token() -> TestApp {
    let server = FakeAuthorizationServer::start();
    server.state().claims.insert("sid".to_owned(), json!(SID));
    TestApp::start_against(
        server,
        Setup {
            more: MORE,
            ..Setup::default()
        },
    )
}

fn request(body: &Value) -> Request {
    Request::new("POST", "/end-sessions")
        .header("authorization", format!("Bearer {TOKEN}"))
        .json(body)
}

fn end(app: &TestApp, body: &Value) -> Response {
    request(body).send(app.admin)
}

fn user(app: &TestApp, sub: &str) -> Value {
    json!({"user": {"iss": app.authorization_server.issuer(), "sub": sub}})
}

#[test]
fn an_operator_ends_all_sessions_of_a_user_and_of_nobody_else() {
    let app = with_token();
    let (mut one, mut other, mut bob) = (app.signed_in(), app.signed_in(), app.browser().sign_in_as("bob"));
    let response = end(&app, &user(&app, "alice"));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let body = response.json();
    assert!(body["ended"].as_str().unwrap().starts_with('u'), "{body}");
    assert_eq!((&body["entries"], &body["replicas_know"]), (&json!(1), &json!(false)));
    assert!(is_ended(&mut one) && is_ended(&mut other) && !is_ended(&mut bob));
    assert!(!is_ended(&mut app.signed_in()));
    assert_eq!(app.metric("bff_logouts_total{by=\"operator\"}"), 1);
}

#[test]
fn the_audit_lines_of_an_accepted_and_of_a_refused_call_have_its_request_id() {
    let app = with_token();
    let accepted = request(&user(&app, "alice")).header("x-request-id", "operators-call-1");
    assert_eq!(accepted.send(app.admin).status, 200);
    let refused = Request::new("POST", "/end-sessions").header("x-request-id", "operators-call-2");
    assert_eq!(refused.send(app.admin).status, 401);
    let lines = log_capture::lines();
    for (event, id) in [("operator_logout", "operators-call-1"), ("refused", "operators-call-2")] {
        let (event, id) = (format!("event={event} "), format!("request_id={id}"));
        assert!(
            lines.iter().any(|line| line.contains(&event) && line.contains(&id)),
            "{id}"
        );
    }
}

#[test]
fn a_request_id_that_could_forge_an_audit_line_is_replaced() {
    let app = with_token();
    let forged = [
        "forged\" event=\"operator_logout",
        "forged event=refused",
        &"forged".repeat(11),
    ];
    for id in forged {
        let refused = Request::new("POST", "/end-sessions").header("x-request-id", id);
        assert_eq!(refused.send(app.admin).status, 401);
    }
    assert!(log_capture::lines().iter().any(|line| line.contains("event=refused ")));
    assert!(!log_capture::lines().iter().any(|line| line.contains("forged")));
}

#[test]
fn an_operator_ends_the_sessions_of_one_login() {
    let app = with_token();
    let (mut alice, mut elsewhere) = signed_in_twice(&app);
    let login = json!({"login": {"iss": app.authorization_server.issuer(), "sid": SID}});
    let response = end(&app, &login);
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.json()["ended"].as_str().unwrap().starts_with('l'));
    assert!(is_ended(&mut alice) && !is_ended(&mut elsewhere));
}

#[test]
fn an_operator_ends_all_sessions_that_began_before_a_time_and_later_ones_live() {
    let app = with_token();
    let (mut alice, mut bob) = (app.signed_in(), app.browser().sign_in_as("bob"));
    let long_ago = end(&app, &json!({"began_before": now() - 10_000}));
    assert_eq!(long_ago.status, 200, "{long_ago:?}");
    assert!(!is_ended(&mut alice) && !is_ended(&mut bob));
    let response = end(&app, &json!({"began_before": now()}));
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    assert!(body["ended"].as_str().unwrap().starts_with('a'), "{body}");
    assert_eq!(body["entries"], 1);
    assert!(is_ended(&mut alice) && is_ended(&mut bob));
    // Within the same second.
    let (mut again, mut other) = (app.signed_in(), app.browser().sign_in_as("bob"));
    assert!(!is_ended(&mut again) && !is_ended(&mut other));
    // And these end as well, however soon.
    assert_eq!(end(&app, &json!({"began_before": now()})).status, 200);
    assert!(is_ended(&mut again) && is_ended(&mut other));
}

#[test]
fn a_login_in_progress_does_not_survive_the_end_of_all_sessions() {
    let app = with_token();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave("token", Misbehaviour::Hang);
    let before = app.authorization_server.requests("token");
    std::thread::scope(|scope| {
        let login = scope.spawn(|| browser.load_page(page_url.as_str()));
        app.authorization_server.wait_for_requests("token", before + 1);
        assert_eq!(end(&app, &json!({"began_before": now()})).status, 200);
        app.authorization_server.behave();
        assert_eq!(login.join().unwrap().outcome(), "401 login_required");
    });
}

#[test]
fn without_the_credential_nobody_ends_a_session() {
    let app = with_token();
    let mut browser = app.signed_in();
    let valid = request(&user(&app, "alice"));
    let with = |value: &str| valid.clone().without("authorization").header("authorization", value);
    for refused in [
        valid.clone().without("authorization"),
        with(TOKEN),
        with("Bearer "),
        with("Bearer"),
        with(&format!("Basic {TOKEN}")),
        with(&format!("Bearer {TOKEN}x")),
        with(&format!("Bearer {}", &TOKEN[1..])),
        with(&format!("Bearer  {TOKEN}")),
        valid.clone().header("authorization", format!("Bearer {TOKEN}")),
    ] {
        let response = refused.send(app.admin);
        assert_eq!(response.outcome(), "401 unauthorized_request", "{refused:?}");
        assert_eq!(
            response.header("www-authenticate"),
            Some("Bearer realm=\"bff-admin\""),
            "{refused:?}"
        );
    }
    assert!(!is_ended(&mut browser));
    let refusals = "bff_refusals_total{endpoint=\"end_sessions\",reason=\"admin_token\"}";
    assert_eq!(app.metric(refusals), 9);
}

#[test]
fn a_browser_cannot_end_sessions_even_with_the_credential() {
    let app = with_token();
    let mut browser = app.signed_in();
    let valid = request(&user(&app, "alice"));
    for (name, value) in [
        ("origin", "https://www.example.test"),
        ("origin", "null"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "cors"),
    ] {
        let response = valid.clone().header(name, value).send(app.admin);
        assert_eq!(response.outcome(), "401 unauthorized_request", "{name}");
        assert_eq!(response.header("access-control-allow-origin"), None, "{name}");
    }
    let preflight = Request::new("OPTIONS", "/end-sessions").header("origin", "https://www.example.test");
    assert_eq!(preflight.send(app.admin).header("access-control-allow-origin"), None);
    assert!(!is_ended(&mut browser));
}

#[test]
fn a_request_that_does_not_say_exactly_what_to_end_is_refused_with_what_to_write_and_ends_nothing() {
    let app = with_token();
    let mut browser = app.signed_in();
    let iss = app.authorization_server.issuer();
    for body in [
        json!({}),
        json!([]),
        json!({"user": {"iss": iss}}),
        json!({"user": {"iss": iss, "sub": ""}}),
        json!({"user": {"iss": "https://other.example", "sub": "alice"}}),
        json!({"user": {"iss": iss, "sub": "alice", "sid": SID}}),
        json!({"user": {"iss": iss, "sub": "alice"}, "login": {"iss": iss, "sid": SID}}),
        json!({"user": "alice"}),
        json!({"login": {"iss": iss, "sub": "alice"}}),
        json!({"everybody": true}),
        json!({"began_before": now() + 60}),
        json!({"began_before": -1}),
        json!({"began_before": "0"}),
        json!({"began_before": 0.5}),
        json!({"began_before": null}),
        json!({"began_before": 0, "user": {"iss": iss, "sub": "alice"}}),
    ] {
        let response = end(&app, &body);
        assert_eq!(response.outcome(), "400 invalid_request", "{body}");
    }
    let other_issuer = end(&app, &json!({"user": {"iss": "https://other.example", "sub": "alice"}}));
    let message = other_issuer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("authorization_server.issuer"), "{message}");
    let valid = request(&user(&app, "alice"));
    let as_form = valid
        .clone()
        .without("content-type")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(as_form.send(app.admin).outcome(), "415 invalid_request");
    assert_eq!(
        valid.body(vec![b' '; 20_000]).send(app.admin).outcome(),
        "413 invalid_request"
    );
    assert!(!is_ended(&mut browser));
}

#[test]
fn without_a_token_in_the_configuration_there_is_no_such_endpoint_and_never_at_the_public_listener() {
    let without = TestApp::start();
    assert_eq!(end(&without, &user(&without, "alice")).status, 404);
    let app = with_token();
    for path in ["/end-sessions", "/bff/end-sessions"] {
        let mut public = request(&user(&app, "alice")).header("origin", WEB_ORIGIN);
        public.target = path.to_owned();
        assert_eq!(public.send(app.address).outcome(), "404 not_found", "{path}");
    }
    assert_eq!(Request::new("GET", "/end-sessions").send(app.admin).status, 404);
}

#[test]
fn the_audit_line_says_what_an_operator_ended_and_no_secret() {
    let app = with_token();
    app.signed_in();
    let response = end(&app, &user(&app, "alice-of-the-audit"));
    let name = response.json()["ended"].as_str().unwrap().to_owned();
    let lines = log_capture::lines();
    let lines: Vec<_> = lines.iter().filter(|line| line.contains(&name)).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("an operator ended all sessions of a user"),
        "{lines:?}"
    );
    assert!(
        !lines[0].contains(TOKEN) && !lines[0].contains("alice-of-the-audit"),
        "{lines:?}"
    );
}
