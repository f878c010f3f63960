//! Whatever the authorization server sends on a connection, no user gets a response for another one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff_core::cookie::purpose::Purpose;
use serde_json::json;

use crate::support::app::{AUTH, Setup, TestApp, configuration};
use crate::support::authorization_server::{FakeAuthorizationServer, Misbehaviour};
use crate::support::browser::Browser;
use crate::support::forgery::open;
use crate::support::http::Request;

/// A service with a time limit that suits a slow server on a busy machine.
fn patient(authorization_server: FakeAuthorizationServer, setup: &Setup<'_>) -> TestApp {
    let config = configuration(&authorization_server, setup)
        .replace("request_timeout_ms = 3000", "request_timeout_ms = 20000")
        .replace("connect_timeout_ms = 500", "connect_timeout_ms = 10000");
    TestApp::start_configured(authorization_server, &config)
}

#[test]
fn a_refresh_is_answered_with_what_follows_the_early_hints_and_never_with_the_tokens_of_another_user() {
    let app = patient(FakeAuthorizationServer::start(), &Setup::default());
    let users: Vec<String> = (0..6).map(|number| format!("user-{number}")).collect();
    let mut browsers: Vec<Browser<'_>> = users.iter().map(|user| app.browser().sign_in_as(user)).collect();
    // No ID token at a refresh, as with many servers: nothing in the response says whose it is.
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

#[test]
fn no_request_with_something_of_a_user_is_on_a_connection_that_has_served_another_one() {
    let setup = Setup {
        top: "userinfo_source = 'userinfo_endpoint'",
        ..Setup::default()
    };
    let app = patient(FakeAuthorizationServer::start(), &setup);
    let users = ["alice", "bob"];
    let mut browsers = users.map(|user| app.browser().sign_in_as(user));
    for _ in 0..2 {
        for (user, browser) in users.iter().zip(&mut browsers) {
            assert_eq!(browser.post("/refresh").status, 204, "{user}");
            let claims = Misbehaviour::Respond(200, json!({"sub": user}).to_string());
            app.authorization_server.misbehave("userinfo", claims);
            assert_eq!(browser.get("/userInfo").json()["sub"], *user);
        }
    }
    for browser in &mut browsers {
        assert_eq!(browser.post("/logout").status, 200);
    }
    // Of each user: the refresh token, and the access token after it.
    app.authorization_server.wait_for_requests("revoke", 4);
    let mut served = BTreeMap::<usize, Vec<&str>>::new();
    for (connection, endpoint) in &app.authorization_server.state().connections {
        served.entry(*connection).or_default().push(endpoint);
    }
    let is_about_no_user = |endpoint: &&str| matches!(*endpoint, "metadata" | "jwks");
    let mut asked = BTreeMap::<&str, usize>::new();
    for endpoints in served.values() {
        assert!(
            endpoints.len() == 1 || endpoints.iter().all(is_about_no_user),
            "one connection served {endpoints:?}"
        );
        for endpoint in endpoints.iter().filter(|endpoint| !is_about_no_user(endpoint)) {
            *asked.entry(endpoint).or_default() += 1;
        }
    }
    assert_eq!(asked, BTreeMap::from([("revoke", 4), ("token", 6), ("userinfo", 4)]));
}

/// An introspection endpoint that answers with a JWT for tokens that begin with `good`, and keeps its connections.
struct FakeIntrospection {
    address: SocketAddr,
    /// The number of requests on each connection.
    requests: Arc<Mutex<Vec<usize>>>,
}

impl FakeIntrospection {
    /// `early_hints`: each response is announced with `103 Early Hints`, and sent half a second later.
    fn start(early_hints: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let counted = Arc::clone(&counted);
                counted.lock().unwrap().push(0);
                std::thread::spawn(move || {
                    Self::serve(&stream.unwrap(), early_hints, || counted.lock().unwrap()[number] += 1);
                });
            }
        });
        Self { address, requests }
    }

    fn serve(mut stream: &TcpStream, early_hints: bool, count: impl Fn()) {
        let mut reader = BufReader::new(stream);
        while let Some(body) = read_body(&mut reader) {
            count();
            let is_valid = body.contains("token=good");
            let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let jwt = format!(
                "{}.{}.c2ln",
                part(json!({"alg": "ES256"})),
                part(json!({"sub": body, "exp": 9_999_999_999_u64}))
            );
            let response = match is_valid {
                true => format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\ncontent-length: {}\r\n\r\n{jwt}",
                    jwt.len()
                ),
                false => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            };
            if early_hints {
                if stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(500));
            }
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// A service whose `/authorize` introspects here, and its decisions for the valid tokens of six users and as many
    /// made-up ones.
    fn decisions(&self) -> Vec<(u16, u16)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authorize.json");
        let rules = json!({"phantom_token": {
            "introspection_endpoint": format!("http://{}/introspect", self.address),
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
        (0..6)
            .map(|number| (ask(format!("good-{number}")), ask(format!("made-up-{number}"))))
            .collect()
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
    assert_eq!(FakeIntrospection::start(true).decisions(), [(200, 401); 6]);
}

#[test]
fn every_token_that_authorize_asks_about_has_a_connection_of_its_own() {
    let introspection = FakeIntrospection::start(false);
    assert_eq!(introspection.decisions(), [(200, 401); 6]);
    assert_eq!(*introspection.requests.lock().unwrap(), [1; 12]);
}
