//! Invalid authorization responses: of another server, for another login, or malformed.

use url::Url;

use crate::support::app::{REDIRECT_URI, TestApp};

/// The response to a login that was just begun, with these parameters instead; `None` takes one out.
fn changed(page: &Url, changes: &[(&str, Option<&str>)]) -> String {
    let mut pairs: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    for (name, value) in changes {
        pairs.retain(|(other, _)| other != name);
        pairs.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
    }
    Url::parse_with_params(REDIRECT_URI, pairs).unwrap().into()
}

#[test]
fn rp_mix_up_issuer_of_another_server() {
    let app = TestApp::start();
    let mut browser = app.browser();
    for iss in [Some("https://attacker.example.test"), Some(""), None] {
        let page = browser.authorize("alice");
        assert_eq!(
            browser.load_page(&changed(&page, &[("iss", iss)])).outcome(),
            "400 invalid_request",
            "{iss:?}"
        );
        assert_eq!(app.authorization_server.requests("token"), 0, "the code went nowhere");
    }
}

#[test]
fn rp_state_invalid() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page = browser.authorize("alice");
    for state in [Some("another"), Some("")] {
        assert_eq!(
            browser.load_page(&changed(&page, &[("state", state)])).outcome(),
            "400 invalid_request"
        );
    }
    // Without a state it is no authorization response, and nobody is signed in.
    let response = browser.load_page(&changed(&page, &[("state", None)]));
    assert_eq!(response.json()["isLoggedIn"], false);
    assert_eq!(app.authorization_server.requests("token"), 0);
    assert_eq!(
        browser.load_page(page.as_str()).status,
        200,
        "the login was still pending"
    );
}

#[test]
fn rp_error_with_a_foreign_state() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page = browser.authorize("alice");
    let foreign = changed(
        &page,
        &[
            ("state", Some("foreign")),
            ("code", None),
            ("error", Some("access_denied")),
        ],
    );
    let response = browser.load_page(&foreign);
    assert_eq!(response.outcome(), "400 invalid_request");
    assert!(response.set_cookies().is_empty(), "the pending login stays");
    assert_eq!(browser.load_page(page.as_str()).status, 200);
}

#[test]
fn rp_error_is_passed_on_only_in_the_form_of_an_error_code() {
    let app = TestApp::start();
    let long = "x".repeat(500);
    for (error, outcome) in [
        ("access_denied", "400 access_denied"),
        ("server_error", "400 server_error"),
        ("interaction_required", "400 interaction_required"),
        ("login_required", "401 login_required"),
        ("some other error", "400 some other error"),
        ("a\"b", "400 authorization_error"),
        ("a\\b", "400 authorization_error"),
        ("a\nb", "400 authorization_error"),
        ("<script>\u{e9}", "400 authorization_error"),
        (long.as_str(), "400 authorization_error"),
    ] {
        let mut browser = app.browser();
        let page = browser.authorize("alice");
        let response = browser.load_page(&changed(&page, &[("code", None), ("error", Some(error))]));
        assert_eq!(response.outcome(), outcome, "{error:?}");
    }
}

#[test]
fn rp_response_with_both_a_code_and_an_error() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page = browser.authorize("alice");
    assert_eq!(
        browser
            .load_page(&changed(&page, &[("error", Some("access_denied"))]))
            .outcome(),
        "400 invalid_request"
    );
}

#[test]
fn rp_response_with_a_repeated_parameter() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page = browser.authorize("alice");
    for name in ["code", "state", "iss"] {
        let twice = format!("{page}&{name}=other");
        assert_eq!(browser.load_page(&twice).outcome(), "400 invalid_request", "{name}");
    }
}
