//! Two replicas of the service, an authorization server that rotates refresh tokens and ends the session when one is used
//! twice, and browsers whose tabs all refresh at once.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_tests::faulty_authorization_server::{Fault, FaultyAuthorizationServer, TOKEN};
use bff_tests::http1::{Response, send_plain};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually};
use bff_tests::two_replicas::{metric, redis, two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::{Component, Options};

const ROUNDS: usize = 20;
const TABS: usize = 50;

fn set(options: &mut Options, component: Component, variable: &str, value: &str) {
    options
        .environment
        .push((component, variable.to_owned(), value.to_owned()));
}

/// All tabs of a browser refresh at once, with the same cookies. The browser keeps the cookies of the last response.
fn refresh_at_once(user: &mut UserAgent, times: usize) -> Vec<Response> {
    let request = user.bff_request("POST", "/bff/refresh");
    let responses: Vec<Response> = thread::scope(|scope| {
        let request = &request;
        let user = &*user;
        let calls: Vec<_> = (0..times).map(|_| scope.spawn(move || user.send(request))).collect();
        calls.into_iter().map(|call| call.join().expect("no panic")).collect()
    });
    for response in &responses {
        user.replace_cookies(response);
    }
    responses
}

fn statuses(responses: &[Response]) -> BTreeSet<u16> {
    responses.iter().map(|response| response.status).collect()
}

/// The access tokens of the responses.
fn access_tokens(test: &TestSystem, responses: &[Response]) -> BTreeSet<String> {
    let seals = Seals::of(&test.system, "example");
    let cookie = |response: &Response| {
        let lines = response.all("set-cookie");
        let line = lines.iter().find_map(|line| line.strip_prefix(&format!("{AT}=")))?;
        line.split(';').next().map(str::to_owned)
    };
    let sealed = responses.iter().filter_map(cookie);
    sealed.map(|value| seals.open(Purpose::AccessToken, &value).0).collect()
}

fn refreshes_of(test: &TestSystem) -> [u64; 2] {
    let (_, second_admin) = test.system.second_bff();
    [test.system.bff_admin(), second_admin]
        .map(|admin| metric(admin, "bff_requests_total{endpoint=\"refresh\",outcome=\"ok\"}"))
}

/// 50 refreshes at once, 20 times, each time with the cookies of the previous round.
fn every_refresh_succeeds_and_the_server_sees_one_each_time(test: &TestSystem, server: &FaultyAuthorizationServer) {
    let mut user = UserAgent::signed_in(&test.system);
    let before = server.count(TOKEN);
    let mut answered = 0;
    for round in 1..=ROUNDS {
        let responses = refresh_at_once(&mut user, TABS);
        assert_eq!(statuses(&responses), BTreeSet::from([204]), "round {round}");
        assert_eq!(
            access_tokens(test, &responses).len(),
            1,
            "round {round}: all get the same tokens"
        );
        assert_eq!(server.count(TOKEN) - before, round, "one rotation a round");
        answered += responses.len();
    }
    assert_eq!(answered, ROUNDS * TABS);
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn with_redis_1000_refreshes_over_two_replicas_are_20_rotations_and_nobody_is_logged_out() {
    let (test, server) = two_replicas(with_redis_and_no_affinity);
    every_refresh_succeeds_and_the_server_sees_one_each_time(&test, &server);
    assert!(
        refreshes_of(&test).iter().all(|count| *count > 100),
        "both replicas had their part"
    );
}

#[test]
fn with_consistent_hashing_1000_refreshes_over_two_replicas_are_20_rotations_without_redis() {
    let (test, server) = two_replicas(|_| {});
    every_refresh_succeeds_and_the_server_sees_one_each_time(&test, &server);
    let [one, other] = refreshes_of(&test);
    assert_eq!(one.min(other), 0, "a session stays with its replica");
    // Not all sessions go to the same replica.
    let spread = || {
        (0..20).any(|_| {
            let mut user = UserAgent::signed_in(&test.system);
            refresh_at_once(&mut user, 1);
            refreshes_of(&test).iter().all(|count| *count > 0)
        })
    };
    assert!(spread(), "20 sessions went to one replica");
}

#[test]
fn when_redis_is_killed_in_the_middle_nobody_is_logged_out() {
    let (test, server) = two_replicas(|options| {
        with_redis_and_no_affinity(options);
        // How long a replica waits for another one's exchange: the sum of these.
        options.bff_request_timeout_ms = 4000;
        for replica in [Component::Bff, Component::SecondBff] {
            set(options, replica, "BFF_SESSION__REFRESH_REPLAY_SECONDS", "1");
            set(options, replica, "BFF_AUTHORIZATION_SERVER__EXCHANGE_SECONDS", "4");
        }
    });
    let mut user = UserAgent::signed_in(&test.system);
    refresh_at_once(&mut user, TABS);
    // The response comes after Redis was killed, so that it is down while callers wait for the outcome.
    server.set(TOKEN, Fault::HeldBack);
    let before = server.count(TOKEN);
    let responses = thread::scope(|scope| {
        let waiting = scope.spawn(|| refresh_at_once(&mut user, TABS));
        eventually("the refresh token has been used", || server.withheld(TOKEN) == 1);
        test.system.kill(Component::Redis);
        server.set(TOKEN, Fault::None);
        waiting.join().expect("no panic")
    });
    let temporary = BTreeSet::from([204, 503]);
    assert!(statuses(&responses).is_subset(&temporary), "{:?}", statuses(&responses));
    assert!(statuses(&responses).contains(&204), "the replica that leads answers");
    assert_eq!(
        server.count(TOKEN) - before,
        1,
        "nobody used the refresh token a second time"
    );
    assert_eq!(user.get_data().status, 200);

    // Without Redis, the replica that received the refresh token refreshes again as soon as that is safe, and the other one
    // does not.
    let mut rounds = 0;
    eventually("refreshes succeed without Redis", || {
        let before = server.count(TOKEN);
        let responses = refresh_at_once(&mut user, TABS);
        assert!(statuses(&responses).is_subset(&temporary), "{:?}", statuses(&responses));
        assert!(
            server.count(TOKEN) - before <= 1,
            "nobody used a refresh token a second time"
        );
        rounds += usize::from(statuses(&responses).contains(&204));
        rounds == 5
    });
    assert_eq!(user.get_data().status, 200);
    let (_, second_admin) = test.system.second_bff();
    let without =
        [test.system.bff_admin(), second_admin].map(|admin| metric(admin, "bff_refreshes_without_redis_total"));
    assert!(without.iter().sum::<u64>() > 0, "the metrics say so");

    // The replica that did not receive the refresh token says what the reason is, and that it is not the authorization server.
    let replicas = [test.system.bff_addr(), test.system.second_bff().0];
    let failures = || {
        [test.system.bff_admin(), second_admin].map(|admin| metric(admin, "bff_authorization_server_failures_total"))
    };
    let before = failures();
    let request = user.bff_request("POST", "/bff/refresh");
    let responses = replicas.map(|replica| send_plain(replica, &request).expect("a response"));
    let refused = responses
        .iter()
        .find(|response| response.status == 503)
        .expect("one that refuses");
    assert_eq!(refused.code(), "refresh_unavailable");
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(failures(), before);
    for admin in [test.system.bff_admin(), second_admin] {
        let (status, text) = demo_system::get(admin, "/readyz").expect("a response");
        assert!(
            status == 200 && text.starts_with("ready, but Redis is unavailable"),
            "{status} {text}"
        );
        assert_eq!(metric(admin, "bff_redis_unavailable"), 1);
    }
    if let Some(response) = responses.iter().find(|response| response.status == 204) {
        user.replace_cookies(response);
    }

    // When Redis is back, everything works as before.
    test.system
        .resume(Component::Redis)
        .unwrap_or_else(|error| panic!("{error}"));
    eventually("every refresh succeeds again", || {
        statuses(&refresh_at_once(&mut user, TABS)) == BTreeSet::from([204])
    });
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn with_redis_killed_and_consistent_hashing_every_refresh_goes_on() {
    let (test, server) = two_replicas(|options| {
        options.without.retain(|component| *component != Component::Redis);
    });
    let mut user = UserAgent::signed_in(&test.system);
    refresh_at_once(&mut user, TABS);
    test.system.kill(Component::Redis);
    for round in 1..=5 {
        let before = server.count(TOKEN);
        assert_eq!(
            statuses(&refresh_at_once(&mut user, TABS)),
            BTreeSet::from([204]),
            "round {round}"
        );
        assert_eq!(server.count(TOKEN) - before, 1, "round {round}");
    }
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn a_replica_that_is_killed_while_it_refreshes_costs_no_session_where_the_server_has_a_grace_period() {
    let (test, server) = two_replicas(|options| {
        with_redis_and_no_affinity(options);
        let grace = ("REFRESH_GRACE_SECONDS".to_owned(), "30".to_owned());
        options
            .environment
            .push((Component::AuthorizationServer, grace.0, grace.1));
    });
    let mut user = UserAgent::signed_in(&test.system);
    // The response is lost: its replica is killed while it waits for it.
    server.set(TOKEN, Fault::Withheld);
    let before = server.count(TOKEN);
    let (first, _) = (test.system.bff_addr(), test.system.second_bff());
    let request = user.bff_request("POST", "/bff/refresh");
    thread::scope(|scope| {
        let lost = scope.spawn(|| send_plain(first, &request));
        eventually("the refresh token has been used", || server.withheld(TOKEN) == 1);
        test.system.kill(Component::Bff);
        assert!(lost.join().expect("no panic").is_err(), "the connection broke");
    });
    server.set(TOKEN, Fault::None);
    // The other replica waits until the lock of the dead one expires, and then uses the same refresh token.
    let response = send_plain(test.system.second_bff().0, &request).expect("a response");
    assert_eq!(response.status, 204, "{}", String::from_utf8_lossy(&response.body));
    user.replace_cookies(&response);
    assert_eq!(server.count(TOKEN) - before, 2);
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn a_replica_that_is_killed_while_it_refreshes_says_what_it_could_not_save_where_the_server_has_no_grace_period() {
    let (test, server) = two_replicas(with_redis_and_no_affinity);
    let user = UserAgent::signed_in(&test.system);
    server.set(TOKEN, Fault::Withheld);
    let first = test.system.bff_addr();
    let request = user.bff_request("POST", "/bff/refresh");
    thread::scope(|scope| {
        let lost = scope.spawn(|| send_plain(first, &request));
        eventually("the refresh token has been used", || server.withheld(TOKEN) == 1);
        test.system.kill(Component::Bff);
        assert!(lost.join().expect("no panic").is_err(), "the connection broke");
    });
    server.set(TOKEN, Fault::None);
    let response = send_plain(test.system.second_bff().0, &request).expect("a response");
    assert_eq!((response.status, response.code().as_str()), (401, "session_expired"));
    let log = std::fs::read_to_string(test.system.log(Component::SecondBff)).expect("the log");
    assert!(
        log.contains("another replica began a token request with this refresh token or code and did not complete it"),
        "{log}"
    );
}

#[test]
fn a_replica_that_is_told_to_end_waits_for_a_late_refresh_whose_outcome_is_there_at_the_other() {
    let (test, server) = two_replicas(|options| {
        with_redis_and_no_affinity(options);
        options.bff_request_timeout_ms = 2000;
    });
    let mut user = UserAgent::signed_in(&test.system);
    server.set(TOKEN, Fault::HeldBack);
    let before = server.count(TOKEN);
    let (first, (second, _)) = (test.system.bff_addr(), test.system.second_bff());
    let request = user.bff_request("POST", "/bff/refresh");
    let late = send_plain(first, &request).expect("a response");
    assert_eq!((late.status, late.code().as_str()), (502, "authorization_server_error"));
    // The other replica defers meanwhile: the lock lives as long as the refresh.
    let other = send_plain(second, &request).expect("a response");
    assert_eq!(
        (other.status, other.code().as_str()),
        (502, "authorization_server_error")
    );
    thread::scope(|scope| {
        let stopping = scope.spawn(|| test.system.stop(Component::Bff));
        eventually("the first replica takes no connection any more", || {
            TcpStream::connect(first).is_err()
        });
        assert!(!stopping.is_finished(), "it waits for the response");
        server.set(TOKEN, Fault::None);
    });
    let response = send_plain(second, &request).expect("a response");
    assert_eq!(response.status, 204, "{}", String::from_utf8_lossy(&response.body));
    assert_eq!(
        server.count(TOKEN) - before,
        1,
        "nobody used the refresh token a second time"
    );
    user.replace_cookies(&response);
    let response = send_plain(second, &user.bff_request("POST", "/bff/refresh")).expect("a response");
    assert_eq!(response.status, 204, "the session continues");
}

/// The longest time for which Redis still stores an outcome, in milliseconds.
fn longest_outcome(test: &TestSystem) -> i64 {
    let keys = redis(test, "KEYS *:refreshed:*");
    let keys = keys.lines().filter(|line| line.contains(":refreshed:"));
    let left = keys.map(|key| {
        let response = redis(test, &format!("PTTL {key}"));
        response.trim_start_matches(':').trim().parse().expect("a number")
    });
    left.max().unwrap_or(0)
}

#[test]
fn an_outcome_that_nobody_waited_for_is_for_its_first_caller_at_any_replica_and_then_for_the_replay_window_at_all() {
    const REPLAY_SECONDS: u64 = 2;
    let (test, server) = two_replicas(|options| {
        with_redis_and_no_affinity(options);
        options.bff_request_timeout_ms = 2000;
        for replica in [Component::Bff, Component::SecondBff] {
            let seconds = REPLAY_SECONDS.to_string();
            set(options, replica, "BFF_SESSION__REFRESH_REPLAY_SECONDS", &seconds);
        }
    });
    let replicas = [test.system.bff_addr(), test.system.second_bff().0];
    for delivered_at in replicas {
        let user = UserAgent::signed_in(&test.system);
        let refresh = user.bff_request("POST", "/bff/refresh");
        let exchange = |replica| send_plain(replica, &refresh).expect("a response");
        server.set(TOKEN, Fault::HeldBack);
        assert_eq!(exchange(replicas[0]).code(), "authorization_server_error");
        server.set(TOKEN, Fault::None);
        eventually("the outcome waits", || longest_outcome(&test) > 60_000);
        assert_eq!(exchange(delivered_at).status, 204);
        let left = longest_outcome(&test);
        assert!(
            left <= 1000 * i64::try_from(REPLAY_SECONDS).expect("small"),
            "{left} ms"
        );
        thread::sleep(Duration::from_secs(REPLAY_SECONDS) + Duration::from_millis(500));
        for replica in replicas {
            assert_eq!(exchange(replica).status, 401, "the refresh token was used up");
        }
    }
}

#[test]
fn a_callback_that_comes_to_two_replicas_at_once_is_one_exchange_and_one_session() {
    let (test, server) = two_replicas(with_redis_and_no_affinity);
    let mut user = UserAgent::new(&test.system);
    let page_url = user.go_through_login();
    let request = user
        .bff_request("POST", "/bff/login/end")
        .json(&serde_json::json!({ "pageUrl": page_url }));
    server.set(TOKEN, Fault::SlowResponse(Duration::from_millis(500)));
    let before = server.count(TOKEN);
    let replicas = [test.system.bff_addr(), test.system.second_bff().0];
    let responses: Vec<Response> = thread::scope(|scope| {
        let request = &request;
        let calls = replicas.map(|replica| scope.spawn(move || send_plain(replica, request).expect("a response")));
        calls.into_iter().map(|call| call.join().expect("no panic")).collect()
    });
    assert_eq!(statuses(&responses), BTreeSet::from([200]));
    assert_eq!(access_tokens(&test, &responses).len(), 1);
    let csrf = |response: &Response| response.json()["csrf"].as_str().map(str::to_owned);
    assert_eq!(csrf(&responses[0]), csrf(&responses[1]));
    assert_eq!(server.count(TOKEN) - before, 1);
}
