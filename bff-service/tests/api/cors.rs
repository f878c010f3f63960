//! Preflights, and the CORS headers of responses.

use crate::support::app::{Setup, TestApp, WEB_ORIGIN};
use crate::support::http::{Request, Response};

fn preflight(app: &TestApp, endpoint: &str, origin: &str, headers: &str) -> Response {
    Request::new("OPTIONS", &format!("/bff{endpoint}"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", headers)
        .send(app.address)
}

#[test]
fn a_preflight_of_a_trusted_origin_tells_what_the_endpoint_takes() {
    let app = TestApp::start();
    for (endpoint, method) in [
        ("/login/start", "POST"),
        ("/logout", "POST"),
        ("/userInfo", "GET"),
        ("/session", "GET"),
    ] {
        let response = preflight(
            &app,
            endpoint,
            WEB_ORIGIN,
            "content-type, X-Example-CSRF,x-evil, authorization",
        );
        assert_eq!(response.status, 204);
        assert_eq!(response.body, "");
        assert_eq!(response.header("access-control-allow-origin"), Some(WEB_ORIGIN));
        assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(
            response.header("access-control-allow-methods"),
            Some(method),
            "{endpoint}"
        );
        assert_eq!(
            response.header("access-control-allow-headers"),
            Some("content-type, x-example-csrf")
        );
        assert_eq!(response.header("access-control-max-age"), Some("600"));
        assert_eq!(response.header("vary"), Some("origin"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn monitoring_in_the_page_may_add_its_headers() {
    let app = TestApp::start();
    let headers =
        "baggage, newrelic, request-id, sentry-trace, traceparent, tracestate, x-datadog-trace-id, x-requested-with";
    let response = preflight(&app, "/login/start", WEB_ORIGIN, headers);
    assert_eq!(response.header("access-control-allow-headers"), Some(headers));
    let others = preflight(
        &app,
        "/login/start",
        WEB_ORIGIN,
        "x-datadog-, x-datadog, authorization, x-other, *",
    );
    assert_eq!(others.header("access-control-allow-headers"), None);
}

#[test]
fn the_headers_that_pages_may_add_are_those_of_the_configuration() {
    let app = TestApp::start_with(Setup {
        top: "cors_allowed_headers = ['X-Own', 'x-some-*']",
        ..Setup::default()
    });
    let response = preflight(
        &app,
        "/refresh",
        WEB_ORIGIN,
        "baggage, x-own, X-Some-Thing, x-someone, content-type",
    );
    let granted = response.header("access-control-allow-headers");
    assert_eq!(granted, Some("x-own, x-some-thing, content-type"));
}

#[test]
fn a_preflight_for_nothing_special_allows_nothing_special() {
    let app = TestApp::start();
    for headers in ["", "x-evil", ",", "x-example-csrf2"] {
        let response = preflight(&app, "/refresh", WEB_ORIGIN, headers);
        assert_eq!(response.status, 204);
        assert_eq!(response.header("access-control-allow-headers"), None, "{headers}");
    }
}

#[test]
fn an_untrusted_origin_gets_an_empty_204() {
    let app = TestApp::start();
    for (endpoint, origin) in [
        ("/login/start", "https://evil.test"),
        ("/refresh", "null"),
        ("/unknown", "https://evil.test"),
    ] {
        let response = preflight(&app, endpoint, origin, "content-type");
        assert_eq!(response.status, 204);
        let allowed: Vec<_> = response
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("access-control-"))
            .collect();
        assert!(allowed.is_empty(), "{allowed:?}");
        assert_eq!(response.header("vary"), Some("origin"));
    }
}

#[test]
fn an_unknown_path_has_no_preflight() {
    let app = TestApp::start();
    let response = preflight(&app, "/unknown", WEB_ORIGIN, "content-type");
    assert_eq!(response.status, 404);
    assert_eq!(response.header("access-control-allow-origin"), Some(WEB_ORIGIN));
}

#[test]
fn errors_can_be_read_by_the_page_too() {
    let app = TestApp::start();
    let mut browser = app.browser();
    for (method, endpoint, status) in [
        ("POST", "/refresh", 401),
        ("GET", "/unknown", 404),
        ("GET", "/refresh", 405),
        ("POST", "/login/end", 400),
    ] {
        let response = browser.send(&browser.request(method, endpoint));
        assert_eq!(response.status, status, "{method} {endpoint}");
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some(WEB_ORIGIN),
            "{method} {endpoint}"
        );
        assert_eq!(
            response.header("access-control-allow-credentials"),
            Some("true"),
            "{method} {endpoint}"
        );
        assert_eq!(response.header("vary"), Some("origin, cookie"), "{method} {endpoint}");
    }
}
