//! The filter's rejections, their exact form, and that nothing else is affected.

use std::sync::OnceLock;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::http1::{Request, Response};
use bff_tests::http2;
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AT, AUTH, CSRF, CSRF_HEADER, ID, UserAgent};
use bff_tests::wrong_cookies::{UNSAFE, with_cookies, wrong_cookies};
use serde_json::json;

fn system() -> &'static TestSystem {
    static SYSTEM: OnceLock<TestSystem> = OnceLock::new();
    SYSTEM.get_or_init(|| start(|_| {}))
}

fn user() -> UserAgent {
    UserAgent::signed_in(&system().system)
}

/// The filter's rejection: exact status, JSON and CORS headers.
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

#[test]
fn a_wrong_access_token_cookie_is_refused_by_the_filter() {
    let user = user();
    for (what, cookies) in wrong_cookies(&system().system, &user, AT, Purpose::AccessToken) {
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
    for (what, cookies) in wrong_cookies(&system().system, &user, CSRF, Purpose::Csrf) {
        let response = user.send(&with_cookies(&user, "POST", "/api/data", &cookies));
        assert_filter_refused(&response, Some(&user.origin), &what);
    }
    assert_eq!(user.send(&user.api_request("POST")).status, 200);
}

#[test]
fn cookies_that_a_page_of_a_sibling_domain_can_set_change_nothing_at_the_filter() {
    let (user, other) = (user(), user());
    for name in [AUTH, ID] {
        let of_other = &other.cookies[name];
        for planted in [
            format!("{name}.7="),
            format!("{name}=x; {name}=y"),
            format!("{name}={of_other}"),
        ] {
            for cookies in [
                format!("{}; {planted}", user.cookie_header()),
                format!("{planted}; {}", user.cookie_header()),
            ] {
                for method in ["GET", "POST"] {
                    let response = user.send(&with_cookies(&user, method, "/api/data", &cookies));
                    assert_eq!(response.status, 200, "{method} {cookies}");
                }
            }
            let response = user.send(&with_cookies(&user, "GET", "/api/data", &planted));
            assert_filter_refused(&response, Some(&user.origin), &planted);
        }
    }
}

#[test]
fn no_cookie_and_no_set_of_cookies_stands_for_the_one_that_is_asked_for() {
    let user = user();
    let names = [AT, CSRF, AUTH, ID];
    for set in 0..(1 << names.len()) {
        let there: Vec<&str> = (0..names.len())
            .filter(|bit| set & (1 << bit) != 0)
            .map(|bit| names[bit])
            .collect();
        for readable in [true, false] {
            let cookies = there.iter().map(|name| match readable {
                true => format!("{name}={}", user.cookies[*name]),
                false => format!("{name}=present"),
            });
            let cookies = cookies.collect::<Vec<_>>().join("; ");
            for (method, needed) in [("GET", &[AT][..]), ("POST", &[AT, CSRF])] {
                let proven = readable && needed.iter().all(|name| there.contains(name));
                let response = user.send(&with_cookies(&user, method, "/api/data", &cookies));
                let what = format!("{method} with {there:?}, readable: {readable}");
                match proven {
                    true => assert_eq!(response.status, 200, "{what}"),
                    false => assert_filter_refused(&response, Some(&user.origin), &what),
                }
            }
        }
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
            http2::send(&system().system, method, "/api/data", &headers).status,
            401,
            "{method} over HTTP/2"
        );
    }
}

#[test]
fn a_method_that_nobody_has_registered_is_envoys_bad_request_and_those_of_webdav_reach_the_filter() {
    let user = user();
    let with = |method: &str| {
        Request::new(method, "/api/data")
            .header("origin", &user.origin)
            .header("cookie", user.cookie_header())
    };
    for method in [
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "REPORT",
        "SEARCH",
    ] {
        assert_filter_refused(&user.send(&with(method)), Some(&user.origin), method);
        // The API decides about such a method itself.
        let proven = user.send(&with(method).header(CSRF_HEADER, &user.csrf));
        assert!(![400, 401].contains(&proven.status), "{method}: {}", proven.status);
    }
    for method in ["INVENTED", "GETX", "get"] {
        let response = user.send(&with(method).header(CSRF_HEADER, &user.csrf));
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, ""),
            "{method}: Envoy's own"
        );
    }
}

#[test]
fn a_refusal_is_json_and_nobody_is_to_guess_that_it_is_something_else() {
    let user = user();
    let refused = user.send(&Request::new("GET", "/api/data"));
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthorized"));
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
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
fn a_websocket_upgrade_needs_an_origin() {
    let user = user();
    let upgrade = || {
        Request::new("GET", "/api/data")
            .header("cookie", user.cookie_header())
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    assert_filter_refused(&user.send(&upgrade()), None, "no Origin");
    let evil = upgrade().header("origin", "https://evil.example");
    assert_filter_refused(&user.send(&evil), None, "an evil Origin");
}

#[test]
fn a_well_sealed_token_that_the_authorization_server_does_not_know_is_refused() {
    let user = user();
    let seals = Seals::of(&system().system, "example");
    let (_, session) = seals.open(Purpose::AccessToken, &user.cookies[AT]);
    for token in ["unknown", "a b", "token\r\nx-injected: 1", "", "%00"] {
        let cookies = user.cookie_header_with(AT, Some(&seals.seal(Purpose::AccessToken, token, session, 60)));
        let response = user.send(&with_cookies(&user, "GET", "/api/data", &cookies));
        assert_filter_refused(&response, Some(&user.origin), token);
    }
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn a_made_up_session_id_does_not_help() {
    let user = user();
    let seals = Seals::of(&system().system, "example");
    let (value, _) = seals.open(Purpose::Csrf, &user.cookies[CSRF]);
    let forged = seals.seal(Purpose::Csrf, &value, SessionId([0; 32]), 60);
    let cookies = user.cookie_header_with(CSRF, Some(&forged));
    assert_filter_refused(
        &user.send(&with_cookies(&user, "POST", "/api/data", &cookies)),
        Some(&user.origin),
        "another session's id",
    );
}
