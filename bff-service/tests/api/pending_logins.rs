//! Pending logins: several at a time, each completed once, and errors accepted only for one of them.

use bff_core::cookie::purpose::Purpose;
use bff_service::session::pending_logins::PendingLogin;
use serde_json::{Value, json};

use crate::support::app::{AT, LOGIN, REDIRECT_URI, TestApp};
use crate::support::authorization_server::CLIENT_ID;
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, open};
use crate::support::log_capture;

#[test]
fn logins_in_five_tabs_all_finish() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_urls: Vec<_> = (0..5).map(|_| browser.authorize("alice")).collect();
    for page_url in &page_urls {
        let response = browser.load_page(page_url.as_str());
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert!(!browser.cookie_names().contains(&LOGIN));
}

#[test]
fn the_sixth_login_costs_the_first() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_urls: Vec<_> = (0..6).map(|_| browser.authorize("alice")).collect();
    assert_eq!(
        browser.load_page(page_urls[0].as_str()).outcome(),
        "400 invalid_request"
    );
    for page_url in &page_urls[1..] {
        assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    }
}

#[test]
fn logins_begun_in_a_loop_do_not_make_the_cookie_grow() {
    let app = TestApp::start();
    let mut browser = app.browser();
    for _ in 0..5 {
        browser.start_login();
    }
    let length = browser.cookie(LOGIN).len();
    for _ in 0..10 {
        browser.start_login();
    }
    assert_eq!(browser.cookie(LOGIN).len(), length);
    assert_eq!(browser.cookies.len(), 1);
}

#[test]
fn logins_that_are_too_long_for_their_cookie_together_cost_the_oldest_and_one_that_is_too_long_alone_is_refused() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let start = |browser: &mut Browser<'_>, bytes: usize| {
        let claims = json!({"id_token": {"x".repeat(bytes): null}}).to_string();
        let body = json!({"extraParams": [{"key": "claims", "value": claims}]});
        let response = browser.send(&browser.request("POST", "/login/start").json(&body));
        (response.outcome(), response)
    };
    let mut urls = Vec::new();
    for number in 0..6 {
        let (outcome, response) = start(&mut browser, 4_000);
        assert_eq!(outcome, "200", "{number}");
        let url = response.json()["authorizationRequestUrl"].as_str().unwrap().to_owned();
        urls.push(app.authorization_server.sign_in(&url, "alice"));
    }
    assert_eq!(start(&mut browser, 15_000).0, "400 invalid_request");
    assert_eq!(
        browser.load_page(urls[0].as_str()).outcome(),
        "400 invalid_request",
        "the oldest"
    );
    assert_eq!(browser.load_page(urls[5].as_str()).status, 200, "the newest");
    assert_eq!(browser.load_page(urls[4].as_str()).status, 200);
}

#[test]
fn a_pending_login_is_finished_at_its_own_issuer_client_and_redirect_uri_alone() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let genuine = Forgery::of(&open(Purpose::Login, browser.cookie(LOGIN)));
    let logins: Value = serde_json::from_slice(&genuine.value).unwrap();
    let issuer = app.authorization_server.issuer();
    let here = PendingLogin::digest(&issuer, CLIENT_ID, REDIRECT_URI);
    assert_eq!(logins[0]["begun_for"], here.as_str());
    for elsewhere in [
        PendingLogin::digest("https://login.other.example", CLIENT_ID, REDIRECT_URI),
        PendingLogin::digest(&issuer, "another-client", REDIRECT_URI),
        PendingLogin::digest(&issuer, CLIENT_ID, "https://www.example.test/other"),
    ] {
        let mut other = logins.clone();
        other[0]["begun_for"] = json!(elsewhere);
        let mut at_other = browser.clone();
        let sealed = Forgery {
            value: other.to_string().into_bytes(),
            ..genuine.clone()
        };
        at_other.replace_cookie(LOGIN, &sealed.seal(Purpose::Login));
        assert_eq!(at_other.load_page(page_url.as_str()).outcome(), "400 invalid_request");
    }
    assert_eq!(app.authorization_server.requests("token"), 0);
    let mut older = logins;
    older[0].as_object_mut().unwrap().remove("begun_for");
    let sealed = Forgery {
        value: older.to_string().into_bytes(),
        ..genuine
    };
    browser.replace_cookie(LOGIN, &sealed.seal(Purpose::Login));
    assert_eq!(
        browser.load_page(page_url.as_str()).status,
        200,
        "a login that an earlier version began"
    );
}

#[test]
fn a_login_is_finished_once() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    assert_eq!(browser.load_page(page_url.as_str()).outcome(), "400 invalid_request");
    assert_eq!(browser.post("/refresh").status, 204, "the session goes on");
}

#[test]
fn a_response_of_another_browser_is_refused() {
    let app = TestApp::start();
    let page_url = app.browser().authorize("mallory");
    let mut victim = app.browser();
    assert_eq!(
        victim.load_page(page_url.as_str()).outcome(),
        "400 invalid_request",
        "no login is pending"
    );
    victim.start_login();
    let response = victim.load_page(page_url.as_str());
    assert_eq!(response.outcome(), "400 invalid_request", "another login is pending");
    assert!(response.set_cookies().is_empty());
    assert_eq!(app.authorization_server.requests("token"), 0);
}

#[test]
fn an_error_is_believed_only_when_its_state_matches() {
    let app = TestApp::start();
    let mut browser = app.browser();
    browser.start_login();
    for query in ["state=forged&error=login_required", "state=&error=access_denied"] {
        let response = browser.load_page(&format!("{REDIRECT_URI}?{query}"));
        assert_eq!(response.outcome(), "400 invalid_request", "{query}");
        assert!(
            browser.cookie_names().contains(&LOGIN),
            "{query} must not undo the login"
        );
    }
    let response = browser.load_page(&format!("{REDIRECT_URI}?error=access_denied"));
    assert_eq!(
        response.json(),
        json!({"handled": false, "isLoggedIn": false}),
        "no state: an ordinary page"
    );
}

#[test]
fn an_error_of_the_authorization_server_is_told_and_ends_the_login() {
    let app = TestApp::start();
    let iss: String = url::form_urlencoded::byte_serialize(app.authorization_server.issuer().as_bytes()).collect();
    for (error, expected) in [
        ("login_required", "401 login_required"),
        ("access_denied", "400 access_denied"),
        ("interaction_required", "400 interaction_required"),
        ("invalid_target", "400 invalid_target"),
        ("%3Cscript%3E%22", "400 authorization_error"),
        ("%00", "400 authorization_error"),
        ("", "400 authorization_error"),
        (&"x".repeat(1000), "400 authorization_error"),
    ] {
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        let state = page_url
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned();
        let error_url = format!("{REDIRECT_URI}?error={error}&state={state}&iss={iss}&error_description=%3Cscript%3E");
        let response = browser.load_page(&error_url);
        assert_eq!(response.outcome(), expected, "{error}");
        assert!(!response.body.contains("script"), "{response:?}");
        assert_eq!(response.cookie_changes(), [format!("-{LOGIN}")]);
        assert_eq!(
            browser.load_page(page_url.as_str()).outcome(),
            "400 invalid_request",
            "{error}: used up"
        );
    }
    let hint = "error `invalid_target`: check that `client.resource` is as registered at the authorization server";
    assert!(log_capture::lines().iter().any(|line| line.contains(hint)), "{hint}");
}

#[test]
fn an_issuer_that_is_wrong_or_missing_is_refused() {
    let app = TestApp::start();
    for iss in [Some("https://evil.test"), Some(""), None] {
        let mut browser = app.browser();
        let mut page_url = browser.authorize("alice");
        let others: Vec<_> = page_url
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| name != "iss")
            .collect();
        page_url
            .query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .extend_pairs(iss.map(|iss| ("iss", iss)));
        assert_eq!(
            browser.load_page(page_url.as_str()).outcome(),
            "400 invalid_request",
            "{iss:?}"
        );
        assert!(!browser.cookie_names().contains(&AT));
    }
    assert_eq!(app.authorization_server.requests("token"), 0);
}

#[test]
fn repeated_parameters_are_refused() {
    let app = TestApp::start();
    for extra in ["state=x", "code=x", "iss=x", "error=x"] {
        let mut browser = app.browser();
        let page_url = browser.authorize("alice");
        for query in [
            format!("{}&{extra}", page_url.query().unwrap()),
            format!("{extra}&{}", page_url.query().unwrap()),
        ] {
            let response = browser.load_page(&format!("{REDIRECT_URI}?{query}"));
            assert_eq!(response.outcome(), "400 invalid_request", "{extra}");
        }
        assert_eq!(
            browser.load_page(page_url.as_str()).status,
            200,
            "{extra}: the login itself is untouched"
        );
    }
}

#[test]
fn only_the_query_of_the_page_counts() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let query = page_url.query().unwrap();
    let response = browser.load_page(&format!("{REDIRECT_URI}#{query}"));
    assert_eq!(response.json()["handled"], false);
    for page_url in [
        format!("javascript:alert(1)?{query}"),
        format!("data:,?{query}"),
        format!("/?{query}"),
    ] {
        assert_eq!(
            browser.load_page(&page_url).outcome(),
            "400 invalid_request",
            "{page_url}"
        );
    }
    let response = browser.load_page(&format!("{page_url}#code=another&state=another"));
    assert_eq!(response.json()["handled"], true);
}

#[test]
fn a_login_expires() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let opened = open(Purpose::Login, browser.cookie(LOGIN));
    let mut logins: Value = serde_json::from_slice(&opened.value).unwrap();
    logins[0]["expires_at"] = json!(opened.began_at);
    // The cookie itself stays valid: another login in it may be newer.
    let cookie = Forgery {
        value: logins.to_string().into_bytes(),
        ..Forgery::of(&opened)
    };
    browser.replace_cookie(LOGIN, &cookie.seal(Purpose::Login));
    assert_eq!(browser.load_page(page_url.as_str()).outcome(), "400 invalid_request");
    assert_eq!(app.authorization_server.requests("token"), 0);
}
