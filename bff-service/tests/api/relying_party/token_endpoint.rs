//! Invalid responses of the token endpoint.

use serde_json::json;

use super::{assert_refused, be_honest, members, sign_in_while};
use crate::support::app::TestApp;
use crate::support::authorization_server::{Misbehaviour, ResponseWriter};

const UNAVAILABLE: &str = "502 authorization_server_error";
const BUSY: &str = "503 authorization_server_error";
const REJECTED: &str = "400 authorization_error";

/// Every invalid response: at a login, and at a refresh, which does not sign the user out.
fn assert_handled(app: &TestApp, what: &str, outcome: &str, misbehaviour: &Misbehaviour) {
    let server = &app.authorization_server;
    let mut signed_in = app.signed_in();
    let mut browser = app.browser();
    let page_url = browser.authorize("alice");
    server.misbehave("token", misbehaviour.clone());
    let before = server.requests("token");
    let login = browser.load_page(page_url.as_str());
    let refresh = signed_in.post("/refresh");
    assert_eq!(login.outcome(), outcome, "{what}");
    assert_eq!(refresh.outcome(), outcome, "{what}, refresh");
    assert_eq!(server.requests("token") - before, 2, "{what}: neither is tried again");
    assert!(
        refresh.set_cookies().is_empty(),
        "{what}: the session's cookies are untouched"
    );
    be_honest(server);
    assert_eq!(signed_in.get("/session").json()["isLoggedIn"], true, "{what}");
    app.signed_in();
}

fn assert_written_is_refused(app: &TestApp, what: &str, write: impl Fn(&str) -> Vec<u8> + Send + 'static) {
    let write: ResponseWriter = Box::new(write);
    assert_refused(app, what, UNAVAILABLE, |state| {
        state.token_response_writer = Some(write)
    });
}

#[test]
fn rp_token_endpoint_answers_with_a_page_or_nothing() {
    let app = TestApp::start();
    for body in [
        "<html>maintenance</html>",
        "",
        "null",
        "[]",
        "\"token\"",
        "{",
        "{\"access_token\":",
        "\u{feff}{}",
    ] {
        assert_handled(&app, body, UNAVAILABLE, &Misbehaviour::Respond(200, body.to_owned()));
    }
}

#[test]
fn rp_token_endpoint_answers_200_with_an_error() {
    let app = TestApp::start();
    let body = json!({"error": "invalid_request", "error_description": "no"}).to_string();
    assert_handled(
        &app,
        "200 with an error",
        UNAVAILABLE,
        &Misbehaviour::Respond(200, body),
    );
}

#[test]
fn rp_token_endpoint_refuses() {
    let app = TestApp::start();
    for (status, body) in [
        (400, json!({"error": "invalid_request"}).to_string()),
        (
            400,
            json!({"error": "unauthorized_client", "error_description": "invalid_grant"}).to_string(),
        ),
        (401, json!({"error": "invalid_client"}).to_string()),
        (403, "<html>forbidden</html>".to_owned()),
    ] {
        assert_handled(
            &app,
            &format!("{status} {body}"),
            UNAVAILABLE,
            &Misbehaviour::Respond(status, body),
        );
    }
    for (status, outcome) in [
        (500, UNAVAILABLE),
        (502, UNAVAILABLE),
        (504, UNAVAILABLE),
        (429, BUSY),
        (503, BUSY),
    ] {
        assert_handled(
            &app,
            &status.to_string(),
            outcome,
            &Misbehaviour::Respond(status, "{}".to_owned()),
        );
    }
}

#[test]
fn rp_token_endpoint_redirects_with_the_credentials() {
    let app = TestApp::start();
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = elsewhere.local_addr().unwrap();
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let response = format!("HTTP/1.1 {status}\r\nlocation: http://{address}/token\r\ncontent-length: 0\r\n\r\n");
        assert_handled(&app, status, UNAVAILABLE, &Misbehaviour::Raw(response.into_bytes()));
    }
    assert!(elsewhere.accept().is_err(), "nobody ever went there");
}

#[test]
fn rp_token_endpoint_breaks_off() {
    let app = TestApp::start();
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{\"access_token\":\"a\"";
    for (what, misbehaviour) in [
        ("cut in mid-body", Misbehaviour::Truncate),
        ("closed", Misbehaviour::Close),
        ("cut in mid-chunk", Misbehaviour::Raw(chunked.into())),
        ("no HTTP", Misbehaviour::Raw(b"\x00\x01\x02".to_vec())),
        (
            "half a head",
            Misbehaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec()),
        ),
    ] {
        assert_handled(&app, what, UNAVAILABLE, &misbehaviour);
    }
}

#[test]
fn rp_token_endpoint_is_slow_without_end() {
    let app = TestApp::start();
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n".to_vec();
    // A byte every half second: each keeps the connection alive, and the whole would take a minute.
    let drip = Misbehaviour::Drip(head, vec![b' '; 100]);
    assert_handled(&app, "a byte every half second", UNAVAILABLE, &drip);
}

#[test]
fn rp_token_endpoint_sends_too_much() {
    let app = TestApp::start();
    let big = format!("{{\"access_token\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    assert_handled(&app, "10 MB", UNAVAILABLE, &Misbehaviour::Respond(200, big.clone()));
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{big}");
    assert_handled(
        &app,
        "10 MB without a length",
        UNAVAILABLE,
        &Misbehaviour::Raw(endless.into_bytes()),
    );
    // 100 MB of zeros in 100 KB, would it be unpacked.
    let mut bomb = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n".to_vec();
    let packed = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0u8; 100_000]].concat();
    bomb.extend_from_slice(format!("content-length: {}\r\n\r\n", packed.len()).as_bytes());
    bomb.extend_from_slice(&packed);
    assert_handled(&app, "compressed", UNAVAILABLE, &Misbehaviour::Raw(bomb));
    let deep = format!("{{\"access_token\":{}", "[".repeat(200_000));
    assert_handled(&app, "deep", UNAVAILABLE, &Misbehaviour::Respond(200, deep));
}

#[test]
fn rp_token_response_of_another_content_type() {
    let app = TestApp::start();
    for content_type in ["text/html", "text/plain", "application/x-www-form-urlencoded"] {
        assert_written_is_refused(&app, content_type, move |json| {
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{json}",
                json.len()
            )
            .into_bytes()
        });
    }
}

#[test]
fn rp_token_response_with_members_that_are_none() {
    let app = TestApp::start();
    for changes in [
        json!({"access_token": null}),
        json!({"access_token": ""}),
        json!({"access_token": 7}),
        json!({"access_token": ["a"]}),
        json!({"access_token": "a b"}),
        json!({"access_token": "a\r\nset-cookie: x=y"}),
        json!({"access_token": "\u{e9}"}),
        json!({"access_token": "x".repeat(40_000)}),
        json!({"token_type": null}),
        json!({"token_type": "mac"}),
        json!({"token_type": ""}),
        json!({"token_type": ["Bearer"]}),
        json!({"expires_in": -1}),
        json!({"expires_in": "soon"}),
        json!({"expires_in": {"seconds": 300}}),
        json!({"refresh_token": 7}),
        json!({"refresh_token": "a\nb"}),
        json!({"id_token": 7}),
    ] {
        assert_refused(&app, &changes.to_string(), UNAVAILABLE, members(changes.clone()));
    }
}

#[test]
fn rp_token_response_with_a_member_twice() {
    let app = TestApp::start();
    assert_written_is_refused(&app, "two access tokens", |json| {
        let twice = json.replacen('{', "{\"access_token\":\"first\",", 1);
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{twice}",
            twice.len()
        )
        .into_bytes()
    });
}

#[test]
fn rp_token_response_that_is_not_utf_8() {
    let app = TestApp::start();
    assert_written_is_refused(&app, "invalid UTF-8", |json| {
        let at = json.find("access-token-").unwrap();
        let body = [&json.as_bytes()[..at], b"\xff\xfe", &json.as_bytes()[at..]].concat();
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        [head.as_bytes(), &body].concat()
    });
}

#[test]
fn rp_token_endpoint_takes_the_code_for_used() {
    let app = TestApp::start();
    let response = sign_in_while(&app, |state| {
        // As after a restart of the server.
        state.forget_codes();
    });
    assert_eq!(response.outcome(), REJECTED);
}

#[test]
fn oidcc_client_test_client_secret_basic() {
    let app = TestApp::start();
    app.signed_in();
    let headers = app.authorization_server.state().last_headers["token"].clone();
    // Form-encoded first.
    let expected = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        "spa-client:the%20client%20secret%20of%20the%20tests",
    );
    assert_eq!(headers["authorization"], format!("Basic {expected}"));
}

#[test]
fn rp_token_endpoint_client_secret_post() {
    let app = TestApp::start_with(crate::support::app::Setup {
        client: "authentication = 'client_secret_post'",
        ..Default::default()
    });
    app.signed_in();
    let state = app.authorization_server.state();
    assert_eq!(state.last_form["client_secret"], "the client secret of the tests");
    assert!(!state.last_headers["token"].contains_key("authorization"));
}
