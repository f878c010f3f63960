//! What is refused, in which words, and that nothing else suffers.

use std::sync::OnceLock;

use bff_core::seal::{Purpose, SessionId};
use bff_tests::http1::{Request, Response};
use bff_tests::http2;
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AT, AUTH, CSRF, CSRF_HEADER, ID, UserAgent};
use serde_json::json;

fn system() -> &'static TestSystem {
    static SYSTEM: OnceLock<TestSystem> = OnceLock::new();
    SYSTEM.get_or_init(|| start(|_| {}))
}

fn user() -> UserAgent {
    UserAgent::signed_in(&system().system)
}

const UNSAFE: [&str; 6] = ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH", "INVENTED"];

/// The filter's refusal: status, JSON and CORS headers exactly.
fn assert_filter_refused(response: &Response, origin: Option<&str>, what: &str) {
    assert_eq!(response.status, 401, "{what}");
    let expected = json!({"code": "unauthorized", "message": "Access denied due to missing or invalid credentials"});
    assert_eq!(response.json(), expected, "{what}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{what}");
    assert_eq!(response.header("access-control-allow-origin"), origin, "{what}");
    assert_eq!(
        response.header("access-control-allow-credentials"),
        origin.map(|_| "true"),
        "{what}"
    );
    assert!(response.header("location").is_none(), "{what}");
}

/// The service's refusal.
fn assert_service_refused(response: &Response, origin: Option<&str>, what: &str) {
    assert_eq!(
        (response.status, response.code().as_str()),
        (401, "unauthorized_request"),
        "{what}"
    );
    assert_eq!(response.header("access-control-allow-origin"), origin, "{what}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
}

/// Every way in which a cookie can be wrong, as Cookie headers, with what it is.
fn wrong_cookies(user: &UserAgent, name: &str, purpose: Purpose) -> Vec<(String, String)> {
    let good = &user.cookies[name];
    let seals = Seals::of(&system().system, "example");
    let (value, session) = seals.open(purpose, good);
    let foreign = Seals::of(&system().system, "another");
    let unknown = Seals::with(
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "example",
    );
    let mut cases = vec![
        ("absent".to_owned(), user.cookie_header_with(name, None)),
        (
            "repeated".to_owned(),
            format!("{}; {name}={good}", user.cookie_header()),
        ),
        ("empty".to_owned(), user.cookie_header_with(name, Some(""))),
    ];
    let mut change = |what: String, value: &str| cases.push((what, user.cookie_header_with(name, Some(value))));
    for place in [0, 1, 7, good.len() / 2, good.len() - 2] {
        let mut bytes = good.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        change(format!("altered at {place}"), &String::from_utf8(bytes).expect("text"));
    }
    for end in [1, 10, good.len() / 2, good.len() - 1] {
        change(format!("cut at {end}"), &good[..end]);
    }
    for junk in ["%%%%junk", "=", "A", ".", "AAAA"] {
        change(format!("with {junk} behind it"), &format!("{good}{junk}"));
    }
    for other in [AT, CSRF, AUTH, ID].into_iter().filter(|other| *other != name) {
        change(format!("replaced by {other}"), &user.cookies[other]);
    }
    change("expired".to_owned(), &seals.seal(purpose, &value, session, -1));
    change(
        "of another deployment".to_owned(),
        &foreign.seal(purpose, &value, session, 60),
    );
    change(
        "of an unknown key".to_owned(),
        &unknown.seal(purpose, &value, session, 60),
    );
    change(
        "of version 1".to_owned(),
        "AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A",
    );
    cases
}

fn with_cookies(user: &UserAgent, method: &str, path: &str, cookies: &str) -> Request {
    let request = Request::new(method, path)
        .header("origin", &user.origin)
        .header(CSRF_HEADER, &user.csrf);
    if cookies.is_empty() {
        request
    } else {
        request.header("cookie", cookies)
    }
}

#[test]
fn a_wrong_access_token_cookie_is_refused_by_the_filter() {
    let user = user();
    for (what, cookies) in wrong_cookies(&user, AT, Purpose::AccessToken) {
        for method in ["GET", "POST"] {
            let response = user.send(&with_cookies(&user, method, "/api/data", &cookies));
            assert_filter_refused(&response, Some(&user.origin), &format!("{method}, {what}"));
        }
        assert_eq!(user.get_data().status, 200, "after {what}");
    }
}

#[test]
fn a_wrong_csrf_cookie_is_refused_by_the_filter_where_it_counts() {
    let user = user();
    for (what, cookies) in wrong_cookies(&user, CSRF, Purpose::Csrf) {
        let response = user.send(&with_cookies(&user, "POST", "/api/data", &cookies));
        assert_filter_refused(&response, Some(&user.origin), &what);
    }
    assert_eq!(user.send(&user.api_request("POST")).status, 200);
}

#[test]
fn a_repeated_cookie_of_any_of_our_names_is_refused_by_the_filter() {
    let user = user();
    for name in [AUTH, ID] {
        let cookies = format!("{}; {name}=x", user.cookie_header());
        assert_filter_refused(
            &user.send(&with_cookies(&user, "GET", "/api/data", &cookies)),
            Some(&user.origin),
            name,
        );
    }
}

#[test]
fn an_unsafe_method_needs_origin_and_csrf_whatever_its_name() {
    let user = user();
    let cookies = user.cookie_header();
    for method in UNSAFE {
        let base = || Request::new(method, "/api/data").header("cookie", &cookies);
        let cases = [
            ("no Origin", base().header(CSRF_HEADER, &user.csrf), None),
            (
                "an evil Origin",
                base()
                    .header(CSRF_HEADER, &user.csrf)
                    .header("origin", "https://evil.example"),
                None,
            ),
            (
                "a null Origin",
                base().header(CSRF_HEADER, &user.csrf).header("origin", "null"),
                None,
            ),
            (
                "no CSRF header",
                base().header("origin", &user.origin),
                Some(user.origin.as_str()),
            ),
            (
                "a wrong CSRF header",
                base().header("origin", &user.origin).header(CSRF_HEADER, "wrong"),
                Some(user.origin.as_str()),
            ),
            (
                "an empty CSRF header",
                base().header("origin", &user.origin).header(CSRF_HEADER, ""),
                Some(user.origin.as_str()),
            ),
        ];
        for (what, request, origin) in cases {
            assert_filter_refused(&user.send(&request), origin, &format!("{method} with {what}"));
        }
        let headers: [(&str, &[u8]); 2] = [("origin", b"https://evil.example"), ("cookie", cookies.as_bytes())];
        assert_eq!(
            http2::send(&system().system, method, "/api/data", &headers).0,
            401,
            "{method} over HTTP/2"
        );
    }
}

#[test]
fn the_csrf_value_of_another_session_is_refused() {
    let (one, other) = (user(), user());
    let cookies = one.cookie_header_with(CSRF, Some(&other.cookies[CSRF]));
    let request = Request::new("POST", "/api/data")
        .header("origin", &one.origin)
        .header(CSRF_HEADER, &other.csrf)
        .header("cookie", cookies);
    assert_filter_refused(
        &one.send(&request),
        Some(&one.origin),
        "CSRF value and cookie of another session",
    );
}

#[test]
fn an_evil_origin_or_site_is_refused_on_reads_too() {
    let user = user();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = Request::new("GET", "/api/data")
            .header("cookie", user.cookie_header())
            .header(name, value);
        assert_filter_refused(&user.send(&request), None, &format!("{name}: {value}"));
    }
    let trusted = user.api_request("GET").header("sec-fetch-site", "same-site");
    assert_eq!(user.send(&trusted).status, 200);
}

#[test]
fn a_preflight_is_answered_for_the_trusted_origin_only() {
    let user = user();
    let preflight = |origin: &str, path: &str| {
        let request = Request::new("OPTIONS", path)
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        user.send(&request.header("access-control-request-headers", CSRF_HEADER))
    };
    for path in ["/api/data", "/bff/refresh"] {
        let trusted = preflight(&user.origin, path);
        assert!([200, 204].contains(&trusted.status), "{path}: {}", trusted.status);
        assert_eq!(
            trusted.header("access-control-allow-origin"),
            Some(user.origin.as_str()),
            "{path}"
        );
        assert!(
            trusted
                .header("access-control-allow-headers")
                .is_some_and(|allowed| allowed.contains(CSRF_HEADER)),
            "{path}"
        );
        assert_eq!(
            preflight("https://evil.example", path).header("access-control-allow-origin"),
            None,
            "{path}"
        );
    }
}

#[test]
fn the_service_refuses_wrong_cookies_as_well() {
    let user = user();
    for (name, purpose, method, path) in [
        (CSRF, Purpose::Csrf, "POST", "/bff/refresh"),
        (AUTH, Purpose::RefreshToken, "POST", "/bff/refresh"),
        (CSRF, Purpose::Csrf, "POST", "/bff/logout"),
        (ID, Purpose::IdToken, "GET", "/bff/claims"),
    ] {
        for (what, cookies) in wrong_cookies(&user, name, purpose) {
            let response = user.send(&with_cookies(&user, method, path, &cookies));
            assert_service_refused(
                &response,
                Some(&user.origin),
                &format!("{method} {path}, {name} {what}"),
            );
        }
    }
    assert_eq!(
        user.clone().bff("POST", "/bff/refresh").status,
        204,
        "the session is as it was"
    );
}

#[test]
fn the_service_needs_origin_and_csrf() {
    let user = user();
    let cookies = user.cookie_header();
    for path in ["/bff/refresh", "/bff/logout"] {
        let base = || Request::new("POST", path).header("cookie", &cookies);
        let cases = [
            ("no Origin", base().header(CSRF_HEADER, &user.csrf), None),
            (
                "an evil Origin",
                base()
                    .header(CSRF_HEADER, &user.csrf)
                    .header("origin", "https://evil.example"),
                None,
            ),
            (
                "a cross-site request",
                base()
                    .header(CSRF_HEADER, &user.csrf)
                    .header("origin", &user.origin)
                    .header("sec-fetch-site", "cross-site"),
                Some(user.origin.as_str()),
            ),
            (
                "no CSRF header",
                base().header("origin", &user.origin),
                Some(user.origin.as_str()),
            ),
            (
                "a wrong CSRF header",
                base().header("origin", &user.origin).header(CSRF_HEADER, "wrong"),
                Some(user.origin.as_str()),
            ),
        ];
        for (what, request, origin) in cases {
            assert_service_refused(&user.send(&request), origin, &format!("{path} with {what}"));
        }
    }
    for path in ["/bff/login/start", "/bff/login/end"] {
        assert_service_refused(&user.send(&Request::new("POST", path)), None, path);
    }
}

#[test]
fn a_made_up_session_id_does_not_help() {
    let user = user();
    let seals = Seals::of(&system().system, "example");
    let (value, _) = seals.open(Purpose::Csrf, &user.cookies[CSRF]);
    let forged = seals.seal(Purpose::Csrf, &value, SessionId([0; 16]), 60);
    let cookies = user.cookie_header_with(CSRF, Some(&forged));
    assert_filter_refused(
        &user.send(&with_cookies(&user, "POST", "/api/data", &cookies)),
        Some(&user.origin),
        "another session's id",
    );
}
