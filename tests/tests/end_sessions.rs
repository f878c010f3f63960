//! An operator ends sessions at one replica of two: `POST /end-sessions` on the admin listener.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bff_tests::client_credentials::set;
use bff_tests::http1::{Request, Response, send_plain};
use bff_tests::setup::eventually;
use bff_tests::two_replicas::{is_logged_in, now, redis, redis_prefix, two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::UserAgent;
use demo_system::{Component, Options};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-operators-0123456789abcdef";

fn with_token(options: &mut Options) {
    with_redis_and_no_affinity(options);
    for replica in [Component::Bff, Component::SecondBff] {
        set(options, replica, "BFF_ADMIN_TOKEN", TOKEN);
    }
}

fn end(admin: SocketAddr, what: &Value) -> Response {
    let request = Request::new("POST", "/end-sessions").header("authorization", format!("Bearer {TOKEN}"));
    send_plain(admin, &request.json(what)).expect("a response")
}

/// What the workers answer. Each connection may reach another worker, and each worker of the proxy-wasm module has a list of
/// its own.
fn statuses_of_workers(user: &UserAgent) -> BTreeSet<u16> {
    (0..20).map(|_| user.get_data().status).collect()
}

#[test]
fn what_an_operator_ends_at_one_replica_is_over_at_the_other_and_at_the_gateway_and_after_a_restart() {
    let (test, _server) = two_replicas(with_token);
    let before = UserAgent::signed_in(&test.system);
    let replicas = [test.system.bff_addr(), test.system.second_bff().0];
    let response = end(test.system.second_bff().1, &json!({"began_before": now()}));
    assert_eq!(response.status, 200, "{}", response.code());
    assert_eq!(response.json()["replicas_know"], true);
    let after = UserAgent::signed_in(&test.system);
    for replica in replicas {
        eventually("the replica knows", || !is_logged_in(&before, replica));
        assert!(is_logged_in(&after, replica));
    }
    eventually("each worker of the gateway knows", || {
        statuses_of_workers(&before) == BTreeSet::from([401])
    });
    assert_eq!(after.get_data().status, 200);
    // No number of other entries displaces it in Redis.
    let prefix = redis_prefix(&test);
    let lists: Vec<String> = (0..10_100).map(|number| format!("{} s{number:032x}", now())).collect();
    for entries in lists.chunks(1000) {
        redis(&test, &format!("ZADD {prefix}ended {}", entries.join(" ")));
    }
    assert_eq!(after.clone().bff("POST", "/bff/logout").status, 200);
    for replica in [Component::Bff, Component::SecondBff] {
        test.system.stop(replica);
        test.system.resume(replica).unwrap_or_else(|error| panic!("{error}"));
    }
    let later = UserAgent::signed_in(&test.system);
    for replica in replicas {
        eventually("the replica has read the list", || !is_logged_in(&before, replica));
        eventually("the replica serves", || is_logged_in(&later, replica));
    }
    assert_eq!(statuses_of_workers(&before), BTreeSet::from([401]));
    assert_eq!(later.get_data().status, 200);
}

#[test]
fn what_an_operator_ends_while_redis_is_away_is_over_at_the_other_replica_when_redis_is_back() {
    let (test, _server) = two_replicas(with_token);
    let user = UserAgent::signed_in(&test.system);
    let (second, admin) = (test.system.second_bff().0, test.system.bff_admin());
    test.system.kill(Component::Redis);
    let response = end(admin, &json!({"began_before": now()}));
    assert_eq!(
        (response.status, &response.json()["replicas_know"]),
        (200, &json!(false))
    );
    assert!(is_logged_in(&user, second), "it cannot know");
    test.system
        .resume(Component::Redis)
        .unwrap_or_else(|error| panic!("{error}"));
    eventually("the other replica knows", || !is_logged_in(&user, second));
}
