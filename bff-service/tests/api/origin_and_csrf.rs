//! Who may call: Origin, Fetch Metadata, CSRF.

use crate::support::app::{TestApp, WEB_ORIGIN};
use crate::support::http::{Request, Response};

const POSTS: [&str; 4] = ["/login/start", "/login/end", "/refresh", "/logout"];
const GETS: [&str; 3] = ["/userInfo", "/claims", "/session"];

fn assert_refused(response: &Response, case: &str) {
    assert_eq!(response.outcome(), "401 unauthorized_request", "{case}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{case}");
    assert!(response.set_cookies().is_empty(), "{case}");
}

#[test]
fn a_post_without_an_origin_is_refused() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for endpoint in POSTS {
        assert_refused(
            &browser.send(&browser.request("POST", endpoint).without("origin")),
            endpoint,
        );
    }
}

#[test]
fn an_untrusted_origin_is_refused_on_every_endpoint_and_method_and_gets_no_cors_headers() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let untrusted: [&[u8]; 12] = [
        b"https://evil.test",
        b"null",
        b"",
        b"http://www.example.test",
        b"https://www.example.test.evil.test",
        b"https://evil.test/https://www.example.test",
        b"https://www.example.test:444",
        b"https://www.example.test/",
        b"https://xwww.example.test",
        b"https://www.example.test, https://www.example.test",
        b"https://\xff.example.test",
        b"https://second.example.test",
    ];
    for origin in untrusted {
        let all = POSTS
            .map(|endpoint| ("POST", endpoint))
            .into_iter()
            .chain(GETS.map(|endpoint| ("GET", endpoint)));
        for (method, endpoint) in all.chain([("PUT", "/refresh"), ("PROPPATCH", "/refresh"), ("GET", "/unknown")]) {
            let request = browser
                .request(method, endpoint)
                .without("origin")
                .header("origin", origin);
            let response = browser.send(&request);
            assert_refused(
                &response,
                &format!("{method} {endpoint} from {}", origin.escape_ascii()),
            );
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
    }
}

#[test]
fn a_repeated_origin_is_refused() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for endpoint in POSTS {
        assert_refused(
            &browser.send(&browser.request("POST", endpoint).header("origin", WEB_ORIGIN)),
            endpoint,
        );
    }
}

#[test]
fn the_origin_is_compared_without_case_and_each_trusted_one_is_accepted() {
    let app = TestApp::start();
    for origin in ["HTTPS://WWW.example.TEST", "https://second.example.test:8443"] {
        let response = Request::new("POST", "/bff/login/start")
            .header("origin", origin)
            .send(app.address);
        assert_eq!(response.status, 200, "{origin}");
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
    }
}

#[test]
fn the_origin_is_judged_before_the_body_is_read() {
    let app = TestApp::start();
    let request = Request::new("POST", "/bff/login/end")
        .header("origin", "https://evil.test")
        .header("content-type", "application/json")
        .header("content-length", "1000");
    assert_refused(&request.send(app.address), "the body never comes");
}

#[test]
fn cross_site_requests_are_refused_whatever_their_origin() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for (method, endpoint) in [
        ("POST", "/login/start"),
        ("POST", "/refresh"),
        ("GET", "/userInfo"),
        ("GET", "/session"),
    ] {
        let request = browser.request(method, endpoint).header("sec-fetch-site", "cross-site");
        assert_refused(&browser.send(&request), endpoint);
        let request = request.header("sec-fetch-site", "same-site");
        assert_refused(&browser.send(&request), endpoint);
    }
    let request = browser
        .request("GET", "/userInfo")
        .without("origin")
        .header("sec-fetch-site", "same-site");
    assert_refused(&browser.send(&request), "an image on a sibling domain");
    for site in ["same-site", "same-origin", "none", "something-new"] {
        let request = browser.request("GET", "/userInfo").header("sec-fetch-site", site);
        assert_eq!(browser.send(&request).status, 200, "{site}");
    }
}

#[test]
fn reading_without_an_origin_is_allowed() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for endpoint in GETS {
        assert_eq!(
            browser.send(&browser.request("GET", endpoint).without("origin")).status,
            200,
            "{endpoint}"
        );
    }
}

#[test]
fn a_csrf_header_that_is_missing_wrong_or_repeated_is_refused() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let csrf = browser.csrf.clone().unwrap();
    for endpoint in ["/refresh", "/logout"] {
        let without = browser.request("POST", endpoint).without("x-example-csrf");
        assert_refused(&browser.send(&without), "missing");
        let wrong: [&[u8]; 5] = [
            b"",
            b"x",
            &csrf.as_bytes()[1..],
            b"\xff\xfe",
            &[csrf.as_bytes(), b"A"].concat(),
        ];
        for value in wrong {
            let request = without.clone().header("x-example-csrf", value);
            assert_refused(&browser.send(&request), &format!("{}", value.escape_ascii()));
        }
        let twice = browser.request("POST", endpoint).header("x-example-csrf", &csrf);
        assert_refused(&browser.send(&twice), "repeated");
        let listed = without.clone().header("x-example-csrf", format!("{csrf}, {csrf}"));
        assert_refused(&browser.send(&listed), "listed");
    }
    assert_eq!(app.authorization_server.state().rotations, 0);
    assert_eq!(browser.post("/refresh").status, 204);
}

#[test]
fn the_csrf_value_of_another_session_is_refused() {
    let app = TestApp::start();
    let mut alice = app.signed_in();
    alice.csrf = app.browser().sign_in_as("mallory").csrf;
    assert_refused(&alice.post("/refresh"), "refresh");
    assert_refused(&alice.post("/logout"), "logout");
}
