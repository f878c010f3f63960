//! The service's rejections, their exact form, and that nothing else is affected.

use std::sync::OnceLock;

use bff_core::cookie::purpose::Purpose;
use bff_service::error_code::ErrorCode;
use bff_tests::http1::{Request, Response};
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AUTH, CSRF, CSRF_HEADER, ID, UserAgent};
use bff_tests::wrong_cookies::{UNSAFE, with_cookies, wrong_cookies};

fn system() -> &'static TestSystem {
    static SYSTEM: OnceLock<TestSystem> = OnceLock::new();
    SYSTEM.get_or_init(|| start(|_| {}))
}

fn user() -> UserAgent {
    UserAgent::signed_in(&system().system)
}

/// The service's rejection.
fn assert_service_refused(response: &Response, origin: Option<&str>, what: &str) {
    assert_eq!(response.status, 401, "{what}");
    let expected = ErrorCode::UnauthorizedRequest.body();
    assert_eq!(String::from_utf8_lossy(&response.body), expected, "{what}");
    assert!(response.all("set-cookie").is_empty(), "{what}: cookies are untouched");
    assert_eq!(response.header("access-control-allow-origin"), origin, "{what}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
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
        for (what, cookies) in wrong_cookies(&system().system, &user, name, purpose) {
            let response = user.send(&with_cookies(&user, method, path, &cookies));
            if name == CSRF && what == "expired" {
                // This cookie says when the session ends: the service clears all cookies of an expired one.
                let expected = ErrorCode::SessionExpired.body();
                assert_eq!(String::from_utf8_lossy(&response.body), expected, "{method} {path}");
                let cleared = response.all("set-cookie");
                assert!(cleared.iter().all(|line| line.contains("Max-Age=0")), "{method} {path}");
                assert_eq!((response.status, cleared.len()), (401, 4), "{method} {path}");
                continue;
            }
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
    for method in UNSAFE.into_iter().chain(["GET"]) {
        for path in [
            "/bff/userInfo",
            "/bff/claims",
            "/bff/session",
            "/bff/refresh",
            "/bff/logout",
        ] {
            let request = Request::new(method, path)
                .header("cookie", &cookies)
                .header(CSRF_HEADER, &user.csrf)
                .header("origin", "https://evil.example");
            assert_service_refused(
                &user.send(&request),
                None,
                &format!("{method} {path} with an evil Origin"),
            );
        }
    }
    assert_eq!(
        user.clone().bff("POST", "/bff/refresh").status,
        204,
        "the session is as it was"
    );
}
