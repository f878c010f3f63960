//! Unusual but valid responses: a client that rejects them cannot be used with some servers.

use serde_json::{Value, json};

use super::{assert_accepted, members, now};
use crate::support::app::TestApp;
use crate::support::authorization_server::{KEY_ID, ResponseWriter};

fn assert_claims_accepted(app: &TestApp, changes: Value) {
    let what = changes.to_string();
    assert_accepted(app, &what[..what.len().min(80)], |state| {
        state.claims = changes.as_object().unwrap().clone()
    });
}

#[test]
fn rp_id_token_with_unusual_claims() {
    let app = TestApp::start();
    assert_claims_accepted(&app, json!({"aud": ["spa-client"]}));
    assert_claims_accepted(&app, json!({"aud": ["spa-client"], "azp": "spa-client"}));
    assert_claims_accepted(&app, json!({"iat": now() as f64 - 0.5, "exp": now() as f64 + 600.25}));
    assert_claims_accepted(&app, json!({"iat": now() + 5}));
    assert_claims_accepted(
        &app,
        json!({"sub": "\u{e4}\u{1f600} with spaces", "name": null, "address": {"country": "SE"}}),
    );
    assert_claims_accepted(
        &app,
        json!({"auth_time": null, "amr": ["pwd", "otp"], "acr": "0", "https://example.test/claim": [1, 2]}),
    );
    assert_claims_accepted(&app, json!({"groups": vec!["a group with a long name"; 300]}));
}

#[test]
fn rp_id_token_with_unusual_headers() {
    let app = TestApp::start();
    for header in [
        json!({"alg": "ES256", "kid": KEY_ID}),
        json!({"alg": "ES256", "kid": KEY_ID, "typ": "jwt"}),
        json!({"alg": "ES256", "kid": KEY_ID, "typ": "JWT", "x-extension": {"a": 1}, "x5t": "AAAA"}),
        json!({"alg": "ES256", "typ": "JWT"}),
    ] {
        let server = app.authorization_server.clone();
        let what = header.to_string();
        assert_accepted(&app, &what, move |state| {
            state.id_token_maker = Some(Box::new(move |claims| server.sign(&header, claims)));
        });
    }
}

#[test]
fn rp_token_response_with_unusual_members() {
    let app = TestApp::start();
    for changes in [
        json!({"token_type": "bearer"}),
        json!({"token_type": "BEARER"}),
        json!({"expires_in": null}),
        json!({"expires_in": "300"}),
        json!({"expires_in": 299.5}),
        json!({"expires_in": 4_000_000_000_u64}),
        json!({"refresh_token": null}),
        json!({"refresh_token": ""}),
        json!({"scope": "openid"}),
        json!({"scope": null, "session_state": "x.y", "not-before-policy": 0, "ext": {"a": [{}]}}),
        json!({"access_token": "x".repeat(8000)}),
        json!({"refresh_token": "a refresh token with spaces ~!"}),
    ] {
        let what = changes.to_string();
        assert_accepted(&app, &what[..what.len().min(80)], members(changes));
    }
}

#[test]
fn rp_token_response_in_an_unusual_form() {
    let app = TestApp::start();
    type Form = fn(&str) -> Vec<u8>;
    let forms: [(&str, Form); 6] = [
        ("with a charset", |json| {
            let length = json.len();
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json;charset=UTF-8\r\ncontent-length: {length}\r\n\r\n{json}").into_bytes()
        }),
        ("with capitals", |json| {
            let length = json.len();
            format!("HTTP/1.1 200 OK\r\nContent-Type: Application/JSON\r\nContent-Length: {length}\r\n\r\n{json}")
                .into_bytes()
        }),
        ("that ends with its connection", |json| {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{json}").into_bytes()
        }),
        ("after interim responses", |json| {
            let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
            let length = json.len();
            format!(
                "{interim}HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}"
            )
            .into_bytes()
        }),
        ("with trailers", |json| {
            let length = json.len();
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{length:x};a=b\r\n{json}\r\n0\r\nx: y\r\n\r\n")
                .into_bytes()
        }),
        ("in chunks and pretty", |json| {
            let value: Value = serde_json::from_str(json).unwrap();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let (one, two) = pretty.split_at(20);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
                one.len(),
                two.len()
            )
            .into_bytes()
        }),
    ];
    for (what, write) in forms {
        let write: ResponseWriter = Box::new(write);
        assert_accepted(&app, what, |state| state.token_response_writer = Some(write));
    }
}
