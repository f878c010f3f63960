//! Faults of the authorization server: clients receive the contract's errors, in time. No user is signed out, and no restart
//! is needed.

use std::thread;
use std::time::Duration;

use bff_tests::faulty_authorization_server::{Fault, FaultyAuthorizationServer, INTROSPECTION, REVOCATION, TOKEN};
use bff_tests::http1::Response;
use bff_tests::setup::{TestSystem, eventually, start, vm_statistics};
use bff_tests::user_agent::UserAgent;
use demo_system::{Component, Options};

/// Every fault that makes a response unusable at once.
const BROKEN: [Fault; 7] = [
    Fault::Down,
    Fault::CutHead,
    Fault::CutBody,
    Fault::ResetBody,
    Fault::Html,
    Fault::NonsenseJson,
    Fault::ServerError,
];

/// Further faults of a response to introspection.
const UNUSABLE: [Fault; 4] = [Fault::Huge, Fault::HugeInChunks, Fault::Redirect, Fault::Compressed];

fn faulty_system() -> (TestSystem, FaultyAuthorizationServer) {
    faulty_system_with(2, |_| {})
}

fn faulty_system_with(workers: u32, change: impl FnOnce(&mut Options)) -> (TestSystem, FaultyAuthorizationServer) {
    let mut faulty = None;
    let test = start(|options| {
        let (server, address) = FaultyAuthorizationServer::start(options.ports.authorization_server);
        options.dial_authorization_server = Some(address);
        options.envoy_concurrency = Some(workers);
        options.bff_request_timeout_ms = 5000;
        change(options);
        faulty = Some(server);
    });
    (test, faulty.expect("started"))
}

fn assert_unavailable(response: &Response, status: u16, what: &str) {
    assert_eq!(
        (response.status, response.code().as_str()),
        (status, "authorization_server_error"),
        "{what}"
    );
    assert!(response.all("set-cookie").is_empty(), "{what}: cookies are untouched");
}

/// The service's status for a fault of the token endpoint. Envoy is between the two, and responds with HTTP 503 for a
/// server that does not respond: the same request may succeed later. An invalid response is a fault.
fn status_of(fault: Fault) -> u16 {
    match fault {
        Fault::Down => 503,
        _ => 502,
    }
}

#[test]
fn introspection_that_fails_is_502_and_not_remembered() {
    let (test, faulty) = faulty_system();
    let user = UserAgent::signed_in(&test.system);
    for fault in BROKEN {
        faulty.set(INTROSPECTION, fault);
        let response = user.get_data();
        assert_unavailable(&response, 502, &format!("{fault:?}"));
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some(user.origin.as_str()),
            "{fault:?}"
        );
    }
    faulty.set(INTROSPECTION, Fault::None);
    assert_eq!(user.get_data().status, 200, "it is back");
    // Cached introspection responses need no authorization server.
    faulty.set(INTROSPECTION, Fault::Down);
    for _ in 0..3 {
        // Each of Envoy's workers has a cache of its own: a miss is HTTP 502, a hit is HTTP 200, and no other status occurs.
        assert!([200, 502].contains(&user.get_data().status));
    }
}

#[test]
fn introspection_that_takes_too_long_is_504_and_not_remembered() {
    let (test, faulty) = faulty_system_with(2, |options| options.filter_timeout_ms = 1000);
    let user = UserAgent::signed_in(&test.system);
    for fault in [Fault::Silent, Fault::HeldBack] {
        faulty.set(INTROSPECTION, fault);
        assert_unavailable(&user.get_data(), 504, &format!("{fault:?}"));
    }
    faulty.set(INTROSPECTION, Fault::None);
    eventually("it is back", || user.get_data().status == 200);
}

#[test]
fn every_kind_of_answer_is_understood_or_refused_with_one_two_and_four_workers() {
    for workers in [1, 2, 4] {
        let (test, faulty) = faulty_system_with(workers, |_| {});
        let vms = || vm_statistics(&test.system);
        let mut user = UserAgent::signed_in(&test.system);
        let before = vms();
        for fault in BROKEN.into_iter().chain(UNUSABLE) {
            faulty.set(INTROSPECTION, fault);
            let responses = thread::scope(|scope| {
                let requests: Vec<_> = (0..8).map(|_| scope.spawn(|| user.get_data())).collect();
                requests
                    .into_iter()
                    .map(|request| request.join().expect("no panic"))
                    .collect::<Vec<_>>()
            });
            for response in responses {
                assert_unavailable(&response, 502, &format!("{fault:?} with {workers} workers"));
            }
        }
        for fault in [
            Fault::Chunks,
            Fault::NoLength,
            Fault::SlowResponse(Duration::from_millis(300)),
        ] {
            // A new token, for which nothing is cached yet.
            assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
            faulty.set(INTROSPECTION, fault);
            assert_eq!(user.get_data().status, 200, "{fault:?} with {workers} workers");
        }
        assert_eq!(vms(), before, "no VM failed");
    }
}

#[test]
fn a_login_that_cannot_be_finished_is_502_and_can_be_finished_later() {
    let (test, faulty) = faulty_system();
    for fault in BROKEN.into_iter().chain([Fault::Silent]) {
        let mut user = UserAgent::new(&test.system);
        let page_url = user.go_through_login();
        faulty.set(TOKEN, fault);
        let before = user.cookies.clone();
        assert_unavailable(&user.end_login(&page_url), status_of(fault), &format!("{fault:?}"));
        assert_eq!(user.cookies, before, "{fault:?}");
        faulty.set(TOKEN, Fault::None);
        let mut again = UserAgent::new(&test.system);
        let page_url = again.go_through_login();
        assert_eq!(again.end_login(&page_url).status, 200, "after {fault:?}");
    }
}

#[test]
fn a_refresh_that_fails_is_502_and_logs_nobody_out() {
    let (test, faulty) = faulty_system();
    let mut user = UserAgent::signed_in(&test.system);
    // Faults before the server has done its work: work that it did and then failed to report cannot be undone.
    for fault in [Fault::Down, Fault::Html, Fault::NonsenseJson, Fault::ServerError] {
        faulty.set(TOKEN, fault);
        assert_unavailable(
            &user.bff("POST", "/bff/refresh"),
            status_of(fault),
            &format!("{fault:?}"),
        );
        assert_eq!(user.get_data().status, 200, "the session continues after {fault:?}");
    }
    faulty.set(TOKEN, Fault::None);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn a_refresh_that_is_never_answered_is_502_and_can_be_made_again_when_it_is_given_up() {
    let (test, faulty) = faulty_system_with(2, |options| {
        let seconds = ("BFF_AUTHORIZATION_SERVER__EXCHANGE_SECONDS".to_owned(), "8".to_owned());
        options.environment.push((Component::Bff, seconds.0, seconds.1));
    });
    let mut user = UserAgent::signed_in(&test.system);
    faulty.set(TOKEN, Fault::Silent);
    assert_unavailable(&user.bff("POST", "/bff/refresh"), 502, "timed out after");
    faulty.set(TOKEN, Fault::None);
    // Until then the server may have used the refresh token.
    eventually("the exchange is given up", || {
        user.bff("POST", "/bff/refresh").status == 204
    });
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn a_refresh_whose_answer_breaks_off_is_502_and_touches_no_cookie() {
    let (test, faulty) = faulty_system();
    for fault in [Fault::CutHead, Fault::CutBody, Fault::ResetBody] {
        let mut user = UserAgent::signed_in(&test.system);
        assert_eq!(user.get_data().status, 200);
        faulty.set(TOKEN, fault);
        assert_unavailable(
            &user.bff("POST", "/bff/refresh"),
            status_of(fault),
            &format!("{fault:?}"),
        );
        faulty.set(TOKEN, Fault::None);
        // The server has rotated the token, and its response is lost: the next refresh is a second use for it, after which it
        // ends the session (RFC 9700, section 4.14.2). The page receives that, and the user can sign in again.
        let response = user.bff("POST", "/bff/refresh");
        assert_eq!(
            (response.status, response.code().as_str()),
            (401, "session_expired"),
            "{fault:?}"
        );
        assert_eq!(
            UserAgent::signed_in(&test.system).bff("POST", "/bff/refresh").status,
            204,
            "after {fault:?}"
        );
    }
}

#[test]
fn everything_goes_on_when_the_server_comes_back() {
    let test = start(|_| {});
    let mut user = UserAgent::signed_in(&test.system);
    let mut leaving = UserAgent::signed_in(&test.system);
    test.system.stop(Component::AuthorizationServer);
    assert_unavailable(&user.bff("POST", "/bff/refresh"), 503, "stopped");
    assert_unavailable(&user.get_data(), 502, "stopped, and the token not yet introspected");
    assert_unavailable(
        &user.send(&user.api_request("POST")),
        502,
        "stopped, with an unsafe method",
    );
    assert_eq!(
        user.bff("GET", "/bff/userInfo").status,
        200,
        "what needs no authorization server works without it"
    );
    let logout = leaving.bff("POST", "/bff/logout");
    assert_eq!(logout.status, 200, "signing out here works without it");
    test.system
        .resume(Component::AuthorizationServer)
        .expect("the authorization server starts again");
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(UserAgent::signed_in(&test.system).get_data().status, 200);
}

#[test]
fn the_service_starts_without_the_authorization_server_and_is_ready_when_it_comes() {
    let test = start(|_| {});
    test.system.stop(Component::Bff);
    test.system.stop(Component::AuthorizationServer);
    let bff = std::thread::scope(|scope| {
        // Resuming waits for readiness, which needs the authorization server.
        let resumed = scope.spawn(|| test.system.resume(Component::Bff));
        let mut user = UserAgent::new(&test.system);
        eventually("the service answers", || {
            let response = user.clone().bff("POST", "/bff/login/start");
            response.code() == "authorization_server_error" && response.header("cache-control") == Some("no-store")
        });
        assert_unavailable(&user.bff("POST", "/bff/login/start"), 502, "no metadata yet");
        test.system
            .resume(Component::AuthorizationServer)
            .expect("the authorization server starts");
        resumed.join().expect("no panic")
    });
    bff.expect("the service is ready");
    assert_eq!(UserAgent::signed_in(&test.system).get_data().status, 200);
}

#[test]
fn a_service_that_is_told_to_end_just_after_a_logout_revokes_both_tokens_first() {
    let (test, server) = faulty_system();
    let mut user = UserAgent::signed_in(&test.system);
    server.set(REVOCATION, Fault::SlowResponse(Duration::from_millis(500)));
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
    test.system.stop(Component::Bff);
    assert_eq!(
        server.count(REVOCATION),
        2,
        "the second after the response to the first"
    );
}
