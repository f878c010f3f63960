//! Origin, Fetch Metadata, CSRF.

use serde_json::json;

use crate::support::app::{KEYS, Setup, TestApp, WEB_ORIGIN};
use crate::support::http::{Request, Response};

const POSTS: [&str; 5] = ["/login/start", "/login/end", "/refresh", "/touch", "/logout"];
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

/// The same request with names as HTTP/1.1 allows them to be written (RFC 9110, section 5.1).
fn spelled(request: &Request, spell: fn(&str) -> String) -> Request {
    let mut request = request.clone();
    for (name, _) in &mut request.headers {
        *name = spell(name);
    }
    request
}

/// `Origin`, `X-Example-Csrf`.
fn in_title_case(name: &str) -> String {
    let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<Vec<_>>().join("-")
}

const SPELLINGS: [fn(&str) -> String; 3] = [|name| name.to_lowercase(), |name| name.to_uppercase(), in_title_case];

#[test]
fn the_names_of_headers_decide_the_same_in_capitals() {
    let app = TestApp::start();
    for spell in SPELLINGS {
        let mut browser = app.signed_in();
        let valid = browser.request("POST", "/refresh");
        for refused in [
            valid.clone().without("origin"),
            valid.clone().without("origin").header("origin", "https://evil.test"),
            valid.clone().without("cookie"),
            valid.clone().without("x-example-csrf"),
            valid.clone().without("x-example-csrf").header("x-example-csrf", "x"),
            valid.clone().header("sec-fetch-site", "cross-site"),
        ] {
            assert_refused(
                &browser.send(&spelled(&refused, spell)),
                &format!("{:?}", spelled(&refused, spell)),
            );
        }
        assert_eq!(browser.send(&spelled(&valid, spell)).status, 204, "{}", spell("origin"));
    }
}

#[test]
fn a_header_that_comes_twice_in_different_spellings_comes_twice() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let csrf = browser.csrf.clone().unwrap();
    for spell in [|name: &str| name.to_uppercase(), in_title_case] {
        let valid = browser.request("POST", "/refresh");
        for (name, value) in [("origin", WEB_ORIGIN), ("x-example-csrf", csrf.as_str())] {
            let twice = valid.clone().header(&spell(name), value);
            assert_refused(&browser.send(&twice), &spell(name));
        }
        // Cookies may come in several lines, of whatever spelling.
        let cookies = valid
            .headers
            .iter()
            .find(|(name, _)| name == "cookie")
            .unwrap()
            .1
            .clone();
        let cookies = String::from_utf8(cookies).unwrap();
        let (first, others) = cookies.split_once("; ").unwrap();
        let in_two_lines = valid
            .without("cookie")
            .header("cookie", first)
            .header(&spell("cookie"), others);
        assert_eq!(browser.send(&in_two_lines).status, 204);
    }
}

#[test]
fn authorize_decides_the_same_when_the_names_of_headers_are_in_capitals() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorize.json");
    let rules = json!({"bff_token": {
        "cookie_name_prefix": "example",
        "encryption_key": {"inline": KEYS},
        "trusted_web_origins": [WEB_ORIGIN],
    }});
    std::fs::write(&file, rules.to_string()).unwrap();
    let app = TestApp::start_with(Setup {
        more: &format!("[authorize]\nplugin_configuration_file = {file:?}"),
        ..Setup::default()
    });
    let browser = app.signed_in();
    let mut valid = browser.request("POST", "/data");
    valid.target = "/authorize/data".to_owned();
    for spell in SPELLINGS {
        for refused in [
            valid.clone().without("origin").header("origin", "https://evil.test"),
            valid.clone().without("cookie"),
            valid.clone().without("x-example-csrf"),
            valid.clone().without("x-example-csrf").header("x-example-csrf", "x"),
            valid
                .clone()
                .header("authorization", "Bearer made-up")
                .without("cookie"),
            valid.clone().header("origin", "https://evil.test"),
        ] {
            let refused = spelled(&refused, spell);
            assert_eq!(refused.send(app.admin).status, 401, "{refused:?}");
        }
        let forwarded = spelled(&valid, spell).send(app.admin);
        assert_eq!(forwarded.status, 200, "{}", spell("origin"));
        let authorization = forwarded.header("authorization").unwrap();
        assert!(authorization.starts_with("Bearer access-token-"), "{authorization}");
    }
}
