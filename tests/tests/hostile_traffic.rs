//! Two hundred thousand requests of whatever a client may send, while the authorization server has bad moments.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bff_core::seal::{Purpose, SessionId};
use bff_tests::guarding_api::GuardingApi;
use bff_tests::http1::{Client, Response, read_response};
use bff_tests::random::Random;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection, jwt};
use bff_tests::sealing::Seals;
use bff_tests::setup::{eventually, resident_kib, start_envoy, statistic, vm_statistics};
use bff_tests::user_agent::{AT, CSRF, CSRF_HEADER};
use demo_system::{Component, System};
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;

const REQUESTS: usize = 200_000;
const CLIENTS: u64 = 6;

/// No answer within this time to a whole request is a failed test.
const LIMIT: Duration = Duration::from_secs(15);
/// How long an answer to what may be no whole request is waited for.
const MOMENT_FOR_ANYTHING: Duration = Duration::from_millis(30);

/// Which moment the authorization server has: good, failing, resetting, or slow beyond the time limit.
static MOMENT: AtomicU64 = AtomicU64::new(0);

/// Sessions of the traffic: tokens `good-<number>` are active.
const SESSIONS: usize = 200;

fn script(token: &str, number: usize) -> Scripted {
    match MOMENT.load(Ordering::Relaxed) {
        1 => return Scripted::Failing,
        2 => return Scripted::Reset,
        3 if number.is_multiple_of(20) => thread::sleep(Duration::from_millis(700)),
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

/// Bytes to send, and what may come back.
struct Traffic {
    bytes: Vec<u8>,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A good request: 200, or an error that the authorization server has earned.
    Data,
    /// Well-formed: an answer below 500, or an error that the authorization server has earned.
    Answer,
    /// The same, or the end of the connection, or nothing for a moment: it may be no whole request.
    Anything,
    /// The client leaves without waiting.
    Leaves,
}

/// Makes the traffic of one client.
struct Attacker {
    random: Random,
    /// Sealed access-token and CSRF cookies, and the CSRF value.
    sessions: Vec<(String, String, String)>,
    origin: String,
    authority: String,
}

impl Attacker {
    fn request(&mut self) -> Traffic {
        let (mut bytes, mut expected) = match self.random.below(20) {
            0..5 => return self.good(),
            5..9 => (self.cookies(), Expected::Answer),
            9..13 => (self.bearer(), Expected::Answer),
            13..15 => (self.paths(), Expected::Answer),
            15..17 => (self.head(), Expected::Anything),
            17 => (self.mutated(), Expected::Anything),
            18 => (self.framing(), Expected::Anything),
            _ => {
                let len = self.random.below(2000);
                (self.random.bytes(len), Expected::Leaves)
            }
        };
        if self.random.once_in(12) {
            let end = self.random.below(bytes.len() + 1);
            bytes.truncate(end);
            expected = Expected::Leaves;
        }
        Traffic { bytes, expected }
    }

    fn compose(&self, method: &str, path: &str, lines: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.authority).into_bytes();
        for (name, value) in lines {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn good(&mut self) -> Traffic {
        let (at, csrf_cookie, csrf) = self.random.pick(&self.sessions).clone();
        let cookie = format!("{AT}={at}; {CSRF}={csrf_cookie}; theme=dark");
        let origin = self.origin.clone();
        let lines = [
            ("origin", origin.as_bytes()),
            ("cookie", cookie.as_bytes()),
            (CSRF_HEADER, csrf.as_bytes()),
        ];
        let method = *self.random.pick(&["GET", "POST", "DELETE"]);
        Traffic {
            bytes: self.compose(method, "/api/data", &lines, b"{}"),
            expected: Expected::Data,
        }
    }

    /// A cookie header of pieces of everything.
    fn cookies(&mut self) -> Vec<u8> {
        let mut header = Vec::new();
        for _ in 0..self.random.below(12) {
            let (at, csrf, _) = self.random.pick(&self.sessions).clone();
            let piece = match self.random.below(10) {
                0 => format!("{AT}={at}"),
                1 => format!("{CSRF}={csrf}"),
                2 => format!("{AT}={csrf}"),
                3 => format!("{AT}.{}={at}", self.random.below(40)),
                4 => format!("{AT}.{}=", self.random.number()),
                5 => format!("{AT}={}", &at[..self.random.below(at.len())]),
                6 => "=".repeat(self.random.below(50)),
                7 => ";".repeat(self.random.below(500)),
                8 => format!("\"{AT}=\"{at}\""),
                _ => format!("c{}={}", self.random.number(), "v".repeat(self.random.below(3000))),
            };
            header.extend_from_slice(piece.as_bytes());
            let separators: [&str; 5] = ["; ", ";", ",", " ", "\t;\u{ff}"];
            header.extend_from_slice(self.random.pick(&separators).as_bytes());
        }
        let origin = self.origin.clone();
        let lines: [(&str, &[u8]); 2] = [("origin", origin.as_bytes()), ("cookie", &header)];
        self.compose("GET", "/api/data", &lines, b"")
    }

    /// Tokens that are none.
    fn bearer(&mut self) -> Vec<u8> {
        let len = self.random.below(300);
        let unsigned = jwt(&json!({"sub": "admin", "exp": 4_000_000_000_u64}));
        let value: Vec<u8> = match self.random.below(8) {
            0 => b"Bearer".to_vec(),
            1 => [&b"Bearer "[..], &self.random.bytes(len)]
                .concat()
                .into_iter()
                .filter(|byte| *byte >= b' ' && *byte != 0x7f)
                .collect(),
            2 => format!("Bearer {unsigned}").into_bytes(),
            3 => format!("bEaReR    {}", "a".repeat(len * 100)).into_bytes(),
            4 => format!("Bearer good-{}&token=good-1", self.random.number()).into_bytes(),
            5 => format!("Bearer ..{}..", "=".repeat(len)).into_bytes(),
            _ => format!("Bearer bad-{}", self.random.below(500)).into_bytes(),
        };
        let lines: [(&str, &[u8]); 2] = [("authorization", &value), ("x_authorization", b"Bearer good-1")];
        let path = *self.random.pick(&["/default/data", "/api/data"]);
        self.compose("GET", path, &lines, b"")
    }

    /// Names, values and methods of any kind.
    fn head(&mut self) -> Vec<u8> {
        let any = |random: &mut Random, len: usize| -> Vec<u8> {
            let bytes = random.bytes(len);
            bytes.into_iter().filter(|byte| !b"\r\n\0".contains(byte)).collect()
        };
        let mut bytes = any(&mut self.random, 10);
        if self.random.once_in(2) {
            bytes = self
                .random
                .pick(&["PROPPATCH", "CONNECT", "TRACE", "OPTIONS", "PRI", "get", "M-SEARCH"])
                .as_bytes()
                .to_vec();
        }
        bytes.extend_from_slice(format!(" /api/data HTTP/1.1\r\nhost: {}\r\n", self.authority).as_bytes());
        for _ in 0..self.random.below(30) {
            let names = [
                "origin",
                "cookie",
                "authorization",
                CSRF_HEADER,
                "sec-fetch-site",
                "upgrade",
                "x-a",
                "connection",
                "te",
                "expect",
            ];
            let (name_len, value_len) = (self.random.below(20), self.random.below(200));
            let name = match self.random.once_in(6) {
                true => any(&mut self.random, name_len),
                false => self.random.pick(&names).as_bytes().to_vec(),
            };
            let value = any(&mut self.random, value_len);
            bytes.extend_from_slice(&[&name, &b": "[..], &value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn paths(&mut self) -> Vec<u8> {
        let mut path = String::from("/");
        let parts = [
            "api", "bff", "default", "..", ".", "%2e%2e", "%2f", ";", "..;", "\\", "//", "?", "#", "data", "%00",
            "%61pi", "*", "\u{e9}",
        ];
        for _ in 0..self.random.below(10) {
            let part = *self.random.pick(&parts);
            path.push_str(part);
            if self.random.once_in(2) {
                path.push('/');
            }
        }
        let origin = self.origin.clone();
        let method = *self.random.pick(&["GET", "POST", "OPTIONS"]);
        self.compose(method, &path, &[("origin", origin.as_bytes())], b"")
    }

    /// A good request, a few bytes of which are others.
    fn mutated(&mut self) -> Vec<u8> {
        let mut bytes = self.good().bytes;
        for _ in 0..=self.random.below(4) {
            let place = self.random.below(bytes.len());
            match self.random.below(3) {
                0 => bytes[place] = self.random.bytes(1)[0],
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, self.random.bytes(1)[0]),
            }
        }
        bytes
    }

    /// Bodies whose end is said twice, wrongly, or not at all.
    fn framing(&mut self) -> Vec<u8> {
        let good = self.good().bytes;
        let text = String::from_utf8_lossy(&good).into_owned();
        let lines = [
            "transfer-encoding: chunked\r\n",
            "content-length: 5\r\n",
            "transfer-encoding: chunked, identity\r\n",
            "content-length: -1\r\n",
            "expect: 100-continue\r\n",
        ];
        let line = *self.random.pick(&lines);
        let text = text.replace("\r\n\r\n", &format!("\r\n{line}\r\nfffffffff\r\n0\r\n\r\n{text}"));
        text.into_bytes()
    }
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// How often each thing came of it.
type Outcomes = BTreeMap<String, usize>;

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
    // There is no service behind the other half of the host.
    let unserved = response.status == 503 && traffic.bytes.windows(3).any(|window| window == b"bff");
    assert!(
        response.status < 500 || earned || unserved,
        "{} {}: {}",
        response.status,
        String::from_utf8_lossy(&response.body),
        traffic.bytes.escape_ascii()
    );
    if traffic.expected == Expected::Data {
        assert!(response.status == 200 || earned, "{}", response.status);
    }
    Ok(Some(response))
}

fn attack(client: &Client, attacker: &mut Attacker, left: &AtomicUsize, outcomes: &Mutex<Outcomes>) {
    let mut mine = Outcomes::new();
    let mut kept: Option<Connection> = None;
    let more = |left: usize| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
        let traffic = attacker.request();
        let was_kept = kept.is_some();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => client.connect("api").expect("a connection"),
        };
        let outcome = match exchange(&mut connection, &traffic) {
            Ok(Some(response)) => {
                let ends = response.header("connection") == Some("close");
                if traffic.expected != Expected::Anything && !ends {
                    kept = Some(connection);
                }
                response.status.to_string()
            }
            Ok(None) => "left".to_owned(),
            Err(error) => {
                let waits = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind());
                let anything = traffic.expected == Expected::Anything;
                // Envoy may end a connection between requests.
                assert!(
                    anything || was_kept && !waits,
                    "{error}: {}",
                    traffic.bytes.escape_ascii()
                );
                if waits { "waits" } else { "closed" }.to_owned()
            }
        };
        *mine.entry(outcome).or_default() += 1;
    }
    let mut outcomes = outcomes.lock().expect("no client panicked here");
    for (outcome, count) in mine {
        *outcomes.entry(outcome).or_default() += count;
    }
}

/// One for each client, with sessions of their own.
fn attackers(system: &System, client: &Client, seed: u64) -> Vec<Attacker> {
    let seals = Seals::of(system, "example");
    let session = |number: usize| {
        let id = SessionId([u8::try_from(number % 256).expect("a byte"); 32]);
        let csrf = format!("csrf-{number}");
        let at = seals.seal(Purpose::AccessToken, &format!("good-{number}"), id, 3000);
        (at, seals.seal(Purpose::Csrf, &csrf, id, 3000), csrf)
    };
    let sessions: Vec<_> = (0..SESSIONS).map(session).collect();
    let attacker = |number| Attacker {
        random: Random::new(seed * 1000 + number),
        sessions: sessions.clone(),
        origin: system.www(),
        authority: client.authority("api"),
    };
    (0..CLIENTS).map(attacker).collect()
}

fn half(system: &System, seed: u64, outcomes: &Mutex<Outcomes>) {
    let client = Client::new(system);
    let left = AtomicUsize::new(REQUESTS / 2);
    thread::scope(|scope| {
        let attack = |mut attacker| {
            let (client, left) = (&client, &left);
            scope.spawn(move || attack(client, &mut attacker, left, outcomes))
        };
        let attacks: Vec<_> = attackers(system, &client, seed).into_iter().map(attack).collect();
        // Bad moments come and go.
        let mut random = Random::new(seed);
        while !attacks.iter().all(|attack| attack.is_finished()) {
            MOMENT.store(random.number() % 6, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(300));
        }
        MOMENT.store(0, Ordering::Relaxed);
    });
}

#[test]
fn two_hundred_thousand_hostile_requests_leave_envoy_as_it_was() {
    let (_server, server_address) = ScriptedIntrospection::start(script);
    let (api, api_address) = GuardingApi::start(|claims| {
        let subject = claims["sub"].as_str().unwrap_or_default();
        subject.starts_with("good-")
    });
    let test = start_envoy(server_address, api_address, |options| options.filter_timeout_ms = 500);
    let system = &test.system;
    let vms = || vm_statistics(system);
    let before = vms();
    let outcomes = Mutex::new(Outcomes::new());
    half(system, 1, &outcomes);
    let early = resident_kib(system, Component::Envoy);
    half(system, 2, &outcomes);
    let late = resident_kib(system, Component::Envoy);
    let outcomes = outcomes.into_inner().expect("no client panicked");
    println!(
        "{outcomes:?}; {} reached the API; {early} KiB after the first half, {late} KiB after the second",
        api.count()
    );
    assert_eq!(outcomes.values().sum::<usize>(), REQUESTS);
    assert_eq!(api.faults(), [] as [String; 0]);
    assert!(
        late <= early + early / 10,
        "{early} KiB after the first half, {late} KiB after the second"
    );
    assert_eq!(vms(), before, "no VM was made anew");
    for status in ["200", "400", "401", "502", "504"] {
        assert!(
            outcomes.contains_key(status),
            "nothing was answered {status}: {outcomes:?}"
        );
    }
    eventually("no request is left over", || {
        statistic(system, "http.https.downstream_rq_active") == 0
    });
    // Then normal service.
    let client = Client::new(system);
    let mut user = attackers(system, &client, 3).pop().expect("one of them");
    for _ in 0..50 {
        let mut connection = client.connect("api").expect("a connection");
        let answer = exchange(&mut connection, &user.good()).expect("an answer");
        assert_eq!(answer.map(|answer| answer.status), Some(200));
    }
}
