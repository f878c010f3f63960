//! The requests of the navigation variant that start or end something, and their redirect targets.

use url::Url;

use crate::navigation::{ON, authorize, go, location};
use crate::support::app::{CSRF, TestApp, WEB_ORIGIN};
use crate::support::browser::Browser;
use crate::support::http::Request;

#[test]
fn return_to_leads_nowhere_but_to_the_application() {
    let app = TestApp::start_with(ON);
    for target in [
        "//evil.example",
        "/%2Fevil.example/..//evil.example%00",
        "https://evil.example/",
        "https:evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "/%0A/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "@evil.example",
        "/a&returnTo=/b",
        &format!("/{}", "a".repeat(600)),
    ] {
        let response = go(&mut app.browser(), &format!("/login?returnTo={target}"));
        let outcome = response.outcome();
        // Accepted values stay on the application's origin.
        match response.status {
            302 => {
                let mut browser = app.browser();
                let callback = authorize(&mut browser, &format!("/login?returnTo={target}"));
                let end = go(&mut browser, &callback);
                assert!(
                    location(&end).starts_with(&format!("{WEB_ORIGIN}/")),
                    "{target}: {end:?}"
                );
            }
            _ => assert_eq!(outcome, "400 invalid_request", "{target}"),
        }
    }
    for refused in [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        // Not a path, although it leads to the application.
        "orders",
        "",
        WEB_ORIGIN,
    ] {
        let response = go(&mut app.browser(), &format!("/login?returnTo={refused}"));
        assert_eq!(response.outcome(), "400 invalid_request", "{refused}");
    }
}

#[test]
fn what_is_no_navigation_is_refused() {
    let app = TestApp::start_with(ON);
    for (name, value) in [
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-dest", "image"),
        ("origin", "https://evil.example"),
    ] {
        let request = Request::new("GET", "/bff/login").header(name, value);
        assert_eq!(
            request.send(app.address).outcome(),
            "401 unauthorized_request",
            "{name}: {value}"
        );
    }
    assert_eq!(
        Request::new("GET", "/bff/login").send(app.address).status,
        302,
        "an older browser"
    );
    assert_eq!(
        Request::new("POST", "/bff/login")
            .header("origin", WEB_ORIGIN)
            .send(app.address)
            .outcome(),
        "405 method_not_allowed"
    );
}

#[test]
fn further_parameters_are_checked_as_those_of_a_page_are() {
    let app = TestApp::start_with(ON);
    let response = go(&mut app.browser(), "/login?prompt=login&max_age=60&returnTo=/");
    let url = Url::parse(location(&response)).unwrap();
    assert!(url.query_pairs().any(|pair| pair == ("prompt".into(), "login".into())));
    for query in [
        "redirect_uri=https://evil.example",
        "client_id=x",
        "state=x",
        "colour=blue",
        "prompt=a&prompt=b",
    ] {
        let response = go(&mut app.browser(), &format!("/login?{query}"));
        assert_eq!(response.outcome(), "400 invalid_request", "{query}");
    }
}

/// A speculation rule, and a link of the page with `rel=prefetch`.
#[test]
fn a_prefetch_begins_nothing_ends_nothing_and_uses_nothing_up_and_the_navigation_after_it_works() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let ahead = |browser: &mut Browser<'_>, target: &str| {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("purpose", "prefetch"),
        ] {
            let request = browser
                .request("GET", target)
                .without("origin")
                .without("x-example-csrf")
                .header("sec-fetch-site", "same-site")
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document")
                .header(name, value);
            let response = browser.send(&request);
            assert_eq!(response.outcome(), "503 prefetch_refused", "{target} {name}: {value}");
            assert_eq!(response.header("cache-control"), Some("no-store"));
            assert!(response.set_cookies().is_empty(), "{response:?}");
        }
    };
    ahead(&mut browser, "/login?returnTo=/");
    let callback = authorize(&mut browser, "/login?returnTo=/");
    ahead(&mut browser, "/login?returnTo=/");
    ahead(&mut browser, &callback);
    assert_eq!(location(&go(&mut browser, &callback)), format!("{WEB_ORIGIN}/"));
    let session = browser.get("/session").json();
    assert_eq!(session["isLoggedIn"], true);
    let logout = format!("/logout?csrf={}", session["csrf"].as_str().unwrap());
    ahead(&mut browser, &logout);
    assert_eq!(browser.get("/session").json()["isLoggedIn"], true);
    assert_eq!(go(&mut browser, &logout).status, 302);
    assert_eq!(browser.get("/session").json()["isLoggedIn"], false);
}

#[test]
fn a_head_request_is_answered_as_a_get_and_begins_nothing() {
    let app = TestApp::start_with(ON);
    let mut browser = app.browser();
    let head = |browser: &mut Browser<'_>, target: &str| {
        let response = browser.send(&browser.request("HEAD", target).without("origin"));
        assert!(
            response.body.is_empty() && response.set_cookies().is_empty(),
            "{response:?}"
        );
        response
    };
    let login = head(&mut browser, "/login?returnTo=/orders");
    assert_eq!(location(&login), format!("{WEB_ORIGIN}/orders"));
    assert_eq!(head(&mut browser, "/login?returnTo=//evil.test").status, 400);
    assert_eq!(app.authorization_server.requests("authorize"), 0);
    assert_eq!(app.metric("bff_logins_started_total"), 0);
    go(&mut browser, "/login");
    assert_eq!(app.metric("bff_logins_started_total"), 1);
    for target in ["/callback?code=x&state=y", "/logout?csrf=x"] {
        let response = head(&mut browser, target);
        assert_eq!(response.status, 405, "{target}");
    }
    let mut browser = app.signed_in();
    // The page's own GET would get a new CSRF cookie.
    browser.remove_cookie(CSRF);
    for endpoint in ["/session", "/userInfo", "/claims"] {
        let response = head(&mut browser, endpoint);
        assert_eq!(response.status, 200, "{endpoint}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{endpoint}");
    }
}
