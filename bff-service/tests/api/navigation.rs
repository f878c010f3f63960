//! The navigation variant: `GET /login`, `/callback` and `/logout` (`docs/CONTRACT.md`, section 1.4).

use bff_core::cookie::purpose::Purpose;
use serde_json::json;
use url::Url;

use crate::support::app::{AT, LOGIN, NAV, Setup, TestApp, WEB_ORIGIN};
use crate::support::authorization_server::Misbehaviour;
use crate::support::browser::Browser;
use crate::support::forgery::{Forgery, open};
use crate::support::http::{Request, Response};

pub const CALLBACK: &str = "https://api.example.test/bff/callback";
pub const ON: Setup<'static> = Setup {
    server: "",
    top: "",
    session: "",
    client: "",
    authorization_server: "",
    more_keys: "",
    more: "[navigation]\nredirect_uri = 'https://api.example.test/bff/callback'",
};

/// Navigates to this URL, from any site.
pub fn go(browser: &mut Browser<'_>, target: &str) -> Response {
    let request = browser
        .request("GET", target)
        .without("origin")
        .without("x-example-csrf")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    browser.send(&request)
}

pub fn location(response: &Response) -> &str {
    assert_eq!(response.status, 302, "{response:?}");
    response.header("location").unwrap()
}

/// Signs in at the authorization server. Returns the target of the callback.
pub fn authorize(browser: &mut Browser<'_>, login: &str) -> String {
    let response = go(browser, login);
    let back = browser.app.authorization_server.sign_in(location(&response), "alice");
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    format!("/callback?{}", back.query().unwrap())
}

#[test]
fn the_browser_signs_in_by_navigation_alone_and_ends_where_it_wanted_to_be() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let start = go(&mut browser, "/login?returnTo=/orders?page=2%26sort=date%23top");
    let login_cookie = start.set_cookies()[0].to_owned();
    assert!(
        login_cookie.starts_with(NAV) && login_cookie.contains("SameSite=Lax"),
        "{login_cookie}"
    );
    let back = app.authorization_server.sign_in(location(&start), "alice");
    let end = go(&mut browser, &format!("/callback?{}", back.query().unwrap()));
    assert_eq!(location(&end), format!("{WEB_ORIGIN}/orders?page=2&sort=date#top"));
    assert!(
        end.set_cookies().iter().all(|line| line.contains("SameSite=Strict")),
        "{:?}",
        end.set_cookies()
    );
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert_eq!(app.authorization_server.state().last_form["redirect_uri"], CALLBACK);
}

/// A link on any site begins one, without the cookies of pages.
#[test]
fn a_navigation_from_another_site_does_not_replace_the_pending_login_of_a_page() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    let mut from_elsewhere = app.browser();
    let start = go(&mut from_elsewhere, "/login");
    assert_eq!(start.cookie_changes(), [NAV]);
    browser.take_cookies(&start);
    assert_eq!(browser.load_page(page_url.as_str()).status, 200);
    let back = app.authorization_server.sign_in(location(&start), "alice");
    let callback = format!("/callback?{}", back.query().unwrap());
    assert!(location(&go(&mut browser, &callback)).starts_with(WEB_ORIGIN));
}

/// For as long as a login may take after the upgrade.
#[test]
fn a_navigation_that_an_earlier_version_began_in_the_cookie_of_pages_is_finished() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login");
    let begun = Forgery::of(&open(Purpose::NavigationLogin, browser.cookie(NAV)));
    browser.remove_cookie(NAV);
    browser.plant(LOGIN, "/", &begun.seal(Purpose::Login));
    assert_eq!(location(&go(&mut browser, &callback)), format!("{WEB_ORIGIN}/"));
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
}

/// The browser withholds `SameSite=Strict` cookies from the navigation that comes from the authorization server.
#[test]
fn nothing_is_left_of_an_earlier_session_that_the_callback_did_not_see() {
    let app = TestApp::start_with(ON);
    let token_of = |bytes: usize| {
        let response = json!({"access_token": "a".repeat(bytes)});
        app.authorization_server.state().token_response = response.as_object().unwrap().clone();
    };
    for (before, after) in [(7_000, 100), (100, 7_000), (11_000, 7_000)] {
        token_of(before);
        let mut browser = app.signed_in();
        token_of(after);
        let callback = authorize(&mut browser, "/login?returnTo=/");
        let login = format!("{NAV}={}", browser.cookie(NAV));
        let request = Request::new("GET", &format!("/bff{callback}"))
            .header("cookie", login)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        assert_eq!(browser.send(&request).status, 302);
        let session = browser.get("/session").json();
        assert_eq!(
            session["isLoggedIn"],
            true,
            "{before}, {after}: {:?}",
            browser.cookie_names()
        );
        assert!(session["accessTokenExpiresIn"].as_u64().unwrap() > 0);
    }
}

#[test]
fn it_is_off_unless_it_is_configured() {
    let app = TestApp::start();
    let get = |target: &str| Request::new("GET", &format!("/bff{target}")).send(app.address);
    for target in ["/login", "/callback?state=s&code=c"] {
        assert_eq!(get(target).outcome(), "404 not_found", "{target}");
    }
    assert_eq!(get("/logout?csrf=x").outcome(), "405 method_not_allowed");
}

#[test]
fn an_error_of_the_authorization_server_comes_back_to_the_application() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login?returnTo=/orders");
    let state = Url::parse(&format!("https://x{callback}")).unwrap();
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let issuer = app.authorization_server.issuer();
    let end = go(
        &mut browser,
        &format!("/callback?error=access_denied&state={state}&iss={issuer}"),
    );
    assert_eq!(location(&end), format!("{WEB_ORIGIN}/orders?error=access_denied"));
    assert_eq!(browser.get("/session").json()["isLoggedIn"], false);
    // The entry has been used.
    assert_eq!(go(&mut browser, &callback).outcome(), "400 invalid_request");
}

#[test]
fn a_server_that_is_down_at_the_end_of_a_login_comes_back_as_an_error_and_the_login_can_be_tried_again() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login");
    app.authorization_server
        .misbehave("token", Misbehaviour::Respond(503, String::new()));
    assert_eq!(
        location(&go(&mut browser, &callback)),
        format!("{WEB_ORIGIN}/?error=authorization_server_error")
    );
    assert_eq!(app.metric("bff_authorization_server_failures_total"), 1);
    app.authorization_server.behave();
    assert_eq!(location(&go(&mut browser, &callback)), format!("{WEB_ORIGIN}/"));
}

#[test]
fn a_callback_that_nobody_waits_for_is_refused_whatever_it_says() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    for query in [
        "",
        "state=s&code=c",
        "state=s&error=access_denied",
        "code=c",
        "state=s&state=s&code=c",
    ] {
        let response = go(&mut browser, &format!("/callback?{query}"));
        assert_eq!(response.outcome(), "400 invalid_request", "{query}");
        assert_eq!(response.header("location"), None, "{query}");
    }
    let callback = authorize(&mut browser, "/login");
    // Another browser with the same link: the login cookie is not there.
    assert_eq!(go(&mut app.browser(), &callback).outcome(), "400 invalid_request");
    assert_eq!(
        go(&mut browser, &format!("{callback}&state=other")).outcome(),
        "400 invalid_request"
    );
}

#[test]
fn a_login_of_a_page_is_not_finished_by_navigation_nor_the_other_way_round() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    assert_eq!(
        go(&mut browser, &format!("/callback?{}", page_url.query().unwrap())).outcome(),
        "400 invalid_request"
    );
    assert_eq!(browser.load_page(page_url.as_str()).status, 200, "it was not used up");
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login");
    assert_eq!(
        browser.load_page(&format!("{WEB_ORIGIN}{callback}")).outcome(),
        "400 invalid_request"
    );
    assert_eq!(go(&mut browser, &callback).status, 302);
}

#[test]
fn signing_out_by_navigation_needs_the_sessions_csrf_value() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let callback = authorize(&mut browser, "/login");
    go(&mut browser, &callback);
    let csrf = browser.get("/session").json()["csrf"].as_str().unwrap().to_owned();
    for query in ["", "?csrf=", "?csrf=wrong", &format!("?csrf={csrf}&csrf={csrf}")] {
        assert_eq!(
            go(&mut browser, &format!("/logout{query}")).outcome(),
            "401 unauthorized_request",
            "{query}"
        );
    }
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    browser.cookie(AT);
    let response = go(&mut browser, &format!("/logout?csrf={csrf}"));
    assert!(location(&response).starts_with(&format!("{}/logout?", app.authorization_server.issuer())));
    assert_eq!(browser.get("/session").json(), json!({"isLoggedIn": false}));
    assert!(browser.cookies.is_empty());
}
