//! `end_streams`: streams that were forwarded end with their session or their access token.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::http1::{Client, Connection, Request};
use bff_tests::http2;
use bff_tests::open_streams::{Kind, is_open, open};
use bff_tests::scaled;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually, filter_statistic, resident_kib, rewrite_envoy, start, start_envoy};
use bff_tests::shipped::for_each_route;
use bff_tests::slow_clients::allow_files;
use bff_tests::streaming_api;
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::{Component, Options};
use serde_json::json;
use tokio::task::JoinHandle;

/// Sets `end_streams` of the web entry point.
fn end_streams(options: &mut Options, value: &str) {
    let first = "\"bff_token\": {";
    let with = format!("\"end_streams\": \"{value}\", {first}");
    options.envoy_changes.push((first.to_owned(), with));
}

fn system(value: &str) -> TestSystem {
    start(|options| {
        options.dial_api = Some(streaming_api::start());
        end_streams(options, value);
    })
}

fn all_kinds(user: &UserAgent) -> Vec<(Kind, Connection)> {
    Kind::ALL.map(|kind| (kind, open_as(user, kind))).into()
}

fn open_as(user: &UserAgent, kind: Kind) -> Connection {
    open(&user.client, kind, |path| user.bff_request("GET", path))
}

fn are_open(streams: &mut [(Kind, Connection)]) -> Vec<Kind> {
    let mut open = streams
        .iter_mut()
        .filter_map(|(kind, stream)| is_open(*kind, stream).then_some(*kind));
    open.by_ref().collect()
}

#[test]
fn streams_of_a_session_that_signs_out_end_and_those_of_another_stay() {
    for value in ["session", "token"] {
        let test = system(value);
        let mut user = UserAgent::signed_in(&test.system);
        let other = UserAgent::signed_in(&test.system);
        let (mut of_user, mut of_other) = (all_kinds(&user), all_kinds(&other));
        assert_eq!(are_open(&mut of_user), Kind::ALL);
        assert_eq!(user.bff("POST", "/bff/logout").status, 200);
        eventually("the streams of the session have ended", || {
            are_open(&mut of_user).is_empty()
        });
        assert_eq!(are_open(&mut of_other), Kind::ALL, "{value}");
        eventually("three streams are counted", || {
            filter_statistic(&test.system, "streams_ended") == 3
        });
    }
}

#[test]
fn streams_stay_after_a_logout_without_the_setting() {
    let test = system("never");
    let mut user = UserAgent::signed_in(&test.system);
    let mut streams = all_kinds(&user);
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    eventually("the gateway knows", || user.get_data().status == 401);
    // Several ticks of the filter.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(are_open(&mut streams), Kind::ALL);
}

/// Envoy alone, for cookies that the test seals.
fn envoy(value: &str) -> (TestSystem, ScriptedIntrospection) {
    let (server, address) = ScriptedIntrospection::start(|_, _| Scripted::Active(json!({"exp": 4_000_000_000_u64})));
    let test = start_envoy(address, streaming_api::start(), |options| end_streams(options, value));
    (test, server)
}

/// How long a token lasts that is to expire, in seconds: longer than a busy machine takes to open a stream.
const SHORT: i64 = 15;

/// Opens a stream of events with a cookie of this session that expires in `seconds`.
fn events(test: &TestSystem, session: u8, seconds: i64) -> Connection {
    open(&Client::new(&test.system), Kind::Events, |path| {
        with_cookie(test, path, session, seconds)
    })
}

fn with_cookie(test: &TestSystem, path: &str, session: u8, seconds: i64) -> Request {
    let session = SessionId([session; 32]);
    let cookie = Seals::of(&test.system, "example").seal(Purpose::AccessToken, "token", session, seconds);
    Request::new("GET", path).header("cookie", format!("{AT}={cookie}"))
}

/// Reads until a stream has ended.
fn wait_for_end(kind: Kind, stream: &mut Connection, limit: Duration) {
    let begun = Instant::now();
    while is_open(kind, stream) {
        assert!(begun.elapsed() < limit, "the stream is still open");
    }
}

#[test]
fn a_stream_ends_with_its_access_token_alone_where_that_is_set() {
    let (test, _server) = envoy("token");
    let mut short = events(&test, 1, SHORT);
    let mut long = events(&test, 1, 300);
    wait_for_end(Kind::Events, &mut short, Duration::from_secs(60));
    assert!(is_open(Kind::Events, &mut long));
}

/// The access token of a stream expires while the session goes on with a newer one, which any worker may have seen.
#[test]
fn a_stream_stays_open_while_its_session_has_newer_access_tokens_and_ends_a_minute_after_the_last() {
    const SESSIONS: u8 = 8;
    let (test, _server) = envoy("session");
    let mut renewed: Vec<Connection> = (0..SESSIONS).map(|session| events(&test, session, SHORT)).collect();
    let mut silent: Vec<Connection> = (100..100 + SESSIONS)
        .map(|session| events(&test, session, SHORT))
        .collect();
    let newer = |session: u8| {
        let client = Client::new(&test.system);
        let response = client.send("api", &with_cookie(&test, "/api/other", session, 300));
        assert_eq!(response.expect("a response").status, 200);
    };
    (0..SESSIONS).for_each(newer);
    for stream in &mut silent {
        wait_for_end(Kind::Events, stream, Duration::from_secs(120));
    }
    let open = renewed
        .iter_mut()
        .filter_map(|stream| is_open(Kind::Events, stream).then_some(()));
    assert_eq!(open.count(), usize::from(SESSIONS));
}

/// The number of streams of each kind, unless the variable `STREAMS` says otherwise.
const STREAMS: usize = 60;
/// The number of gRPC streams on one connection.
const STREAMS_OF_A_CONNECTION: usize = 50;

/// Writes a figure where it is seen even if the test passes.
fn tell(figure: &str) {
    writeln!(std::io::stderr(), "{figure}").expect("written");
}

/// Streams of gRPC calls, each of them one of many on an HTTP/2 connection. Returns what becomes of each.
async fn grpc_streams(
    connection: &mut http2::Connection,
    user: &UserAgent,
    count: usize,
) -> Vec<JoinHandle<Option<h2::Error>>> {
    let (cookie, path) = (user.cookie_header(), "/api/rare-events");
    let headers = [
        ("content-type", &b"application/grpc"[..]),
        ("origin", user.origin.as_bytes()),
        ("cookie", cookie.as_bytes()),
    ];
    let mut streams = Vec::new();
    for _ in 0..count {
        let (response, _) = connection.begin("GET", path, &headers, None).await.expect("a stream");
        let response = response.await.expect("a response");
        // Envoy's own response to a gRPC call has HTTP 200 too.
        assert_eq!(
            (response.status().as_u16(), response.headers().get("grpc-status")),
            (200, None)
        );
        streams.push(tokio::spawn(end(response.into_body())));
    }
    streams
}

/// Reads until the stream is cut off, and returns why.
async fn end(mut stream: h2::RecvStream) -> Option<h2::Error> {
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => stream.flow_control().release_capacity(data.len()).expect("capacity"),
            Err(error) => return Some(error),
        }
    }
    None
}

#[test]
fn many_streams_of_each_kind_end_with_their_session_and_none_of_another_on_the_same_connection() {
    let count = scaled::count("STREAMS", STREAMS);
    // Client and API have two files for each stream.
    allow_files(u64::try_from(count * 10).expect("a number"));
    let test = start(|options| {
        options.dial_api = Some(streaming_api::start());
        end_streams(options, "session");
        for limit in ["max_connections", "max_requests", "max_active_downstream_connections"] {
            let (usual, higher) = (format!("{limit}: 4096"), format!("{limit}: 8192"));
            options.envoy_changes.push((usual, higher));
        }
    });
    // A download that the client reads slowly looks idle to Envoy, since there is much of it in buffers.
    rewrite_envoy(&test.system, |configuration| {
        for_each_route(configuration, &mut |route| {
            if let Some(idle) = route["route"].get_mut("idle_timeout") {
                *idle = json!("600s");
            }
        });
    });
    let mut user = UserAgent::signed_in(&test.system);
    let other = UserAgent::signed_in(&test.system);
    let empty = resident_kib(&test.system, Component::Envoy);
    // Buffers on the way may hold much of a download that has ended.
    let has_ended = Arc::new(AtomicBool::new(false));
    let of = |user: &UserAgent, count: usize, in_haste: &Arc<AtomicBool>| -> Vec<thread::JoinHandle<()>> {
        // Thousands of streams that send ten events a second would be a test of this machine.
        let kinds = [Kind::RareEvents, Kind::Socket, Kind::Download].repeat(count);
        kinds
            .into_iter()
            .map(|kind| {
                let stream = open_as(user, kind);
                let in_haste = Arc::clone(in_haste);
                thread::spawn(move || use_until_end(kind, stream, &in_haste))
            })
            .collect()
    };
    let (of_user, of_other) = (
        of(&user, count, &has_ended),
        of(&other, count.div_ceil(20), &Arc::default()),
    );
    let full = resident_kib(&test.system, Component::Envoy);
    tell(&format!(
        "{} streams: Envoy has {} KiB more",
        of_user.len() + of_other.len(),
        full.saturating_sub(empty)
    ));
    let connections = count.div_ceil(STREAMS_OF_A_CONNECTION);
    http2::with_connections(
        &test.system,
        connections,
        Duration::from_secs(300),
        async |connections: Vec<_>| {
            let (mut calls, mut of_others) = (Vec::new(), Vec::new());
            let mut connections = connections;
            for connection in &mut connections {
                calls.extend(grpc_streams(connection, &user, STREAMS_OF_A_CONNECTION).await);
                of_others.extend(grpc_streams(connection, &other, 1).await);
            }
            let begun = Instant::now();
            let logout = tokio::task::spawn_blocking(move || user.bff("POST", "/bff/logout").status);
            assert_eq!(logout.await.expect("a response"), 200);
            for call in calls {
                let error = call.await.expect("no panic").expect("the stream is cut off");
                assert!(error.is_reset() && error.is_remote(), "{error}");
            }
            tell(&format!("the calls have ended within {:?}", begun.elapsed()));
            assert!(
                of_others.iter().all(|stream| !stream.is_finished()),
                "on the same connections"
            );
        },
    );
    has_ended.store(true, Ordering::Relaxed);
    eventually("the streams of the session have ended", || {
        of_user.iter().all(thread::JoinHandle::is_finished)
    });
    for stream in of_user {
        stream.join().expect("neither silent nor open");
    }
    assert!(of_other.iter().all(|stream| !stream.is_finished()));
    let ended = u64::try_from(3 * count + connections * STREAMS_OF_A_CONNECTION).expect("a number");
    eventually("all of them are counted", || {
        filter_statistic(&test.system, "streams_ended") == ended
    });
}

/// Uses a stream until it ends, as a client does: one that is not used for a minute ends for that reason.
fn use_until_end(kind: Kind, mut stream: Connection, in_haste: &AtomicBool) {
    while is_open(kind, &mut stream) {
        match kind {
            Kind::Socket | Kind::Download if !in_haste.load(Ordering::Relaxed) => thread::sleep(Duration::from_secs(2)),
            Kind::Events | Kind::RareEvents | Kind::Socket | Kind::Download => {}
        }
    }
}
