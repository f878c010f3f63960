//! The service over a long time, and with an authorization server that does not respond.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use bff_tests::faulty_authorization_server::{Fault, FaultyAuthorizationServer, TOKEN};
use bff_tests::http1::send_plain;
use bff_tests::setup::{eventually, resident_kib, start};
use bff_tests::user_agent::{AT, CSRF_HEADER, UserAgent};
use demo_system::{Component, System};

const REQUESTS: usize = 200_000;
const CONNECTIONS: usize = 8;

/// One of many kinds of requests, and the expected statuses.
struct Kind {
    name: &'static str,
    bytes: Vec<u8>,
    expected: &'static [u16],
    /// Sent in one round of so many.
    every: usize,
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: api\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("content-type: application/json\r\n");
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

/// What browsers and other clients send, well-formed or not.
fn kinds(user: &UserAgent, leaving: &UserAgent) -> Vec<Kind> {
    let (origin, cookies, csrf) = (user.origin.as_str(), user.cookie_header(), user.csrf.as_str());
    let page = [("origin", origin), ("cookie", cookies.as_str()), (CSRF_HEADER, csrf)];
    let wrong = user.cookie_header_with(AT, Some("AhwABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    let many: String = (0..60)
        .map(|number| format!("cookie{number}={}; ", "x".repeat(60)))
        .collect();
    let left = leaving.cookie_header();
    let kind = |name, expected, every, bytes| Kind {
        name,
        bytes,
        expected,
        every,
    };
    vec![
        kind("session", &[200], 1, request("GET", "/bff/session", &page, "")),
        kind(
            "no session",
            &[200],
            1,
            request("GET", "/bff/session", &[("origin", origin)], ""),
        ),
        kind("claims", &[200], 1, request("GET", "/bff/claims", &page, "")),
        kind("login start", &[200], 1, request("POST", "/bff/login/start", &page, "")),
        kind(
            "page load",
            &[200],
            1,
            request("POST", "/bff/login/end", &page, "{\"pageUrl\":\"https://www/\"}"),
        ),
        kind(
            "forged response",
            &[400],
            1,
            request(
                "POST",
                "/bff/login/end",
                &page,
                "{\"pageUrl\":\"https://www/?state=s&code=c\"}",
            ),
        ),
        kind(
            "wrong cookie",
            &[200],
            1,
            request("GET", "/bff/session", &[("cookie", &wrong)], ""),
        ),
        kind(
            "many cookies",
            &[200],
            2,
            request("GET", "/bff/session", &[("cookie", &many)], ""),
        ),
        kind(
            "no CSRF header",
            &[401],
            1,
            request("POST", "/bff/refresh", &[("origin", origin), ("cookie", &cookies)], ""),
        ),
        kind(
            "evil origin",
            &[401],
            1,
            request("POST", "/bff/refresh", &[("origin", "https://evil.example")], ""),
        ),
        kind(
            "preflight",
            &[204],
            1,
            request("OPTIONS", "/bff/refresh", &[("origin", origin)], ""),
        ),
        kind("unknown", &[404], 1, request("GET", "/bff/unknown", &[], "")),
        kind(
            "malformed",
            &[400],
            1,
            request("POST", "/bff/login/start", &page, "{\"extraParams\":[[[["),
        ),
        kind(
            "ended session",
            &[401],
            1,
            request(
                "POST",
                "/bff/refresh",
                &[("origin", origin), ("cookie", &left), (CSRF_HEADER, &leaving.csrf)],
                "",
            ),
        ),
        kind(
            "logout token",
            &[415],
            1,
            request("POST", "/bff/backchannel-logout", &[], "{}"),
        ),
        // The authorization server responds once. The service replays the result for a while.
        kind("refresh", &[204], 50, request("POST", "/bff/refresh", &page, "")),
    ]
}

/// Sends on a connection that stays open, and reads one response.
fn exchange(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> u16 {
    stream.get_mut().write_all(bytes).expect("sent");
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        assert!(
            stream.read_line(&mut line).expect("a response") > 0,
            "the connection ended"
        );
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if status == 0 {
            status = line
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .expect("a status");
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    status
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    stream.set_nodelay(true).expect("set");
    BufReader::new(stream)
}

fn send_all(system: &System, kinds: &[Kind], count: usize) -> BTreeMap<&'static str, usize> {
    let sent = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = connect(system.bff_addr());
                let mut mine: BTreeMap<&'static str, usize> = BTreeMap::new();
                let mut number = 0;
                'all: for round in 0.. {
                    for kind in kinds.iter().filter(|kind| round % kind.every == 0) {
                        let status = exchange(&mut connection, &kind.bytes);
                        assert!(kind.expected.contains(&status), "{}: HTTP {status}", kind.name);
                        *mine.entry(kind.name).or_default() += 1;
                        number += 1;
                        if number == count / CONNECTIONS {
                            break 'all;
                        }
                    }
                }
                let mut sent = sent.lock().expect("no thread panicked");
                for (name, count) in mine {
                    *sent.entry(name).or_default() += count;
                }
            });
        }
    });
    sent.into_inner().expect("no thread panicked")
}

#[test]
fn the_memory_of_the_service_is_flat_over_200_000_mixed_requests() {
    let test = start(|options| {
        // So long that every refresh of this test gets the same result.
        let replay = ("BFF_SESSION__REFRESH_REPLAY_SECONDS".to_owned(), "600".to_owned());
        options.environment.push((Component::Bff, replay.0, replay.1));
        options.access_token_seconds = 3600;
    });
    let user = UserAgent::signed_in(&test.system);
    let leaving = UserAgent::signed_in(&test.system);
    assert_eq!(leaving.clone().bff("POST", "/bff/logout").status, 200);
    let kinds = kinds(&user, &leaving);
    let mut sent = send_all(&test.system, &kinds, REQUESTS / 4);
    let early = resident_kib(&test.system, Component::Bff);
    for (name, count) in send_all(&test.system, &kinds, REQUESTS * 3 / 4) {
        *sent.entry(name).or_default() += count;
    }
    let late = resident_kib(&test.system, Component::Bff);
    println!(
        "{} requests: {sent:?}; {early} KiB after a quarter, {late} KiB at the end",
        sent.values().sum::<usize>()
    );
    assert_eq!(sent.values().sum::<usize>(), REQUESTS);
    assert_eq!(sent.len(), kinds.len(), "every kind had its part");
    // A leak of ten bytes per request would be 1.5 MB. Allocators retain a few pages more or less.
    assert!(
        late < early + 1500,
        "{early} KiB after a quarter, {late} KiB at the end"
    );
}

#[test]
fn an_authorization_server_that_hangs_stops_nothing_that_does_not_need_it() {
    let mut server = None;
    let test = start(|options| {
        let (faulty, address) = FaultyAuthorizationServer::start(options.ports.authorization_server);
        options.dial_authorization_server = Some(address);
        options.bff_request_timeout_ms = 8000;
        server = Some(faulty);
    });
    let server = server.expect("started");
    let users: Vec<UserAgent> = (0..12).map(|_| UserAgent::signed_in(&test.system)).collect();
    server.set(TOKEN, Fault::Silent);
    let before = server.count(TOKEN);
    let (system, address) = (&test.system, test.system.bff_addr());
    thread::scope(|scope| {
        // Twelve sessions, each with eight tabs.
        let hanging: Vec<_> = users
            .iter()
            .flat_map(|user| (0..8).map(move |_| user.bff_request("POST", "/bff/refresh")))
            .map(|request| scope.spawn(move || send_plain(address, &request).expect("a response")))
            .collect();
        eventually("every session's refresh hangs", || {
            server.count(TOKEN) - before >= users.len()
        });
        for round in 0..50 {
            let user = &users[round % users.len()];
            for (method, path) in [
                ("GET", "/bff/session"),
                ("GET", "/bff/claims"),
                ("POST", "/bff/login/start"),
            ] {
                let response = send_plain(address, &user.bff_request(method, path)).expect("a response");
                assert_eq!(response.status, 200, "{method} {path}");
            }
            assert_eq!(
                demo_system::get(system.bff_admin(), "/readyz").expect("a response").0,
                200
            );
        }
        assert!(
            hanging.iter().all(|call| !call.is_finished()),
            "all of that while the server still hung"
        );
        for call in hanging {
            let response = call.join().expect("no panic");
            assert_eq!(
                (response.status, response.code().as_str()),
                (502, "authorization_server_error")
            );
        }
    });
    // It has signed nobody out.
    server.set(TOKEN, Fault::None);
    let response = send_plain(address, &users[0].bff_request("GET", "/bff/session")).expect("a response");
    assert_eq!(response.json()["isLoggedIn"], true);
}
