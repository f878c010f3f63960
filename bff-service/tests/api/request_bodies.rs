//! Request bodies: their size, their type, and those that no endpoint reads.

use serde_json::json;

use crate::requests::{PAGE_ENDPOINTS, assert_json_error};
use crate::support::app::{REDIRECT_URI, TestApp, WEB_ORIGIN};
use crate::support::http::send_bytes;

#[test]
fn a_body_over_16_kib_is_413() {
    let app = TestApp::start();
    let mut browser = app.browser();
    let request = browser
        .request("POST", "/login/end")
        .header("content-type", "application/json");
    let fits = request.clone().body("x".repeat(16 * 1024));
    assert_eq!(browser.send(&fits).outcome(), "400 invalid_request");
    let announced = request.clone().header("content-length", "16385");
    let response = browser.send(&announced);
    assert_json_error(&response, 413);
    assert_eq!(response.json()["code"], "invalid_request");
    let mut chunked = request.header("transfer-encoding", "chunked").to_bytes();
    for _ in 0..17 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b' '; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_json_error(&send_bytes(app.address, &chunked), 413);
}

#[test]
fn a_body_that_cannot_be_json_is_415() {
    let app = TestApp::start();
    let body = json!({"pageUrl": REDIRECT_URI}).to_string();
    for content_type in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "\u{e9}",
        "json",
    ] {
        let mut browser = app.browser();
        let request = browser
            .request("POST", "/login/end")
            .header("content-type", content_type)
            .body(body.clone());
        let response = browser.send(&request);
        assert_json_error(&response, 415);
        assert_eq!(response.json()["code"], "invalid_request");
    }
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/plain;charset=UTF-8",
    ] {
        let mut browser = app.browser();
        let request = browser
            .request("POST", "/login/end")
            .header("content-type", content_type)
            .body(body.clone());
        assert_eq!(browser.send(&request).status, 200, "{content_type}");
    }
    let mut browser = app.browser();
    assert_eq!(
        browser.send(&browser.request("POST", "/login/end").body(body)).status,
        200,
        "no content type"
    );
}

#[test]
fn a_login_can_be_started_without_a_body() {
    let app = TestApp::start();
    let mut browser = app.browser();
    for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        let request = browser
            .request("POST", "/login/start")
            .header("content-type", content_type);
        assert_eq!(
            browser.send(&request.header("content-length", "0")).status,
            200,
            "{content_type}"
        );
    }
    assert_eq!(
        browser
            .send(&browser.request("POST", "/login/start").json(&json!({})))
            .status,
        200
    );
}

#[test]
fn a_body_that_nobody_read_is_not_taken_for_the_next_request() {
    let app = TestApp::start();
    let hidden = "GET /bff/session HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for origin in ["https://evil.test", WEB_ORIGIN] {
        let request = format!(
            "POST /bff/unknown HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-length: {}\r\n\r\n{hidden}\
             GET /bff/claims HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            hidden.len()
        );
        let mut stream = std::net::TcpStream::connect(app.address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut responses = String::new();
        let _ = std::io::Read::read_to_string(&mut stream, &mut responses);
        assert!(!responses.contains("isLoggedIn"), "{responses}");
    }
}

#[test]
fn an_empty_post_of_any_type_to_any_endpoint_breaks_nothing() {
    let app = TestApp::start();
    for (_, endpoint) in
        PAGE_ENDPOINTS
            .iter()
            .chain(&[("", "/backchannel-logout"), ("", "/callback"), ("", "/unknown")])
    {
        for content_type in [
            "",
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/plain",
        ] {
            let mut request = app.browser().request("POST", endpoint);
            if !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            let response = request.send(app.address);
            assert!(response.status < 500, "{endpoint} {content_type}: {response:?}");
        }
    }
    assert_eq!(app.signed_in().get("/session").json()["isLoggedIn"], true);
}

#[test]
fn a_form_that_any_page_could_post_changes_nothing() {
    let app = TestApp::start();
    let browser = app.signed_in();
    for endpoint in ["/login/start", "/login/end", "/refresh", "/logout"] {
        // As a form on another origin of the same site would send it, with all cookies.
        let form = browser
            .request("POST", endpoint)
            .without("x-example-csrf")
            .without("origin")
            .header("origin", "https://sibling.example.test")
            .form(&[("pageUrl", "https://www.example.test/?state=s&code=c")]);
        let response = form.send(app.address);
        assert_eq!(response.outcome(), "401 unauthorized_request", "{endpoint}");
        assert!(response.set_cookies().is_empty(), "{endpoint}");
    }
}
