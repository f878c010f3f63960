//! The service is replaced while users work: no request fails, and no user is signed out.

use bff_tests::setup::{TestSystem, eventually, start, statistic};
use bff_tests::steady_load::under_load;
use demo_system::Component;

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
