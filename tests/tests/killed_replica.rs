//! A replica of the service is killed, and Envoy has not noticed yet.

use bff_tests::http1::Client;
use bff_tests::setup::statistic;
use bff_tests::two_replicas::two_replicas;
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

const SESSIONS: usize = 100;

/// Each session has a place of its own on Envoy's ring of replicas.
#[test]
fn until_envoy_notices_that_a_replica_was_killed_requests_of_its_sessions_go_to_the_other_one() {
    let (test, _server) = two_replicas(|options| {
        let never = (
            "unhealthy_threshold: 3".to_owned(),
            "unhealthy_threshold: 1000".to_owned(),
        );
        options.envoy_changes.push(never);
    });
    let mut user = UserAgent::with(Client::new(&test.system));
    test.system.kill(Component::SecondBff);
    for session in 0..SESSIONS {
        user.csrf = format!("session-{session}");
        let response = user.send(&user.bff_request("GET", "/bff/session"));
        assert_eq!(
            response.status,
            200,
            "session {session}: {}",
            String::from_utf8_lossy(&response.body)
        );
    }
    let retried = statistic(&test.system, "cluster.bff_service.upstream_rq_retry_success");
    assert!(retried > 20, "{retried} sessions were those of the killed replica");
}
