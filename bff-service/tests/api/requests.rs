//! Paths, methods, bodies and headers that no client of this API would send.

use crate::support::app::{Setup, TestApp, WEB_ORIGIN};
use crate::support::http::{Request, Response, find};

pub fn assert_json_error(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{response:?}");
    let body = response.json();
    assert!(body["code"].is_string() && body["message"].is_string(), "{body}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    assert_eq!(response.header("content-type"), Some("application/json"));
}

#[test]
fn every_response_carries_the_security_headers_and_no_banner() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let requests = [
        ("GET", "/session"),
        ("POST", "/login/start"),
        ("GET", "/unknown"),
        ("PUT", "/refresh"),
        ("POST", "/refresh"),
    ];
    for (method, endpoint) in requests {
        let response = browser.send(&browser.request(method, endpoint));
        assert_eq!(
            response.header("cache-control"),
            Some("no-store"),
            "{method} {endpoint}"
        );
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{method} {endpoint}"
        );
        assert_eq!(
            response.header("referrer-policy"),
            Some("no-referrer"),
            "{method} {endpoint}"
        );
        let vary = response.header("vary").unwrap();
        assert!(
            vary.split(", ").any(|name| name == "origin"),
            "{method} {endpoint}: {vary}"
        );
        assert!(
            method == "OPTIONS" || vary.contains("cookie"),
            "{method} {endpoint}: {vary}"
        );
        for banner in ["server", "x-powered-by"] {
            assert_eq!(response.header(banner), None, "{method} {endpoint}");
        }
    }
}

#[test]
fn an_unknown_path_is_404_and_no_spelling_of_a_known_one_is_known() {
    let app = TestApp::start();
    for path in [
        "/",
        "/bff",
        "/bff/",
        "/bff/unknown",
        "/bff/session/",
        "/bff//session",
        "//bff/session",
        "/bff/%73ession",
        "/bff/session;v=1",
        "/bff/./session",
        "/bff/x/../session",
        "/bff/Session",
        "/session",
        "/bffx/session",
        "/healthz",
        "/metrics",
    ] {
        assert_json_error(
            &Request::new("GET", path).header("origin", WEB_ORIGIN).send(app.address),
            404,
        );
    }
    let response = Request::new("GET", "/bff/session?a=b")
        .header("origin", WEB_ORIGIN)
        .send(app.address);
    assert_eq!(response.status, 200, "a query is no part of the path");
}

#[test]
fn a_wrong_method_is_405_and_says_which_is_right() {
    let app = TestApp::start();
    for (method, endpoint, allow) in [
        ("GET", "/refresh", "POST, OPTIONS"),
        ("PUT", "/login/start", "POST, OPTIONS"),
        ("DELETE", "/logout", "POST, OPTIONS"),
        ("PROPPATCH", "/login/end", "POST, OPTIONS"),
        ("INVENTED", "/refresh", "POST, OPTIONS"),
        ("HEAD", "/refresh", "POST, OPTIONS"),
        ("POST", "/userInfo", "GET, HEAD, OPTIONS"),
        ("POST", "/session", "GET, HEAD, OPTIONS"),
    ] {
        let response = Request::new(method, &format!("/bff{endpoint}"))
            .header("origin", WEB_ORIGIN)
            .send(app.address);
        match method {
            "HEAD" => assert_eq!((response.status, response.body.as_str()), (405, "")),
            _ => assert_json_error(&response, 405),
        }
        assert_eq!(response.header("allow"), Some(allow), "{method} {endpoint}");
    }
}

#[test]
fn header_bytes_that_are_not_text_are_handled() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    for header in [
        "cookie",
        "x-example-csrf",
        "x-request-id",
        "user-agent",
        "accept",
        "sec-fetch-site",
        "x-anything",
    ] {
        for endpoint in ["/session", "/refresh", "/login/start"] {
            let method = if endpoint == "/session" { "GET" } else { "POST" };
            let request = browser
                .request(method, endpoint)
                .header(header, b"a=\xff\xfe\x80; \xc3(");
            let response = browser.clone().send(&request);
            assert!(response.status < 500, "{endpoint} with {header}: {response:?}");
        }
    }
    assert_eq!(browser.get("/userInfo").status, 200, "and the next request is served");
}

#[test]
fn cookies_of_the_application_and_several_cookie_lines_do_not_matter() {
    let app = TestApp::start();
    let mut browser = app.signed_in();
    let request = browser
        .request("GET", "/userInfo")
        .header("cookie", b"theirs=\xff; a; =b; ;; c=\"d\"");
    assert_eq!(browser.send(&request).status, 200);
    let mut split = browser.request("POST", "/refresh").without("cookie");
    for ((name, _), value) in &browser.cookies {
        split = split.header("cookie", format!("{name}={value}"));
    }
    assert_eq!(browser.send(&split).status, 204);
}

#[test]
fn a_request_that_is_not_http_gets_an_answer_or_none_and_the_next_one_is_served() {
    let app = TestApp::start();
    for bytes in [
        &b"GET /bff/session HTTP/9.9\r\n\r\n"[..],
        b"\x16\x03\x01\r\n\r\n",
        b"GET /bff/\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let mut stream = std::net::TcpStream::connect(app.address).unwrap();
        std::io::Write::write_all(&mut stream, bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut response = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut response);
        assert!(
            response.is_empty() || find(&response, b"HTTP/1.1 4").is_some(),
            "{}",
            response.escape_ascii()
        );
    }
    assert_eq!(app.browser().get("/session").status, 200);
}

#[test]
fn the_admin_listener_tells_how_the_service_is() {
    let app = TestApp::start();
    assert_eq!(app.admin("/healthz").status, 200);
    crate::support::app::wait_until("the service is ready", || app.admin("/readyz").status == 200);
    let mut browser = app.browser();
    browser.get("/session");
    browser.post("/refresh");
    assert_eq!(app.metric(r#"bff_requests_total{endpoint="session",outcome="ok"}"#), 1);
    assert_eq!(
        app.metric(r#"bff_requests_total{endpoint="refresh",outcome="unauthorized_request"}"#),
        1
    );
    assert_eq!(app.admin("/bff/session").status, 404);
}

pub const PAGE_ENDPOINTS: [(&str, &str); 7] = [
    ("POST", "/login/start"),
    ("POST", "/login/end"),
    ("GET", "/userInfo"),
    ("GET", "/claims"),
    ("POST", "/refresh"),
    ("POST", "/logout"),
    ("GET", "/session"),
];

#[test]
fn a_call_of_a_page_is_never_answered_by_a_redirect() {
    let app = TestApp::start();
    for browser in [app.browser(), app.signed_in()] {
        for (method, endpoint) in PAGE_ENDPOINTS {
            let response = browser.clone().send(&browser.request(method, endpoint));
            assert!(
                !(300..400).contains(&response.status),
                "{method} {endpoint}: {}",
                response.status
            );
            assert_eq!(response.header("location"), None, "{method} {endpoint}");
        }
    }
}

#[test]
fn forwarded_headers_queries_and_user_agents_change_no_decision() {
    let app = TestApp::start();
    let browser = app.signed_in();
    for (name, value) in [
        ("x-forwarded-uri", "/bff/session"),
        ("x-original-url", "/bff/session"),
        ("x-rewrite-url", "/bff/session"),
        ("x-forwarded-method", "GET"),
        ("x-http-method-override", "GET"),
        ("x-forwarded-host", "www.example.test"),
        ("forwarded", "host=www.example.test;proto=https"),
        ("user-agent", "GoogleHC/1.0"),
        ("user-agent", "kube-probe/1.29"),
    ] {
        for target in ["/refresh", "/refresh?x=/healthz", "/refresh?_method=GET"] {
            let request = browser
                .request("POST", target)
                .without("x-example-csrf")
                .header(name, value);
            assert_eq!(
                request.send(app.address).outcome(),
                "401 unauthorized_request",
                "{name}: {value} {target}"
            );
        }
    }
}

#[test]
fn the_clients_public_keys_are_there_for_get_and_for_head() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let app = TestApp::start_with(Setup {
        client: &format!("signing_key_files = [{file:?}]\nauthentication = \"client_secret_basic\""),
        ..Setup::default()
    });
    let [got, head] = ["GET", "HEAD"].map(|method| Request::new(method, "/bff/jwks").send(app.address));
    assert_eq!((got.status, head.status), (200, 200));
    assert_eq!(got.json()["keys"].as_array().unwrap().len(), 1);
    assert!(!got.body.contains("\"d\""), "the private part");
    assert!(head.body.is_empty() && head.set_cookies().is_empty());
    assert_eq!(head.header("content-type"), got.header("content-type"));
}
