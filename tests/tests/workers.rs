//! Several workers of one Envoy: what one of them has learned of an access token, all of them know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::discovered_filter::DiscoveredFilter;
use bff_tests::echoing_api::{EchoingApi, values};
use bff_tests::http1::{Client, Request};
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection, jwt};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, artifacts, eventually, start_envoy, vm_statistics};
use bff_tests::user_agent::AT;
use serde_json::json;

const WORKERS: u32 = 8;
/// Connections at once: so many that every worker gets some.
const CONNECTIONS: usize = 48;

/// How often each token was introspected.
type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

fn count(counts: &Counts, token: &str) -> usize {
    counts.lock().expect("no panic").get(token).copied().unwrap_or(0)
}

/// Counts an introspection. Returns how many there were before.
fn add(counts: &Counts, token: &str) -> usize {
    let mut counts = counts.lock().expect("no panic");
    let count = counts.entry(token.to_owned()).or_default();
    *count += 1;
    *count - 1
}

fn envoy_with_workers(authorization_server: SocketAddr) -> TestSystem {
    let (_, api) = EchoingApi::start();
    start_envoy(authorization_server, api, |options| {
        options.envoy_concurrency = Some(WORKERS);
        options.filter_timeout_ms = 20_000;
    })
}

/// A request of a session with this access token.
fn request(test: &TestSystem, token: &str) -> Request {
    let sealed = Seals::of(&test.system, "example").seal(Purpose::AccessToken, token, SessionId([1; 32]), 300);
    Request::new("GET", "/api/data").header("cookie", format!("{AT}={sealed}"))
}

/// Sends the request at once on many connections. Asserts that each reaches the API with the JWT of this subject.
fn send_on_all(test: &TestSystem, request: &Request, subject: &str, expires_at: u64) {
    let client = Client::new(&test.system);
    let expected = format!("Bearer {}", jwt(&json!({"sub": subject, "exp": expires_at})));
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let response = client.send("api", request).expect("a response");
                assert_eq!(response.status, 200);
                let forwarded = values(&response.body, "authorization");
                assert_eq!(forwarded, [expected.as_bytes()]);
            });
        }
    });
}

const FAR: u64 = 4_000_000_000;

/// How often a token may be introspected for one period of its validity.
fn most_introspections() -> usize {
    match artifacts().is_native() {
        true => 1,
        // Each virtual machine asks that has a request before another one has stored the response.
        false => usize::try_from(WORKERS).expect("a small number"),
    }
}

#[test]
fn a_token_that_one_worker_has_introspected_is_known_to_all_of_them() {
    let counts = Counts::default();
    let counting = Arc::clone(&counts);
    let (_server, address) = ScriptedIntrospection::start(move |token, _| {
        add(&counting, token);
        thread::sleep(Duration::from_millis(300));
        Scripted::Active(json!({"sub": token, "exp": FAR}))
    });
    let test = envoy_with_workers(address);
    let before = vm_statistics(&test.system);
    for number in 0..8 {
        let token = format!("token-{number}");
        let request = request(&test, &token);
        send_on_all(&test, &request, &token, FAR);
        let first = count(&counts, &token);
        assert!(
            (1..=most_introspections()).contains(&first),
            "{first} introspections of {token}"
        );
        for _ in 0..3 {
            send_on_all(&test, &request, &token, FAR);
        }
        assert_eq!(count(&counts, &token), first, "it is known to all workers");
    }
    assert_eq!(vm_statistics(&test.system), before);
}

#[test]
fn under_load_a_token_is_introspected_once_for_each_period_of_its_validity() {
    /// The number of introspections by the time when their response expires.
    static PERIODS: Mutex<BTreeMap<u64, usize>> = Mutex::new(BTreeMap::new());
    let (_server, address) = ScriptedIntrospection::start(|token, _| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let mut periods = PERIODS.lock().expect("no panic");
        // Whoever asks while a response is valid gets the same one: it counts for that period.
        let last = periods.last_key_value().map(|(expires_at, _)| *expires_at);
        let expires_at = last.filter(|expires_at| *expires_at > now).unwrap_or(now + 5);
        *periods.entry(expires_at).or_default() += 1;
        Scripted::Active(json!({"sub": token, "exp": expires_at}))
    });
    let test = envoy_with_workers(address);
    let request = request(&test, "token");
    let client = Client::new(&test.system);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(client.send("api", &request).expect("a response").status, 200);
                }
            });
        }
        eventually("three periods have begun", || {
            PERIODS.lock().expect("no panic").len() >= 3
        });
        ended.store(true, Ordering::Relaxed);
    });
    let periods = PERIODS.lock().expect("no panic");
    let most = most_introspections();
    assert!(periods.values().all(|count| *count <= most), "{periods:?}");
}

#[test]
fn leaders_that_leave_at_any_moment_take_nobody_along() {
    const ROUNDS: usize = 200;
    static LEFT: AtomicUsize = AtomicUsize::new(0);
    let counts = Counts::default();
    let counting = Arc::clone(&counts);
    let (_server, address) = ScriptedIntrospection::start(move |token, _| {
        let round: usize = token.parse().expect("the number of a round");
        // The first introspection of a round has no response before its client has left.
        if add(&counting, token) == 0 {
            while LEFT.load(Ordering::Relaxed) < round {
                thread::sleep(Duration::from_millis(1));
            }
        }
        Scripted::Active(json!({"sub": token, "exp": FAR}))
    });
    let test = envoy_with_workers(address);
    let before = vm_statistics(&test.system);
    let client = Client::new(&test.system);
    for round in 1..=ROUNDS {
        let token = round.to_string();
        let request = request(&test, &token);
        let leader = client.send_only("api", &request).expect("sent");
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let response = client.send("api", &request).expect("a response");
                    assert_eq!(response.status, 200, "round {round}");
                });
            }
            // It leaves before its callout, during it, before and after the others have come.
            thread::sleep(Duration::from_millis(
                u64::try_from(round % 16).expect("a small number"),
            ));
            drop(leader);
            LEFT.store(round, Ordering::Relaxed);
        });
        let count = count(&counts, &token);
        // One for the leader, and one after it.
        assert!(
            count <= 1 + most_introspections(),
            "{count} introspections in round {round}"
        );
    }
    assert_eq!(vm_statistics(&test.system), before);
}

#[test]
fn a_new_configuration_of_the_filter_keeps_what_the_workers_share() {
    let counts = Counts::default();
    let counting = Arc::clone(&counts);
    let (_server, address) = ScriptedIntrospection::start(move |token, _| {
        add(&counting, token);
        Scripted::Active(json!({"sub": token, "exp": FAR}))
    });
    let test = envoy_with_workers(address);
    let entries = ("\"token_cache_entries\": 10000", "\"token_cache_entries\": 9000");
    let mut filter = DiscoveredFilter::of(&test.system, entries);
    let request = request(&test, "token");
    send_on_all(&test, &request, "token", FAR);
    let before = count(&counts, "token");
    for entries in ["8000", "7000"] {
        assert!(filter.change(
            "\"token_cache_entries\": 10000",
            &format!("\"token_cache_entries\": {entries}")
        ));
        send_on_all(&test, &request, "token", FAR);
    }
    assert_eq!(count(&counts, "token"), before);
}
