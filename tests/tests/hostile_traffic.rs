//! Two hundred thousand requests of every kind that a client can send, while the authorization server has faults at times.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bff_tests::guarding_api::GuardingApi;
use bff_tests::hostile_client::{Expected, HostileClient, SESSIONS, Traffic, sessions};
use bff_tests::http1::{Client, Request, Response, read_response};
use bff_tests::random::Random;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::setup::{eventually, resident_kib, start_envoy, statistic, vm_statistics};
use demo_system::{Component, System};
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;

const REQUESTS: usize = 200_000;
const CLIENTS: u64 = 6;

/// A response to a whole request that takes longer fails the test.
const LIMIT: Duration = Duration::from_secs(15);
/// How long the client waits for a response to bytes that may not be a whole request.
const MOMENT_FOR_ANYTHING: Duration = Duration::from_millis(30);

/// The state of the authorization server. A number without a name below means that it has no fault.
static MOMENT: AtomicU64 = AtomicU64::new(FAULTLESS);
const FAULTLESS: u64 = 0;
const FAILING: u64 = 1;
const RESETTING: u64 = 2;
/// Some responses take longer than the timeout.
const SLOW: u64 = 3;
/// No response until the fault ends.
const SILENT: u64 = 6;
/// The number of states among which the test chooses. Those after `SLOW` are without a fault.
const MOMENTS: u64 = 6;

fn script(token: &str, number: usize) -> Scripted {
    match MOMENT.load(Ordering::Relaxed) {
        FAILING => return Scripted::Failing,
        RESETTING => return Scripted::Reset,
        SLOW if number.is_multiple_of(20) => thread::sleep(Duration::from_millis(2500)),
        SILENT => {
            while MOMENT.load(Ordering::Relaxed) == SILENT {
                thread::sleep(Duration::from_millis(10));
            }
        }
        _ => {}
    }
    match token
        .strip_prefix("good-")
        .and_then(|number| number.parse::<usize>().ok())
    {
        Some(number) if number < SESSIONS => Scripted::Active(json!({"sub": token, "exp": 4_000_000_000_u64})),
        _ => Scripted::Inactive,
    }
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// How often each result has occurred.
type Results = BTreeMap<String, usize>;

fn exchange(connection: &mut Connection, traffic: &Traffic) -> io::Result<Option<Response>> {
    connection.write_all(&traffic.bytes)?;
    connection.flush()?;
    if traffic.expected == Expected::Leaves {
        return Ok(None);
    }
    let limit = match traffic.expected {
        Expected::Anything => MOMENT_FOR_ANYTHING,
        _ => LIMIT,
    };
    connection.sock.set_read_timeout(Some(limit))?;
    let response = read_response(connection)?;
    let earned = [502, 504].contains(&response.status) && response.code() == "authorization_server_error";
    // No service is behind that part of the host's paths.
    let unserved = response.status == 503 && traffic.bytes.windows(3).any(|window| window == b"bff");
    assert!(
        response.status < 500 || earned || unserved,
        "HTTP {} {}: {}",
        response.status,
        String::from_utf8_lossy(&response.body),
        traffic.bytes.escape_ascii()
    );
    if traffic.expected == Expected::Data {
        assert!(response.status == 200 || earned, "HTTP {}", response.status);
    }
    Ok(Some(response))
}

fn attack(client: &Client, attacker: &mut HostileClient, left: &AtomicUsize, results: &Mutex<Results>) {
    let mut mine = Results::new();
    let mut open: Option<Connection> = None;
    let more = |left: usize| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
        let traffic = attacker.request();
        let was_open = open.is_some();
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => client.connect("api").expect("a connection"),
        };
        let result = match exchange(&mut connection, &traffic) {
            Ok(Some(response)) => {
                let ends = response.header("connection") == Some("close");
                if traffic.expected != Expected::Anything && !ends {
                    open = Some(connection);
                }
                response.status.to_string()
            }
            Ok(None) => "left".to_owned(),
            Err(error) => {
                let waits = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind());
                let anything = traffic.expected == Expected::Anything;
                // Envoy may close a connection between requests.
                assert!(
                    anything || was_open && !waits,
                    "{error}: {}",
                    traffic.bytes.escape_ascii()
                );
                if waits { "waits" } else { "closed" }.to_owned()
            }
        };
        *mine.entry(result).or_default() += 1;
    }
    let mut results = results.lock().expect("no client panicked here");
    for (result, count) in mine {
        *results.entry(result).or_default() += count;
    }
}

fn send_half(system: &System, seed: u64, results: &Mutex<Results>) {
    let client = Client::new(system);
    let left = AtomicUsize::new(REQUESTS / 2);
    thread::scope(|scope| {
        let attack = |mut attacker| {
            let (client, left) = (&client, &left);
            scope.spawn(move || attack(client, &mut attacker, left, results))
        };
        // All clients use the same cookies.
        let sessions = sessions(system);
        let attackers = (0..CLIENTS).map(|number| HostileClient::new(system, &client, &sessions, seed * 1000 + number));
        let attacks: Vec<_> = attackers.map(attack).collect();
        // Faults begin and end.
        let mut random = Random::new(seed);
        while !attacks.iter().all(|attack| attack.is_finished()) {
            MOMENT.store(random.number() % MOMENTS, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(300));
        }
        MOMENT.store(FAULTLESS, Ordering::Relaxed);
    });
}

/// The response during each fault. Which faults the traffic meets is random, so this tests each of them.
fn check_each_response(system: &System) {
    let client = Client::new(system);
    let bearer = |token: &str| {
        let request = Request::new("GET", "/default/data").header("authorization", format!("Bearer {token}"));
        client.send("api", &request).expect("a response").status
    };
    for (moment, token, status) in [
        (FAULTLESS, "good-0", 200),
        (FAULTLESS, "bad", 401),
        (FAILING, "failing", 502),
        (RESETTING, "resetting", 502),
        (SILENT, "silent", 504),
    ] {
        MOMENT.store(moment, Ordering::Relaxed);
        assert_eq!(bearer(token), status, "{token}");
        MOMENT.store(FAULTLESS, Ordering::Relaxed);
    }
    let mut connection = client.connect("api").expect("a connection");
    connection.write_all(b"no request\r\n\r\n").expect("sent");
    assert_eq!(read_response(&mut connection).expect("a response").status, 400);
}

#[test]
fn two_hundred_thousand_hostile_requests_leave_envoy_as_it_was() {
    let (_server, server_address) = ScriptedIntrospection::start(script);
    let (api, api_address) = GuardingApi::start(|claims| {
        let subject = claims["sub"].as_str().unwrap_or_default();
        subject.starts_with("good-")
    });
    let test = start_envoy(server_address, api_address, |options| options.filter_timeout_ms = 2000);
    let system = &test.system;
    check_each_response(system);
    let vms = || vm_statistics(system);
    let before = vms();
    let results = Mutex::new(Results::new());
    send_half(system, 1, &results);
    let early = resident_kib(system, Component::Envoy);
    send_half(system, 2, &results);
    let late = resident_kib(system, Component::Envoy);
    let results = results.into_inner().expect("no client panicked");
    println!(
        "{results:?}; {} reached the API; {early} KiB after the first half, {late} KiB after the second",
        api.count()
    );
    assert_eq!(results.values().sum::<usize>(), REQUESTS);
    assert_eq!(api.faults(), [] as [String; 0]);
    assert!(
        late <= early + early / 10,
        "{early} KiB after the first half, {late} KiB after the second"
    );
    assert_eq!(vms(), before, "no VM was created again");
    eventually("no request remains", || {
        statistic(system, "http.https.downstream_rq_active") == 0
    });
    // Then normal service.
    let client = Client::new(system);
    let mut user = HostileClient::new(system, &client, &sessions(system), 3005);
    for _ in 0..50 {
        let mut connection = client.connect("api").expect("a connection");
        let response = exchange(&mut connection, &user.valid()).expect("a response");
        assert_eq!(response.map(|response| response.status), Some(200));
    }
}
