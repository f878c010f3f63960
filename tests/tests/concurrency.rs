//! Many at once.

use std::thread;
use std::time::Duration;

use bff_tests::faulty_authorization_server::{Fault, FaultyAuthorizationServer, INTROSPECTION, TOKEN};
use bff_tests::setup::{TestSystem, eventually, start};
use bff_tests::user_agent::UserAgent;

fn counted_system(workers: u32) -> (TestSystem, FaultyAuthorizationServer) {
    let mut server = None;
    let test = start(|options| {
        let (counting, address) = FaultyAuthorizationServer::start(options.ports.authorization_server);
        options.dial_authorization_server = Some(address);
        options.envoy_concurrency = Some(workers);
        options.filter_timeout_ms = 9000;
        server = Some(counting);
    });
    (test, server.expect("started"))
}

#[test]
fn requests_for_one_fresh_token_at_once_make_one_introspection() {
    let (test, server) = counted_system(1);
    let user = UserAgent::signed_in(&test.system);
    server.set(INTROSPECTION, Fault::Slow(Duration::from_millis(500)));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let requests: Vec<_> = (0..24).map(|_| scope.spawn(|| user.get_data().status)).collect();
        requests
            .into_iter()
            .map(|request| request.join().expect("no panic"))
            .collect()
    });
    assert_eq!(statuses, [200; 24]);
    assert_eq!(server.count(INTROSPECTION), 1);
}

#[test]
fn when_the_client_that_began_an_introspection_leaves_the_others_are_answered() {
    let (test, server) = counted_system(1);
    let user = UserAgent::signed_in(&test.system);
    server.set(INTROSPECTION, Fault::Slow(Duration::from_millis(3000)));
    let leader = user.client.send_only("api", &user.api_request("GET")).expect("sent");
    eventually("the introspection is under way", || server.count(INTROSPECTION) == 1);
    thread::scope(|scope| {
        let followers: Vec<_> = (0..5).map(|_| scope.spawn(|| user.get_data().status)).collect();
        // The followers have to be waiting; that they are cannot be seen from outside, so they get a head start, and the
        // test holds as well for one that comes later.
        thread::sleep(Duration::from_millis(300));
        drop(leader);
        for follower in followers {
            assert_eq!(follower.join().expect("no panic"), 200);
        }
    });
    eventually("the callout was made again", || server.count(INTROSPECTION) == 2);
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn parallel_refreshes_all_succeed_and_rotate_once() {
    let (test, server) = counted_system(2);
    let user = UserAgent::signed_in(&test.system);
    for round in 0..3 {
        let before = server.count(TOKEN);
        let mut user = user.clone();
        if round > 0 {
            assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
            continue;
        }
        let statuses: Vec<u16> = thread::scope(|scope| {
            let calls: Vec<_> = (0..20)
                .map(|_| scope.spawn(|| user.clone().bff("POST", "/bff/refresh").status))
                .collect();
            calls.into_iter().map(|call| call.join().expect("no panic")).collect()
        });
        assert_eq!(statuses, [204; 20]);
        assert_eq!(server.count(TOKEN), before + 1, "one rotation");
    }
}

#[test]
fn users_at_once_get_their_own_data() {
    let (test, server) = counted_system(2);
    server.set(INTROSPECTION, Fault::Slow(Duration::from_millis(30)));
    let users: Vec<UserAgent> = (0..4).map(|_| UserAgent::signed_in(&test.system)).collect();
    thread::scope(|scope| {
        for user in &users {
            for _ in 0..4 {
                scope.spawn(move || assert_eq!(user.get_data().status, 200));
            }
        }
    });
}
