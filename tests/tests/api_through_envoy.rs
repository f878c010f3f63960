//! What the API receives of a forwarded request.

use std::sync::OnceLock;

use bff_tests::http1::Request;
use bff_tests::http2;
use bff_tests::recording_api::RecordingApi;
use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{AT, CSRF_HEADER, UserAgent};
use demo_system::System;

struct Recorded {
    test: TestSystem,
    api: RecordingApi,
}

impl Recorded {
    fn system(&self) -> &System {
        &self.test.system
    }
}

/// One system per test: each test examines the last request that reached the API.
fn recorded() -> Recorded {
    let mut api = None;
    let test = start(|options| {
        let (recording, address) = RecordingApi::start(options.ports.api);
        options.dial_api = Some(address);
        api = Some(recording);
    });
    Recorded {
        test,
        api: api.expect("started"),
    }
}

fn values(head: &[(String, Vec<u8>)], name: &str) -> Vec<Vec<u8>> {
    head.iter()
        .filter(|(found, _)| found == name)
        .map(|(_, value)| value.clone())
        .collect()
}

#[test]
fn data_is_read_and_changed_through_envoy() {
    static SYSTEM: OnceLock<Recorded> = OnceLock::new();
    let recorded = SYSTEM.get_or_init(recorded);
    let user = UserAgent::signed_in(recorded.system());
    let got = user.get_data();
    assert_eq!(got.status, 200);
    assert_eq!(got.header("access-control-allow-origin"), Some(user.origin.as_str()));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(user.send(&user.api_request(method)).status, 200, "{method}");
    }
}

#[test]
fn the_api_sees_one_authorization_and_nothing_of_ours() {
    let recorded = recorded();
    let user = UserAgent::signed_in(recorded.system());
    let request = Request::new("POST", "/api/data")
        .header("origin", &user.origin)
        .header("authorization", "Bearer the-clients-own")
        .header("Authorization", "Basic b3duOm93bg==")
        .header("cookie", format!("theme=dark; {}; bytes=\"a b\"", user.cookie_header()))
        .header("cookie", b"second=line; raw=\xe4\xff")
        .header(CSRF_HEADER, &user.csrf)
        .header("x_example_csrf", &user.csrf)
        .header("x-application", "kept");
    assert_eq!(user.send(&request).status, 200);
    let head = recorded.api.last();
    let authorization = values(&head, "authorization");
    let [bearer] = authorization.as_slice() else {
        panic!("expected one Authorization line, received {}", authorization.len())
    };
    let jwt = bearer.strip_prefix(b"Bearer ").expect("a bearer token");
    assert_eq!(jwt.split(|byte| *byte == b'.').count(), 3, "a JWT");
    assert_eq!(
        values(&head, "cookie"),
        [b"theme=dark; bytes=\"a b\"; second=line; raw=\xe4\xff".to_vec()]
    );
    assert!(values(&head, CSRF_HEADER).is_empty() && values(&head, "x_example_csrf").is_empty());
    assert_eq!(values(&head, "x-application"), [b"kept".to_vec()]);
}

#[test]
fn a_request_without_cookies_of_the_application_has_no_cookie_header_upstream() {
    let recorded = recorded();
    let user = UserAgent::signed_in(recorded.system());
    assert_eq!(user.get_data().status, 200);
    assert!(values(&recorded.api.last(), "cookie").is_empty());
}

#[test]
fn http_2_crumbs_and_several_lines_are_one_cookie_header() {
    let recorded = recorded();
    let user = UserAgent::signed_in(recorded.system());
    let at = format!("{AT}={}", user.cookies[AT]);
    let origin = user.origin.as_bytes();
    let crumbs: [(&str, &[u8]); 4] = [
        ("origin", origin),
        ("cookie", b"a=1"),
        ("cookie", at.as_bytes()),
        ("cookie", b"b=\xff"),
    ];
    assert_eq!(http2::send(recorded.system(), "GET", "/api/data", &crumbs).status, 200);
    assert_eq!(values(&recorded.api.last(), "cookie"), [b"a=1; b=\xff".to_vec()]);
}

#[test]
fn no_spelling_of_a_protected_path_gets_by() {
    let recorded = recorded();
    let user = UserAgent::new(recorded.system());
    recorded.api.clear();
    for path in [
        "/api",
        "/api/",
        "/api/data",
        "//api/data",
        "/api//data",
        "/./api/data",
        "/bff/../api/data",
        "/bff/..;/api/data",
        "/api/..;/api/data",
        "/api/data;v=1",
        "/api;v=1/data",
        "/%61pi/data",
        "/ap%69/data",
        "/api%2fdata",
        "/api%2Fdata",
        "/api%5cdata",
        "/bff%2f..%2fapi/data",
        "/bff/%2e%2e/api/data",
        "/bff/.%2e/api/data",
        "/api\\data",
        "\\api\\data",
        "/bff\\..\\api\\data",
        "/API/data",
        "/api/data?x=/bff",
        "/api/data#x",
        "/api/%00data",
        "*",
        "http://127.0.0.1/api/data",
        "/bff/../../api/data",
        "/api/./data",
        "/apix/../api/data",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let request = Request::new(method, path).header("origin", &user.origin);
            // A connection error counts as refused. The test is about what the API received.
            let response = user.client.send("api", &request);
            assert!(
                response.is_err()
                    || response
                        .as_ref()
                        .is_ok_and(|response| response.status != 200 || method == "OPTIONS"),
                "{method} {path}: {response:?}"
            );
        }
    }
    assert_eq!(
        recorded.api.heads().len(),
        0,
        "reached the API: {:?}",
        recorded
            .api
            .heads()
            .iter()
            .map(|head| String::from_utf8_lossy(head).into_owned())
            .collect::<Vec<_>>()
    );
    let user = UserAgent::signed_in(recorded.system());
    assert_eq!(user.get_data().status, 200);
    assert_eq!(recorded.api.heads().len(), 1, "what reaches the API is seen here");
}

#[test]
fn a_clients_own_token_is_no_proof_with_cookies_or_without() {
    let recorded = recorded();
    let user = UserAgent::signed_in(recorded.system());
    assert_eq!(user.send(&user.api_request("GET")).status, 200);
    // A valid one: the JWT that the API has just accepted.
    let authorization = values(&recorded.api.last(), "authorization");
    let [accepted] = authorization.as_slice() else {
        panic!("expected one Authorization line, received {}", authorization.len())
    };
    recorded.api.clear();
    for cookies in [
        String::new(),
        user.cookie_header_with(AT, None),
        user.cookie_header_with(AT, Some("x")),
    ] {
        for method in ["GET", "OPTIONS", "POST"] {
            let request = Request::new(method, "/api/data")
                .header("origin", &user.origin)
                .header("authorization", accepted)
                .header("cookie", format!("application=1; {cookies}"))
                .header(CSRF_HEADER, &user.csrf);
            assert_eq!(user.send(&request).status, 401, "{method} with the cookies `{cookies}`");
        }
    }
    assert_eq!(recorded.api.heads().len(), 0, "nothing reached the API");
    let options = user
        .api_request("OPTIONS")
        .header("authorization", "Bearer the-clients-own");
    user.send(&options);
    assert_eq!(
        values(&recorded.api.last(), "authorization").len(),
        1,
        "OPTIONS is like any other method"
    );
    assert_ne!(
        values(&recorded.api.last(), "authorization"),
        [b"Bearer the-clients-own".to_vec()]
    );
}
