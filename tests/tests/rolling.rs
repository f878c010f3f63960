//! The service is replaced while users work: no request fails, and no user is signed out.

use std::io::{Read, Write};
use std::net::TcpStream;

use bff_tests::http1::Client;
use bff_tests::setup::{TestSystem, eventually, start, statistic};
use bff_tests::steady_load::under_load;
use bff_tests::user_agent::UserAgent;
use demo_system::Component;
use serde_json::json;

const USERS: usize = 3;
const REPLICAS: [Component; 2] = [Component::Bff, Component::SecondBff];

/// Two replicas that report for some seconds that they are shutting down, and Redis: a session moves from one to the other
/// in the middle of its refreshes.
fn production() -> TestSystem {
    start(|options| {
        options
            .without
            .retain(|component| !matches!(component, Component::SecondBff | Component::Redis));
        for replica in REPLICAS {
            let drain = ("BFF_SERVER__DRAIN_SECONDS".to_owned(), "3".to_owned());
            options.environment.push((replica, drain.0, drain.1));
        }
    })
}

fn healthy(test: &TestSystem) -> u64 {
    statistic(&test.system, "cluster.bff_service.membership_healthy")
}

#[test]
fn the_replicas_of_the_service_are_restarted_one_by_one_and_no_request_fails() {
    let test = production();
    eventually("both replicas are healthy for Envoy", || healthy(&test) == 2);
    let answered = under_load(&test.system, USERS, |progress| {
        for replica in REPLICAS {
            progress.wait_for_refreshes();
            test.system.stop(replica);
            progress.wait_for_refreshes();
            test.system.resume(replica).unwrap_or_else(|error| panic!("{error}"));
            eventually("the replica is healthy for Envoy again", || healthy(&test) == 2);
        }
        progress.wait_for_refreshes();
    });
    assert!(answered > 100, "{answered} requests");
    for replica in REPLICAS {
        let log = std::fs::read_to_string(test.system.log(replica)).expect("the log");
        assert!(log.contains("received SIGTERM: draining for"), "{log}");
    }
}

/// Without `drain_seconds`, too: nobody is to send it another request.
#[test]
fn a_service_that_completes_its_last_requests_is_not_ready() {
    let test = start(|_| {});
    let authority = Client::new(&test.system).authority("api");
    let request = UserAgent::new(&test.system)
        .bff_request("POST", "/bff/login/start")
        .header("expect", "100-continue")
        .json(&json!({}));
    let bytes = request.bytes_to_keep(&authority);
    let mut slow = TcpStream::connect(test.system.bff_addr()).expect("a connection");
    slow.write_all(&bytes[..bytes.len() - 1])
        .expect("the request without the end of its body");
    let mut interim = [0; 12];
    slow.read_exact(&mut interim).expect("an interim response");
    assert_eq!(&interim, b"HTTP/1.1 100", "the request is in progress");
    std::thread::scope(|scope| {
        scope.spawn(|| test.system.stop(Component::Bff));
        eventually("the service is not ready", || {
            let ready = demo_system::get(test.system.bff_admin(), "/readyz");
            ready.is_ok_and(|(status, text)| status == 503 && text.contains("shutting down"))
        });
        drop(slow);
    });
}
