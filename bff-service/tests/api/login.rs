//! `/login/start` and `/login/end`.

use std::collections::HashMap;

use serde_json::{Value, json};
use url::Url;

use crate::support::app::{AT, AUTH, CSRF, ID, LOGIN, REDIRECT_URI, Setup, TestApp};
use crate::support::authorization_server::{CLIENT_ID, Misbehaviour};
use crate::support::browser::Browser;
use crate::support::http::Response;

fn query_of(url: &str) -> HashMap<String, String> {
    let pairs: Vec<(String, String)> = Url::parse(url).unwrap().query_pairs().into_owned().collect();
    let count = pairs.len();
    let query: HashMap<_, _> = pairs.into_iter().collect();
    assert_eq!(query.len(), count, "a parameter is repeated in {url}");
    query
}

fn start_with(browser: &mut Browser<'_>, body: &Value) -> Response {
    browser.send(&browser.request("POST", "/login/start").json(body))
}

#[test]
fn a_login_starts_with_a_complete_authorization_request_and_one_cookie() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let response = browser.post("/login/start");
    assert_eq!(response.status, 200);
    assert_eq!(response.cookie_changes(), [LOGIN]);
    let url = response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with(&format!("{}/authorize?", app.authorization_server.issuer())),
        "{url}"
    );
    let query = query_of(&url);
    assert_eq!(query["client_id"], CLIENT_ID);
    assert_eq!(query["redirect_uri"], REDIRECT_URI);
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["code_challenge_method"], "S256");
    for parameter in ["state", "nonce", "code_challenge"] {
        assert!(
            query[parameter].len() >= 43,
            "{parameter} has less than 256 bits: {}",
            query[parameter]
        );
    }
}

#[test]
fn two_logins_have_nothing_in_common() {
    let app = TestApp::start();
    let (one, other) = (
        query_of(&app.browser().start_login()),
        query_of(&app.browser().start_login()),
    );
    for parameter in ["state", "nonce", "code_challenge"] {
        assert_ne!(one[parameter], other[parameter]);
    }
}

#[test]
fn a_finished_login_sets_the_cookies_in_the_order_of_the_contract() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let response = browser.load_page(page_url.as_str());
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    assert_eq!(body["handled"], true);
    assert_eq!(body["isLoggedIn"], true);
    assert!(body["csrf"].as_str().unwrap().len() >= 43);
    assert_eq!(body.as_object().unwrap().len(), 3);
    let cleared_login = format!("-{LOGIN}");
    assert_eq!(response.cookie_changes(), [AT, CSRF, &cleared_login, AUTH, ID]);
}

#[test]
fn every_cookie_has_exactly_the_attributes_of_the_contract() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let response = browser.load_page(page_url.as_str());
    for line in response.set_cookies() {
        let path = if line.starts_with("__Http-") { "/bff" } else { "/" };
        let cleared = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        let lifetime = if line.starts_with(LOGIN) { cleared } else { "" };
        let attributes = format!("; Path={path}; Secure; HttpOnly; SameSite=Strict{lifetime}");
        assert!(line.ends_with(&attributes), "{line}");
        assert_eq!(line.matches(';').count(), attributes.matches(';').count(), "{line}");
    }
}

#[test]
fn a_configured_domain_and_lifetime_are_in_the_cookies() {
    let app = TestApp::start_with(Setup {
        top: "cookie_domain = 'example.test'\ncookie_paths = 'root'",
        session: "max_lifetime_seconds = 3600",
        ..Setup::default()
    });
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let response = browser.load_page(page_url.as_str());
    assert_eq!(response.set_cookies().len(), 5, "{response:?}");
    for line in response.set_cookies() {
        assert!(line.starts_with("__Http-example-"), "{line}");
        assert!(
            line.contains("; Path=/; Domain=example.test; Secure; HttpOnly; SameSite=Strict; Max-Age="),
            "{line}"
        );
    }
    let lifetime = response.set_cookies()[0].rsplit_once("Max-Age=").unwrap().1;
    assert!((3590..=3600).contains(&lifetime.parse::<u64>().unwrap()), "{lifetime}");
}

#[test]
fn the_code_reaches_the_authorization_server_whole() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let code = query_of(page_url.as_str())["code"].clone();
    assert!(code.contains('&') && code.contains('+'));
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    let form = app.authorization_server.state().last_form.clone();
    assert_eq!(form["code"], code);
    assert_eq!(form["redirect_uri"], REDIRECT_URI);
    assert_eq!(form["grant_type"], "authorization_code");
}

#[test]
fn extra_parameters_of_the_allow_list_are_passed_on_encoded() {
    let app = TestApp::start();
    let extra = json!({"extraParams": [
        {"key": "login_hint", "value": "a&redirect_uri=https://evil.test/#"},
        {"key": "ui_locales", "value": "de en"},
    ]});
    let response = start_with(&mut app.browser(), &extra);
    let url = response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
    let query = query_of(&url);
    assert_eq!(query["login_hint"], "a&redirect_uri=https://evil.test/#");
    assert_eq!(query["ui_locales"], "de en");
    assert_eq!(query["redirect_uri"], REDIRECT_URI);
}

#[test]
fn extra_parameters_cannot_touch_the_login_itself() {
    let app = TestApp::start();
    for key in [
        "client_id",
        "redirect_uri",
        "state",
        "scope",
        "nonce",
        "response_type",
        "response_mode",
        "code_challenge",
        "code_challenge_method",
        "request",
        "foo",
        "",
        "prompt&redirect_uri",
    ] {
        let response = start_with(
            &mut app.browser(),
            &json!({"extraParams": [{"key": key, "value": "x"}]}),
        );
        assert_eq!(response.outcome(), "400 invalid_request", "{key}");
        assert!(response.set_cookies().is_empty(), "{key}");
    }
}

#[test]
fn a_body_that_is_not_as_described_is_refused() {
    let app = TestApp::start();
    for body in [
        r#"{"extraParams":{}}"#,
        r#"{"extraParams":[1]}"#,
        r#"{"extraParams":[{"key":"prompt"}]}"#,
        "[",
        "\u{0}",
    ] {
        let mut browser = app.browser();
        let request = browser
            .request("POST", "/login/start")
            .header("content-type", "application/json")
            .body(body);
        assert_eq!(browser.send(&request).outcome(), "400 invalid_request", "{body}");
    }
    for body in [
        "",
        "{}",
        r#"{"pageUrl":1}"#,
        r#"{"pageUrl":null}"#,
        r#"{"pageUrl":"not a url"}"#,
    ] {
        let mut browser = app.browser();
        let request = browser
            .request("POST", "/login/end")
            .header("content-type", "application/json")
            .body(body);
        assert_eq!(browser.send(&request).outcome(), "400 invalid_request", "{body}");
    }
}

#[test]
fn an_authentication_older_than_max_age_is_refused() {
    let app = TestApp::start();
    app.authorization_server.state().claims = json!({"auth_time": 1}).as_object().unwrap().clone();
    let mut browser = app.browser();
    let response = start_with(
        &mut browser,
        &json!({"extraParams": [{"key": "max_age", "value": "60"}]}),
    );
    let url = response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
    assert_eq!(query_of(&url)["max_age"], "60");
    let page_url = app.authorization_server.sign_in(&url, "alice");
    assert_eq!(
        browser.load_page(page_url.as_str()).outcome(),
        "401 insufficient_user_authentication"
    );
}

#[test]
fn an_id_token_that_is_not_for_this_login_is_refused_and_sets_no_session() {
    let app = TestApp::start();
    for claims in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "another"}),
        json!({"iss": "https://evil.test"}),
        json!({"exp": 1}),
        json!({"sub": null}),
    ] {
        app.authorization_server.state().claims = claims.as_object().unwrap().clone();
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.outcome(), "400 invalid_request", "{claims}");
        assert!(browser.cookies.is_empty(), "{claims}: {:?}", browser.cookie_names());
    }
}

#[test]
fn what_the_token_endpoint_answers_is_told_by_the_error_table() {
    let app = TestApp::start();
    let respond = |status, body: &str| Misbehaviour::Respond(status, body.to_owned());
    for (misbehaviour, expected) in [
        (respond(400, r#"{"error":"invalid_grant"}"#), "400 authorization_error"),
        (
            respond(401, r#"{"error":"invalid_client"}"#),
            "502 authorization_server_error",
        ),
        (respond(500, "{}"), "502 authorization_server_error"),
        (respond(503, "busy"), "503 authorization_server_error"),
        (respond(200, "<html>"), "502 authorization_server_error"),
        (respond(200, "{}"), "502 authorization_server_error"),
        (
            respond(200, r#"{"access_token":"a","token_type":"mac"}"#),
            "502 authorization_server_error",
        ),
    ] {
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        app.authorization_server.misbehave("token", misbehaviour);
        assert_eq!(browser.load_page(page_url.as_str()).outcome(), expected);
        app.authorization_server.behave();
    }
}

#[test]
fn a_failed_login_leaves_an_existing_session_alone() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let page_url = browser.authorize("alice");
    app.authorization_server.misbehave(
        "token",
        Misbehaviour::Respond(400, r#"{"error":"invalid_grant"}"#.to_owned()),
    );
    let response = browser.load_page(page_url.as_str());
    assert_eq!(response.outcome(), "400 authorization_error");
    assert_eq!(response.cookie_changes(), [format!("-{LOGIN}")]);
    app.authorization_server.behave();
    assert_eq!(browser.post("/refresh").status, 204);
}

#[test]
fn unusual_but_legal_token_responses_are_accepted() {
    let app = TestApp::start();
    for members in [
        json!({"token_type": "bearer", "extra": {"deep": [1]}}),
        json!({"expires_in": null}),
        json!({"scope": "openid"}),
    ] {
        app.authorization_server.state().token_response = members.as_object().unwrap().clone();
        assert_eq!(app.signed_in().get("/userInfo").status, 200, "{members}");
    }
}

#[test]
fn a_server_without_refresh_tokens_gives_a_session_that_lasts_as_long_as_the_access_token() {
    let app = TestApp::start();
    app.authorization_server.state().token_response = json!({"refresh_token": null}).as_object().unwrap().clone();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let response = browser.load_page(page_url.as_str());
    assert_eq!(
        response.cookie_changes(),
        [AT.to_owned(), CSRF.to_owned(), format!("-{LOGIN}"), ID.to_owned()]
    );
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert_eq!(browser.post("/refresh").outcome(), "401 unauthorized_request");
    assert_eq!(browser.post("/logout").status, 200);
}

#[test]
fn a_second_login_clears_what_the_first_one_set_and_the_second_lacks() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    app.authorization_server.state().token_response = json!({"refresh_token": null}).as_object().unwrap().clone();
    let page_url = browser.authorize("alice");
    let response = browser.load_page(page_url.as_str());
    assert_eq!(response.status, 200);
    assert!(
        response.cookie_changes().contains(&format!("-{AUTH}")),
        "{:?}",
        response.cookie_changes()
    );
}
