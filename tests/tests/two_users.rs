//! Each of several concurrent clients gets its own user's data, in whatever order the responses come.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::base64url;
use bff_tests::echoing_api::{EchoingApi, values};
use bff_tests::http1::{Client, Request, Response};
use bff_tests::random::Random;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{eventually, filter_statistic, start_envoy};
use bff_tests::user_agent::AT;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

const ROUNDS: usize = 10_000;
const USERS: usize = 2;
/// Workers of Envoy, which share nothing.
const WORKERS: u32 = 2;
/// Each user has this number of connections, which send the same request at the same instant. One more than there are workers:
/// Envoy distributes connections as it likes, and only requests that reach one worker can wait together.
const CONNECTIONS: usize = WORKERS as usize + 1;

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A response that is held back until the next one has overtaken it, or a moment has passed.
#[derive(Default)]
struct Overtaking {
    arrived: Mutex<usize>,
    next: Condvar,
}

impl Overtaking {
    fn arrive(&self, held: bool) {
        let mut arrived = self.arrived.lock().expect("no test panicked here");
        *arrived += 1;
        self.next.notify_all();
        if held {
            let seen = *arrived;
            let moment = Duration::from_millis(3);
            drop(
                self.next
                    .wait_timeout_while(arrived, moment, |arrived| *arrived == seen),
            );
        }
    }
}

/// All clients wait for each other before each round. A client that does not come, because its test has failed, ends the wait.
#[derive(Default)]
struct Start {
    arrivals: Mutex<usize>,
    all: Condvar,
}

impl Start {
    fn wait_for_round(&self, round: usize) {
        let mut arrivals = self.arrivals.lock().expect("no test panicked here");
        *arrivals += 1;
        self.all.notify_all();
        let expected = (round + 1) * USERS * CONNECTIONS;
        let limit = Duration::from_secs(60);
        let waited = self
            .all
            .wait_timeout_while(arrivals, limit, |arrivals| *arrivals < expected);
        assert!(
            !waited.expect("no test panicked here").1.timed_out(),
            "round {round}: another client is gone"
        );
    }
}

/// The claims of the JWT that reached the API with a request.
fn forwarded(response: &Response) -> Value {
    let authorization = values(&response.body, "authorization");
    let [bearer] = authorization.as_slice() else {
        panic!("expected one Authorization line, received {}", authorization.len())
    };
    let payload = bearer.split(|byte| *byte == b'.').nth(1).expect("a JWT");
    serde_json::from_slice(&base64url::decode(payload).expect("base64url")).expect("JSON")
}

#[test]
fn ten_thousand_times_two_users_ask_at_once_and_each_gets_what_is_their_own() {
    let overtaking = Overtaking::default();
    let (server, server_address) = ScriptedIntrospection::start(move |token, number| {
        let mut random = Random::new(u64::try_from(number).expect("a number"));
        overtaking.arrive(random.is_one_in(2));
        if random.is_one_in(3) {
            thread::sleep(Duration::from_micros(random.number() % 1500));
        }
        // At times the connection is reset: that is HTTP 502 for the requests that wait for it, and does not affect any other.
        match random.is_one_in(100) {
            true => Scripted::Reset,
            false => Scripted::Active(json!({"sub": token, "exp": 4_000_000_000_u64})),
        }
    });
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |options| {
        options.envoy_concurrency = Some(WORKERS);
    });
    let system = &test.system;
    let origin = system.www();
    let start = Start::default();
    let (succeeded, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seals = Seals::of(system, "example");
    let client = Client::new(system);
    let one = &|user: usize, connection: usize| {
        let mut random = Random::new(u64::try_from(user * CONNECTIONS + connection).expect("a number"));
        let mut stream: Connection = client.connect("api").expect("a connection");
        for round in 0..ROUNDS {
            // A new token. The user's connections have it in cookies of their own.
            let token = format!("user-{user}-round-{round}");
            let session = SessionId([u8::try_from(user).expect("few"); 32]);
            let sealed = seals.seal(Purpose::AccessToken, &token, session, 300);
            let request = Request::new("GET", "/api/data")
                .header("origin", &origin)
                .header("cookie", format!("{AT}={sealed}"));
            start.wait_for_round(round);
            if random.is_one_in(200) {
                // This client leaves, and other requests that wait for the same token are not affected.
                drop(client.send_only("api", &request).expect("sent"));
            }
            let response = client
                .send_on(&mut stream, "api", &request)
                .unwrap_or_else(|error| panic!("the request of round {round} failed: {error}"));
            match response.status {
                200 => {
                    assert_eq!(forwarded(&response)["sub"], token.as_str(), "round {round}");
                    succeeded.fetch_add(1, Ordering::Relaxed);
                }
                502 => {
                    assert_eq!(response.code(), "authorization_server_error");
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("round {round}: HTTP {other}"),
            }
        }
    };
    thread::scope(|scope| {
        for user in 0..USERS {
            for connection in 0..CONNECTIONS {
                scope.spawn(move || one(user, connection));
            }
        }
    });
    let all = USERS * CONNECTIONS * ROUNDS;
    let (succeeded, failed) = (succeeded.into_inner(), failed.into_inner());
    assert_eq!(succeeded + failed, all);
    assert!(failed > 0 && failed < all / 20, "{failed} resets");
    assert!(server.count() >= USERS * ROUNDS, "{} introspections", server.count());
    eventually("requests waited together: else nothing was tried", || {
        filter_statistic(system, "introspections_joined") > 1000
    });
}
