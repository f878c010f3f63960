//! Bytes that a client can send and no browser does.

use std::sync::OnceLock;

use bff_tests::http1::Request;
use bff_tests::http2;
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AT, CSRF_HEADER, UserAgent};

fn system() -> &'static TestSystem {
    static SYSTEM: OnceLock<TestSystem> = OnceLock::new();
    SYSTEM.get_or_init(|| start(|_| {}))
}

fn user() -> UserAgent {
    UserAgent::signed_in(&system().system)
}

#[test]
fn bytes_over_0x7f_in_any_header_neither_break_nor_fool_anything() {
    let user = user();
    let bytes = b"\xff\xfe\x80caf\xe9";
    for name in [
        "x-application",
        "user-agent",
        "accept",
        "referer",
        "x-forwarded-for",
        "x-request-id",
    ] {
        assert_eq!(
            user.send(&user.api_request("GET").header(name, bytes)).status,
            200,
            "{name}"
        );
    }
    for name in ["origin", CSRF_HEADER] {
        let response = user.send(&user.api_request("POST").header(name, bytes));
        assert_eq!(response.status, 401, "{name} twice");
        let request = Request::new("POST", "/api/data")
            .header("cookie", user.cookie_header())
            .header(name, bytes);
        assert_eq!(user.send(&request).status, 401, "{name}");
        let to_service = Request::new("POST", "/bff/refresh")
            .header("cookie", user.cookie_header())
            .header(name, bytes);
        assert_eq!(user.send(&to_service).status, 401, "{name} at the service");
    }
    let ours = [AT.as_bytes(), b"=", bytes].concat();
    for path in ["/api/data", "/bff/claims"] {
        let request = Request::new("GET", path)
            .header("origin", &user.origin)
            .header("cookie", &ours);
        assert_eq!(user.send(&request).status, 401, "{path}");
    }
    let theirs = [user.cookie_header().as_bytes(), b"; bytes=", bytes].concat();
    let request = Request::new("GET", "/api/data")
        .header("origin", &user.origin)
        .header("cookie", theirs);
    assert_eq!(user.send(&request).status, 200, "a cookie of the application");
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn two_cookie_lines_are_one_list_and_access_tokens_of_two_sessions_in_it_are_refused() {
    let (user, other) = (user(), user());
    let (at, of_other) = (at(&user), at(&other));
    let request = |first: &str, second: &str| {
        Request::new("GET", "/api/data")
            .header("origin", &user.origin)
            .header("cookie", first)
            .header("Cookie", second)
    };
    assert_eq!(user.send(&request("a=1", &at)).status, 200);
    assert_eq!(user.send(&request(&at, "b=2")).status, 200);
    assert_eq!(user.send(&request(&at, &at)).status, 200);
    assert_eq!(user.send(&request(&at, &of_other)).status, 401);
    assert_eq!(user.send(&request(&of_other, &at)).status, 401);
}

fn at(user: &UserAgent) -> String {
    format!("{AT}={}", user.cookies[AT])
}

#[test]
fn http_2_crumbs_do_not_hide_access_tokens_of_two_sessions() {
    let (user, other) = (user(), user());
    let (at, of_other) = (at(&user), at(&other));
    let origin = ("origin", user.origin.as_bytes());
    let get = |headers: &[(&str, &[u8])]| http2::send(&system().system, "GET", "/api/data", headers).status;
    assert_eq!(get(&[origin, ("cookie", at.as_bytes())]), 200);
    assert_eq!(
        get(&[
            origin,
            ("cookie", at.as_bytes()),
            ("cookie", b"x=1"),
            ("cookie", of_other.as_bytes())
        ]),
        401
    );
}

#[test]
fn many_and_long_cookies_are_handled_up_to_the_limits() {
    let user = user();
    let with = |extra: String| {
        Request::new("GET", "/api/data")
            .header("origin", &user.origin)
            .header("cookie", format!("{extra}; {}", user.cookie_header()))
    };
    let many: Vec<String> = (0..1000).map(|number| format!("c{number}=v")).collect();
    assert_eq!(user.send(&with(many.join("; "))).status, 200);
    assert_eq!(user.send(&with(format!("long={}", "x".repeat(20_000)))).status, 200);
    assert_eq!(user.send(&with(";".repeat(20_000))).status, 200);
    let parts: Vec<String> = (1..400).map(|number| format!("{AT}.{number}=A")).collect();
    assert_eq!(user.send(&with(parts.join("; "))).status, 200, "beside the user's own");
    let alone = Request::new("GET", "/api/data")
        .header("origin", &user.origin)
        .header("cookie", parts.join("; "));
    assert_eq!(user.send(&alone).status, 401);
    // Above Envoy's limit: Envoy rejects the request, and the next one succeeds.
    let response = user.client.send("api", &with(format!("long={}", "x".repeat(200_000))));
    assert!(response.is_err() || response.is_ok_and(|response| response.status == 431 || response.status == 400));
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn odd_targets_and_methods_break_nothing() {
    let user = user();
    for (method, path) in [
        ("CONNECT", "api.example.localhost:443"),
        ("OPTIONS", "*"),
        ("GET", "*"),
        ("TRACE", "/api/data"),
        ("get", "/api/data"),
        ("A", "/api/data"),
    ] {
        let request = Request::new(method, path).header("origin", &user.origin);
        let response = user.client.send("api", &request);
        assert!(
            response.is_err()
                || response
                    .as_ref()
                    .is_ok_and(|response| response.status >= 400 && response.status < 500),
            "{method} {path}: {response:?}"
        );
    }
    assert_eq!(user.get_data().status, 200);
}
