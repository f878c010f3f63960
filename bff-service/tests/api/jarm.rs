//! Authorization responses as JWTs (JARM): valid only if the server signed them recently for this client.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use url::Url;

use crate::support::app::{REDIRECT_URI, Setup, TestApp};
use crate::support::authorization_server::{CLIENT_ID, KEY_ID};
use crate::support::browser::Browser;

fn app() -> TestApp {
    TestApp::start_with(Setup {
        client: "response_mode = 'jwt'",
        ..Setup::default()
    })
}

/// Signs in. Returns the parameters of a plain response.
fn authorize(browser: &mut Browser<'_>) -> HashMap<String, String> {
    let url = browser.start_login();
    let request = Url::parse(&url).unwrap();
    assert!(
        request
            .query_pairs()
            .any(|pair| pair == ("response_mode".into(), "jwt".into()))
    );
    let back = browser.app.authorization_server.sign_in(&url, "alice");
    back.query_pairs().into_owned().collect()
}

fn claims(app: &TestApp, parameters: &HashMap<String, String>, changes: Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": app.authorization_server.issuer(), "aud": CLIENT_ID, "exp": now + 60,
        "state": parameters["state"], "code": parameters["code"],
    });
    let members: &mut Map<String, Value> = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn page_url(app: &TestApp, claims: &Value) -> String {
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": KEY_ID});
    format!(
        "{REDIRECT_URI}?response={}",
        app.authorization_server.sign(&header, claims)
    )
}

#[test]
fn a_signed_response_signs_the_user_in() {
    let app = app();
    let mut browser = app.browser();
    let parameters = authorize(&mut browser);
    let response = browser.load_page(&page_url(&app, &claims(&app, &parameters, json!({}))));
    assert_eq!(response.json()["isLoggedIn"], true, "{response:?}");
}

#[test]
fn a_signed_response_for_this_client_and_a_trusted_audience_signs_the_user_in() {
    let app = TestApp::start_with(Setup {
        client: "response_mode = 'jwt'\ntrusted_audiences = ['the-api']",
        ..Setup::default()
    });
    let mut browser = app.browser();
    let parameters = authorize(&mut browser);
    let audience = json!({"aud": [CLIENT_ID, "the-api"]});
    let response = browser.load_page(&page_url(&app, &claims(&app, &parameters, audience)));
    assert_eq!(response.json()["isLoggedIn"], true, "{response:?}");
}

#[test]
fn a_response_that_is_for_another_by_another_or_too_old_is_refused() {
    let app = app();
    let mut browser = app.browser();
    let parameters = authorize(&mut browser);
    for changes in [
        json!({"iss": "https://other.example.test"}),
        json!({"iss": null}),
        json!({"aud": "another-client"}),
        json!({"aud": [CLIENT_ID, "another-client"]}),
        json!({"aud": null}),
        json!({"exp": 1_000_000}),
        json!({"exp": null}),
        json!({"state": "another"}),
        json!({"state": null}),
        json!({"code": null}),
        json!({"error": "access_denied"}),
    ] {
        let response = browser.load_page(&page_url(&app, &claims(&app, &parameters, changes.clone())));
        assert_eq!(response.outcome(), "400 invalid_request", "{changes}");
    }
    let valid = claims(&app, &parameters, json!({}));
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES256", "kid": "unknown"}),
    ] {
        let token = app.authorization_server.sign(&header, &valid);
        let response = browser.load_page(&format!("{REDIRECT_URI}?response={token}"));
        assert_eq!(response.outcome(), "400 invalid_request", "{header}");
    }
    assert_eq!(app.authorization_server.requests("token"), 0, "no code was ever used");
    assert_eq!(
        browser.load_page(&page_url(&app, &valid)).status,
        200,
        "the login is still pending"
    );
}

#[test]
fn a_response_that_is_not_signed_is_refused_an_error_included() {
    let app = app();
    let mut browser = app.browser();
    let parameters = authorize(&mut browser);
    let (state, code) = (&parameters["state"], &parameters["code"]);
    let issuer = app.authorization_server.issuer();
    for pairs in [
        vec![("state", state), ("code", code), ("iss", &issuer)],
        vec![
            ("state", state),
            ("error", &"access_denied".to_owned()),
            ("iss", &issuer),
        ],
    ] {
        let url = Url::parse_with_params(REDIRECT_URI, &pairs).unwrap();
        assert_eq!(
            browser.load_page(url.as_str()).outcome(),
            "400 invalid_request",
            "{url}"
        );
    }
}

#[test]
fn an_error_in_a_signed_response_is_passed_on() {
    let app = app();
    let mut browser = app.browser();
    let parameters = authorize(&mut browser);
    let changes = json!({"code": null, "error": "login_required"});
    let response = browser.load_page(&page_url(&app, &claims(&app, &parameters, changes)));
    assert_eq!(response.outcome(), "401 login_required");
}
