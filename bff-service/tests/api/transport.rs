//! Whatever the authorization server sends on a connection, nobody gets an answer that was meant for somebody else.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff_core::seal::Purpose;
use serde_json::json;

use crate::support::app::{AUTH, Setup, TestApp, configuration};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};
use crate::support::browser::Browser;
use crate::support::forgery::open;
use crate::support::http::Request;

/// A service that waits long enough for a slow server on a busy machine.
fn patient(authorization_server: FakeAuthorizationServer, setup: &Setup<'_>) -> TestApp {
    let config = configuration(&authorization_server, setup)
        .replace("request_timeout_ms = 1000", "request_timeout_ms = 20000")
        .replace("connect_timeout_ms = 500", "connect_timeout_ms = 10000");
    TestApp::start_configured(authorization_server, &config)
}

#[test]
fn a_refresh_is_answered_with_what_follows_the_early_hints_and_never_with_the_tokens_of_another_user() {
    let app = patient(FakeAuthorizationServer::start(), &Setup::default());
    let users: Vec<String> = (0..6).map(|number| format!("user-{number}")).collect();
    let mut browsers: Vec<Browser<'_>> = users.iter().map(|user| app.browser().sign_in_as(user)).collect();
    // No ID token at a refresh, as with many servers: nothing in the answer says whose it is.
    app.authorization_server
        .state()
        .token_response
        .insert("id_token".to_owned(), json!(null));
    app.authorization_server.misbehave("token", Misbehaviour::EarlyHints);
    let mut seen = Vec::new();
    for _ in 0..2 {
        for browser in &mut browsers {
            let status = browser.post("/refresh").status;
            let cookie = open(Purpose::RefreshToken, browser.cookie(AUTH)).value.to_vec();
            let owner = app.authorization_server.subject_of(&String::from_utf8_lossy(&cookie));
            seen.push((status, owner));
        }
    }
    let own = users.iter().cycle().map(|user| (204, Some(user.clone())));
    assert_eq!(seen, own.take(12).collect::<Vec<_>>());
    assert_eq!(app.authorization_server.state().reuses, 0);
}

/// An introspection endpoint that announces each answer with `103 Early Hints` and sends it half a second later: a JWT
/// for tokens that begin with `good`.
struct FakeIntrospection(SocketAddr);

impl FakeIntrospection {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || Self::serve(&stream.unwrap()));
            }
        });
        Self(address)
    }

    fn serve(mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(body) = read_body(&mut reader) {
            let is_good = body.contains("token=good");
            let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let jwt = format!(
                "{}.{}.c2ln",
                part(json!({"alg": "ES256"})),
                part(json!({"sub": body, "exp": 9_999_999_999_u64}))
            );
            let answer = match is_good {
                true => format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\ncontent-length: {}\r\n\r\n{jwt}",
                    jwt.len()
                ),
                false => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            };
            let hints = stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n");
            std::thread::sleep(Duration::from_millis(500));
            if hints.and_then(|()| stream.write_all(answer.as_bytes())).is_err() {
                return;
            }
        }
    }
}

fn read_body(reader: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

#[test]
fn a_made_up_token_is_never_let_in_at_authorize_with_the_late_answer_for_another_token() {
    let introspection = FakeIntrospection::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorize.json");
    let rules = json!({"phantom_token": {
        "introspection_endpoint": format!("http://{}/introspect", introspection.0),
        "cluster": "not used here",
        "client_id": "gateway",
        "client_secret": {"inline": "gateway's secret"},
        "timeout_ms": 20_000,
    }});
    std::fs::write(&file, rules.to_string()).unwrap();
    let setup = Setup {
        more: &format!("[authorize]\nplugin_configuration_file = {file:?}"),
        ..Setup::default()
    };
    let app = patient(FakeAuthorizationServer::start(), &setup);
    let ask = |token: String| {
        let request = Request::new("GET", "/authorize").header("authorization", format!("Bearer {token}"));
        request.send(app.admin).status
    };
    let answers: Vec<_> = (0..6)
        .map(|number| (ask(format!("good-{number}")), ask(format!("made-up-{number}"))))
        .collect();
    assert_eq!(answers, [(200, 401); 6]);
}
