//! Two replicas of the service that share a list of ended sessions in Redis: a user who signs out at one is signed out at both.

use std::thread;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::session::ended_sessions::Ended;
use bff_tests::http1::send_plain;
use bff_tests::sealing::Seals;
use bff_tests::setup::eventually;
use bff_tests::two_replicas::{is_logged_in, now, redis, redis_prefix, two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::Component;

#[test]
fn a_session_that_is_ended_at_one_replica_is_over_at_the_other() {
    let (test, _server) = two_replicas(with_redis_and_no_affinity);
    let user = UserAgent::signed_in(&test.system);
    let (first, (second, _)) = (test.system.bff_addr(), test.system.second_bff());
    assert!(is_logged_in(&user, second));
    let logout = send_plain(first, &user.bff_request("POST", "/bff/logout")).expect("a response");
    assert_eq!(logout.status, 200);
    // This test still has the cookies, as a thief would.
    assert!(!is_logged_in(&user, first));
    eventually("the other replica knows", || !is_logged_in(&user, second));
    eventually("the filter knows", || user.get_data().status == 401);
    let refresh = send_plain(second, &user.bff_request("POST", "/bff/refresh")).expect("a response");
    assert_eq!((refresh.status, refresh.code().as_str()), (401, "session_expired"));
}

/// Another replica ends all sessions of a user, and the user signs in here before that replica publishes it.
#[test]
fn who_signs_in_right_after_a_logout_at_another_replica_has_a_session_that_lives_at_both() {
    let (test, _server) = two_replicas(with_redis_and_no_affinity);
    let before = UserAgent::signed_in(&test.system);
    let (_, session) = Seals::of(&test.system, "example").open(Purpose::AccessToken, &before.cookies[AT]);
    let ended = Ended::User(session.parts().1).to_text();
    let prefix = redis_prefix(&test);
    redis(&test, &format!("ZADD {prefix}ended {} {ended}", now()));
    let after = UserAgent::signed_in(&test.system);
    let replicas = [test.system.bff_addr(), test.system.second_bff().0];
    for replica in replicas {
        eventually("the logout is known", || !is_logged_in(&before, replica));
        assert!(is_logged_in(&after, replica));
    }
    eventually("the filter knows", || before.get_data().status == 401);
    assert_eq!(after.get_data().status, 200);
}

/// Another replica could not publish an ended session in time: it ended long before the period that replicas poll.
#[test]
fn what_is_told_late_is_heard_however_long_ago_it_was() {
    let (test, _server) = two_replicas(with_redis_and_no_affinity);
    let prefix = redis_prefix(&test);
    let is_ended = |user: &UserAgent| !is_logged_in(user, test.system.bff_addr());
    let end_long_ago = || {
        let user = UserAgent::signed_in(&test.system);
        let (_, session) = Seals::of(&test.system, "example").open(Purpose::AccessToken, &user.cookies[AT]);
        let (long_ago, ended) = (now() - 1000, Ended::session(&session).to_text());
        redis(&test, &format!("ZADD {prefix}ended {long_ago} {ended}"));
        // Twice the polling interval.
        thread::sleep(Duration::from_secs(2));
        user
    };
    // A replica that has just started, or that Redis did not answer in time, reads everything: it hears without being
    // told. So this user may be one of several.
    let mut user = end_long_ago();
    eventually("the replica polls only recent entries", || {
        let is_unheard = !is_ended(&user);
        if !is_unheard {
            user = end_long_ago();
        }
        is_unheard
    });
    redis(&test, &format!("SET {prefix}ended-marker another"));
    eventually("the replica has heard", || is_ended(&user));
}

#[test]
fn a_session_that_is_ended_while_redis_is_away_is_over_at_the_other_when_redis_is_back() {
    let (test, _server) = two_replicas(with_redis_and_no_affinity);
    let user = UserAgent::signed_in(&test.system);
    let (first, (second, _)) = (test.system.bff_addr(), test.system.second_bff());
    test.system.kill(Component::Redis);
    let logout = send_plain(first, &user.bff_request("POST", "/bff/logout")).expect("a response");
    assert_eq!(logout.status, 200);
    assert!(is_logged_in(&user, second), "it cannot know");
    test.system
        .resume(Component::Redis)
        .unwrap_or_else(|error| panic!("{error}"));
    eventually("the other replica knows", || !is_logged_in(&user, second));
}
