//! The failure drill: a replica of the service is killed under load, in containers (`docker-compose.yml`). No session is lost.
//!
//! `cargo xtask compose --drill` starts the containers and runs this.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bff_tests::http1::{Client, Request, Response};
use bff_tests::user_agent::UserAgent;

const USERS: usize = 20;
const REQUESTS_OF_EACH: usize = 50;
const REQUESTS: usize = USERS * REQUESTS_OF_EACH;
const KILLED_AFTER_REQUESTS: usize = REQUESTS * 2 / 5;
/// The kill takes some time, and some requests must follow it.
const MAX_REQUESTS_BEFORE_KILL: usize = REQUESTS * 4 / 5;
/// A page tries again if a response is a temporary error.
const TRIES: usize = 20;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("missing {name}: run this with `cargo xtask compose --drill`"))
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`docker {}` failed: {error}",
        arguments.join(" ")
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn containers(service: &str) -> Vec<String> {
    let project = format!("label=com.docker.compose.project={}", variable("BFF_CONTAINERS"));
    let service = format!("label=com.docker.compose.service={service}");
    let ids = docker(&["ps", "--quiet", "--filter", &project, "--filter", &service]);
    ids.lines().map(str::to_owned).collect()
}

/// The number of requests of each replica, as Envoy counts them.
fn requests_of_replicas() -> Vec<u64> {
    let envoy = containers("envoy").pop().expect("Envoy's container");
    let clusters = docker(&[
        "exec",
        &envoy,
        "demo-containers",
        "probe",
        "127.0.0.1:9901",
        "/clusters",
    ]);
    let counts = clusters
        .lines()
        .filter_map(|line| line.strip_prefix("bff_service::")?.split_once("::rq_total::"));
    counts.map(|(_, count)| count.parse().expect("a number")).collect()
}

/// One of the mixed requests: data, the session, or a refresh.
fn request_of(user: &UserAgent, number: usize) -> (Request, u16) {
    match number % 10 {
        0 => (user.bff_request("POST", "/bff/refresh"), 204),
        2 | 6 => (user.bff_request("GET", "/bff/session"), 200),
        4 => (user.api_request("POST"), 200),
        _ => (user.api_request("GET"), 200),
    }
}

/// Only these are temporary errors. Any other status is a fault, and HTTP 401 is the end of the session.
fn is_temporary(result: &io::Result<Response>) -> bool {
    result
        .as_ref()
        .map_or(true, |response| [502, 503, 504].contains(&response.status))
}

/// The progress.
#[derive(Default)]
struct Progress {
    answered: AtomicUsize,
    killed: AtomicBool,
}

impl Progress {
    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    fn wait(&self, until: impl Fn(&Progress) -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !until(self) {
            assert!(
                Instant::now() < end,
                "waiting timed out after 120 s: {} requests were answered",
                self.answered()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The number of repeated requests.
#[derive(Default)]
struct TriedAgain {
    of_the_bff: AtomicUsize,
    of_the_api: AtomicUsize,
}

/// Sends the requests one after the other.
fn use_it(user: &mut UserAgent, offset: usize, progress: &Progress, tried_again: &TriedAgain) {
    for number in 0..REQUESTS_OF_EACH {
        progress
            .wait(|progress| progress.answered() < MAX_REQUESTS_BEFORE_KILL || progress.killed.load(Ordering::SeqCst));
        let (request, expected) = request_of(user, number + offset);
        let mut result = user.client.send("api", &request);
        let mut tries = 1;
        while is_temporary(&result) && tries < TRIES {
            thread::sleep(Duration::from_millis(250));
            result = user.client.send("api", &request);
            tries += 1;
        }
        let response = result.unwrap_or_else(|error| panic!("the request failed after {tries} tries: {error}"));
        let text = String::from_utf8_lossy(&response.body);
        assert_eq!(response.status, expected, "after {tries} tries: {text}");
        user.replace_cookies(&response);
        if tries > 1 {
            let count = match (number + offset) % 10 {
                0 | 2 | 6 => &tried_again.of_the_bff,
                _ => &tried_again.of_the_api,
            };
            count.fetch_add(1, Ordering::SeqCst);
        }
        progress.answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
#[ignore = "needs a Docker engine and the containers: `cargo xtask compose --drill` starts them and runs this"]
fn with_one_replica_killed_in_the_middle_of_1000_mixed_requests_no_session_is_lost() {
    let ca = variable("BFF_CONTAINERS_CA");
    let port = variable("BFF_CONTAINERS_PORT").parse().expect("a port");
    let client = Client::at(&variable("BFF_CONTAINERS_DOMAIN"), port, Path::new(&ca));
    let mut users: Vec<UserAgent> = (0..USERS).map(|_| UserAgent::with(client.clone())).collect();
    users.iter_mut().for_each(UserAgent::sign_in);
    let replicas = containers("bff");
    assert_eq!(replicas.len(), 2, "{replicas:?}");

    let progress = Progress::default();
    let tried_again = TriedAgain::default();
    let at_the_kill = thread::scope(|scope| {
        let (progress, tried_again) = (&progress, &tried_again);
        let calls: Vec<_> = users
            .iter_mut()
            .enumerate()
            .map(|(offset, user)| scope.spawn(move || use_it(user, offset, progress, tried_again)))
            .collect();
        progress.wait(|progress| progress.answered() > KILLED_AFTER_REQUESTS / 2);
        let counts = requests_of_replicas();
        assert!(
            counts.len() == 2 && counts.iter().all(|count| *count > 0),
            "both replicas had their part: {counts:?}"
        );
        progress.wait(|progress| progress.answered() >= KILLED_AFTER_REQUESTS);
        docker(&["kill", "--signal", "KILL", &replicas[0]]);
        let at_the_kill = progress.answered();
        progress.killed.store(true, Ordering::SeqCst);
        for call in calls {
            call.join().expect("a user's requests");
        }
        at_the_kill
    });
    assert_eq!(progress.answered(), REQUESTS);
    assert_eq!(containers("bff").len(), 1, "it is gone");

    for user in &mut users {
        assert_eq!(user.bff("GET", "/bff/session").json()["isLoggedIn"], true);
        assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
        assert_eq!(user.get_data().status, 200);
    }
    let TriedAgain { of_the_bff, of_the_api } = tried_again;
    println!(
        "{REQUESTS} requests of {USERS} sessions, one of two replicas killed after {at_the_kill}: no session was lost; tried \
         again were {} requests to the BFF and {} to the API",
        of_the_bff.into_inner(),
        of_the_api.into_inner()
    );
}
