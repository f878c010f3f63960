//! Other protocols: HTTP/2 with streams that are reset, gRPC, web sockets.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::echoing_api::EchoingApi;
use bff_tests::http1::{Client, Request};
use bff_tests::http2::{self, Connection};
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually, start_envoy, statistic, vm_statistics};
use bff_tests::user_agent::AT;
use bff_tests::web_socket_api::WebSocketApi;
use serde_json::json;

/// Every token is active, after a while. Tokens that begin with `poor` lack the scope.
fn introspection(delay: Duration) -> (ScriptedIntrospection, std::net::SocketAddr) {
    ScriptedIntrospection::start(move |token, _| {
        std::thread::sleep(delay);
        let scope = if token.starts_with("poor") { "other" } else { "data" };
        Scripted::Active(json!({"sub": token, "scope": scope, "exp": 4_000_000_000_u64}))
    })
}

fn cookie(test: &TestSystem, token: &str) -> String {
    let seals = Seals::of(&test.system, "example");
    let sealed = seals.seal(Purpose::AccessToken, token, SessionId([1; 32]), 300);
    format!("{AT}={sealed}")
}

#[test]
fn a_hundred_streams_of_one_connection_wait_for_one_introspection_and_those_that_are_reset_take_nobody_along() {
    static MAY_RESPOND: AtomicBool = AtomicBool::new(false);
    let (server, server_address) = ScriptedIntrospection::start(|token, _| {
        while !MAY_RESPOND.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Scripted::Active(json!({"sub": token, "exp": 4_000_000_000_u64}))
    });
    let (api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |options| {
        options.envoy_concurrency = Some(1);
        options.filter_timeout_ms = 20_000;
    });
    let vms = || vm_statistics(&test.system);
    let before = vms();
    let origin = test.system.www();
    let cookie = cookie(&test, "token");
    let headers: [(&str, &[u8]); 2] = [("origin", origin.as_bytes()), ("cookie", cookie.as_bytes())];
    let statuses = http2::with_connection(&test.system, async |mut connection: Connection| {
        let mut begun = Vec::new();
        for _ in 0..90 {
            begun.push(
                connection
                    .begin("GET", "/api/data", &headers, None)
                    .await
                    .expect("begun"),
            );
        }
        // The leader, and every third of the followers, leave before the response.
        while server.count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut statuses = Vec::new();
        let mut waiting = Vec::new();
        for (number, (response, mut stream)) in begun.into_iter().enumerate() {
            if number % 3 == 0 {
                stream.send_reset(h2::Reason::CANCEL);
            } else {
                waiting.push(response);
            }
        }
        while statistic(&test.system, "http.https.downstream_rq_rx_reset") < 30 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        MAY_RESPOND.store(true, Ordering::Relaxed);
        for response in waiting {
            statuses.push(http2::whole(response).await.expect("a response").status);
        }
        statuses
    });
    assert_eq!(statuses, [200; 60]);
    assert_eq!(api.count(), 60, "requests of clients that left did not reach the API");
    assert_eq!(server.count(), 2, "one for the leader that left, one for all others");
    assert_eq!(vms(), before);
}

#[test]
fn streams_that_are_reset_within_their_body_leave_nothing_behind() {
    let (server, server_address) = introspection(Duration::from_millis(50));
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |_| {});
    let origin = test.system.www();
    for round in 0..20 {
        let cookie = cookie(&test, &format!("token-{round}"));
        let headers: [(&str, &[u8]); 2] = [("origin", origin.as_bytes()), ("cookie", cookie.as_bytes())];
        http2::with_connection(&test.system, async |mut connection: Connection| {
            let (_, mut stream) = connection
                .begin("GET", "/api/data", &headers, Some(b"half a body"))
                .await
                .expect("begun");
            tokio::time::sleep(Duration::from_millis(10 * (round % 10))).await;
            stream.send_reset(h2::Reason::CANCEL);
            let response = connection.send("GET", "/api/data", &headers).await.expect("a response");
            assert_eq!(response.status, 200, "round {round}");
        });
    }
    assert!(server.count() >= 20);
    eventually("no request remains", || {
        statistic(&test.system, "http.https.downstream_rq_active") == 0
            && statistic(&test.system, "cluster.introspection.upstream_rq_active") == 0
    });
}

#[test]
fn a_grpc_client_gets_its_refusal_as_a_grpc_status() {
    let (_server, server_address) = introspection(Duration::ZERO);
    let (api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |options| {
        let first = "\"token_cache_entries\": 10000";
        let with_scope = format!("{first}, \"required_scopes\": [\"data\"]");
        options.envoy_changes.push((first.to_owned(), with_scope));
    });
    let origin = test.system.www();
    let (rich, poor) = (cookie(&test, "rich"), cookie(&test, "poor"));
    let call_at = |path: &str, headers: &[(&str, &[u8])]| {
        let grpc: [(&str, &[u8]); 2] = [("content-type", b"application/grpc"), ("te", b"trailers")];
        http2::send(&test.system, "GET", path, &[&grpc, headers].concat())
    };
    let call = |headers: &[(&str, &[u8])]| call_at("/api/data", headers);
    let status = |response: &http2::Response| {
        let value = response.headers.get("grpc-status");
        value.map(|value| value.to_str().expect("text").to_owned())
    };
    // google.rpc.Code: 16 is UNAUTHENTICATED, 7 PERMISSION_DENIED. gRPC itself makes 13, INTERNAL, of HTTP 400.
    let malformed = call_at("/default/data", &[("authorization", b"Bearer a b")]);
    assert_eq!((malformed.status, status(&malformed).as_deref()), (200, Some("13")));
    for (headers, expected) in [
        (vec![("origin", origin.as_bytes())], "16"),
        (
            vec![("cookie", rich.as_bytes()), ("origin", b"https://evil.example")],
            "16",
        ),
        (vec![("cookie", poor.as_bytes()), ("origin", origin.as_bytes())], "7"),
    ] {
        let response = call(&headers);
        assert_eq!((response.status, status(&response).as_deref()), (200, Some(expected)));
    }
    assert_eq!(api.count(), 0, "none of these reached the API");
    let response = call(&[("cookie", rich.as_bytes()), ("origin", origin.as_bytes())]);
    assert_eq!(status(&response), None, "the API answers for itself");
    assert_eq!(api.count(), 1);
}

#[test]
fn a_web_socket_is_opened_from_a_trusted_origin_with_a_session_alone() {
    let (_server, server_address) = introspection(Duration::from_millis(50));
    let (api, api_address) = WebSocketApi::start();
    let test = start_envoy(server_address, api_address, |_| {});
    let client = Client::new(&test.system);
    let (origin, cookie) = (test.system.www(), cookie(&test, "token"));
    let upgrade = |headers: &[(&str, &str)]| {
        let request = Request::new("GET", "/api/socket")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let mut stream = client.connect("api").expect("a connection");
        let head = request.bytes_to_keep(&client.authority("api"));
        // An upgrade has no body, and Envoy rejects one with a length.
        let head = String::from_utf8(head)
            .expect("text")
            .replace("content-length: 0\r\n", "");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("a status");
        (String::from_utf8(status[9..].to_vec()).expect("text"), stream)
    };
    for headers in [
        &[("cookie", cookie.as_str())][..],
        &[("cookie", &cookie), ("origin", "https://evil.example")],
        &[("cookie", &cookie), ("origin", "null")],
        &[("origin", &origin)],
    ] {
        assert_eq!(upgrade(headers).0, "401", "{headers:?}");
    }
    assert_eq!(api.count(), 0);
    let (status, mut stream) = upgrade(&[("cookie", &cookie), ("origin", &origin)]);
    assert_eq!(status, "101");
    let mut rest = [0; 1];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut rest).expect("the head");
        head.push(rest[0]);
    }
    for text in [b"hello", b"again"] {
        stream.write_all(text).expect("sent");
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).expect("an echo");
        assert_eq!(&echo, text);
    }
    assert_eq!(api.count(), 1);
}
