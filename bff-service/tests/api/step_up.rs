//! Step-up (RFC 9470): a login that requires more of the user's authentication.

use serde_json::{Value, json};

use crate::support::app::{REDIRECT_URI, TestApp};
use crate::support::browser::Browser;

const INSUFFICIENT: &str = "401 insufficient_user_authentication";

/// The page starts a login with these parameters, and the user signs in. Returns what `/login/end` answers.
fn sign_in_with(app: &TestApp, browser: &mut Browser<'_>, body: &Value) -> String {
    let response = browser.send(&browser.request("POST", "/login/start").json(body));
    assert_eq!(response.status, 200, "{body}");
    let url = response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
    let page_url = app.authorization_server.sign_in(&url, "alice");
    browser.load_page(page_url.as_str()).outcome()
}

fn step_up(acr_values: &str, max_age: &str) -> Value {
    let param = |key: &str, value: &str| json!({"key": key, "value": value});
    let mut extra = Vec::new();
    if !acr_values.is_empty() {
        extra.push(param("acr_values", acr_values));
    }
    if !max_age.is_empty() {
        extra.push(param("max_age", max_age));
    }
    json!({"extraParams": extra, "stepUp": true})
}

fn set_claims(app: &TestApp, claims: Value) {
    app.authorization_server.state().claims = claims.as_object().unwrap().clone();
}

#[test]
fn a_step_up_with_what_was_asked_for_begins_a_session() {
    let app = TestApp::start();
    set_claims(&app, json!({"acr": "silver"}));
    let mut browser = app.signed_in();
    let csrf = browser.csrf.clone();
    let ended = sign_in_with(&app, &mut browser, &step_up("gold silver", "60"));
    assert!(ended.starts_with("200"), "{ended}");
    assert_eq!(browser.csrf, csrf, "the user's other tabs go on");
    assert_eq!(browser.get("/session").json()["claims"]["acr"], "silver");
}

#[test]
fn one_that_comes_back_too_low_is_401_and_the_session_of_before_goes_on_with_its_tokens() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let (before, tokens) = (
        browser.cookies.clone(),
        app.authorization_server.state().live_refresh_tokens(),
    );
    for (claims, body) in [
        (json!({"acr": "bronze"}), step_up("gold silver", "")),
        (json!({"acr": null}), step_up("gold silver", "")),
        (json!({"acr": ["gold"]}), step_up("gold silver", "")),
        (json!({"acr": "gold", "auth_time": 1}), step_up("gold", "60")),
        (json!({"acr": "gold", "auth_time": null}), step_up("gold", "60")),
        (json!({"auth_time": 1}), step_up("", "60")),
    ] {
        set_claims(&app, claims.clone());
        assert_eq!(sign_in_with(&app, &mut browser, &body), INSUFFICIENT, "{claims}");
        assert_eq!(browser.cookies, before, "{claims}");
    }
    set_claims(&app, json!({}));
    assert!(app.authorization_server.state().revoked.is_empty());
    assert!(tokens.iter().all(|token| {
        let state = app.authorization_server.state();
        state.live_refresh_tokens().contains(token)
    }));
    assert_eq!(browser.post("/refresh").status, 204, "the session of before");
}

#[test]
fn acr_values_of_an_ordinary_login_are_a_wish() {
    let app = TestApp::start();
    set_claims(&app, json!({"acr": "bronze"}));
    let mut body = step_up("gold", "");
    body["stepUp"] = json!(false);
    let ended = sign_in_with(&app, &mut app.browser(), &body);
    assert!(ended.starts_with("200"), "{ended}");
}

#[test]
fn an_id_token_that_is_invalid_otherwise_is_no_matter_of_authentication() {
    let app = TestApp::start();
    set_claims(&app, json!({"acr": "bronze", "nonce": "another"}));
    let ended = sign_in_with(&app, &mut app.browser(), &step_up("gold", ""));
    assert_eq!(ended, "400 invalid_request");
    app.authorization_server
        .wait_until("the tokens are revoked", |state| state.revoked.len() == 2);
}

#[test]
fn a_step_up_sets_no_parameter_that_an_ordinary_login_may_not_set() {
    let app = TestApp::start();
    for key in ["redirect_uri", "scope", "client_id", "unknown"] {
        let mut browser = app.browser();
        let mut body = step_up("gold", "");
        let further = json!({"key": key, "value": "https://evil.test"});
        body["extraParams"].as_array_mut().unwrap().push(further);
        let response = browser.send(&browser.request("POST", "/login/start").json(&body));
        assert_eq!(response.outcome(), "400 invalid_request", "{key}");
        assert!(browser.cookies.is_empty());
    }
    // Nor does it lead elsewhere.
    let mut browser = app.browser();
    let response = browser.send(&browser.request("POST", "/login/start").json(&step_up("gold", "60")));
    let url = response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
    let query: std::collections::HashMap<_, _> = url::Url::parse(&url).unwrap().query_pairs().into_owned().collect();
    assert_eq!(query["redirect_uri"], REDIRECT_URI);
    assert_eq!((&*query["acr_values"], &*query["max_age"]), ("gold", "60"));
    for body in [json!({"stepUp": "true"}), json!({"stepUp": 1}), json!({"stepUp": null})] {
        let response = browser.send(&browser.request("POST", "/login/start").json(&body));
        assert_eq!(response.outcome(), "400 invalid_request", "{body}");
    }
}
