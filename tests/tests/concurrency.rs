//! Many requests at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::base64url;
use bff_tests::echoing_api::EchoingApi;
use bff_tests::faulty_authorization_server::{Fault, FaultyAuthorizationServer, INTROSPECTION, TOKEN};
use bff_tests::http2;
use bff_tests::recording_api::RecordingApi;
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, add_second_user, eventually, filter_statistic, start, start_envoy, vm_statistics};
use bff_tests::user_agent::{AT, UserAgent};
use serde_json::json;

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
    server.set(INTROSPECTION, Fault::HeldBack);
    let leader = user.client.send_only("api", &user.api_request("GET")).expect("sent");
    eventually("the introspection is in progress", || {
        server.withheld(INTROSPECTION) == 1
    });
    thread::scope(|scope| {
        let followers: Vec<_> = (0..5).map(|_| scope.spawn(|| user.get_data().status)).collect();
        // The followers must be waiting, which cannot be seen from outside. So they get a head start. The test is also correct
        // for one that comes later.
        thread::sleep(Duration::from_millis(300));
        drop(leader);
        eventually("the callout is made again", || server.count(INTROSPECTION) == 2);
        server.set(INTROSPECTION, Fault::None);
        for follower in followers {
            assert_eq!(follower.join().expect("no panic"), 200);
        }
    });
    assert_eq!(user.get_data().status, 200);
    assert_eq!(server.count(INTROSPECTION), 2);
}

#[test]
fn clients_that_leave_at_any_stage_take_nobody_along() {
    let (test, server) = counted_system(1);
    let user = UserAgent::signed_in(&test.system);
    server.set(INTROSPECTION, Fault::Slow(Duration::from_millis(1500)));
    thread::scope(|scope| {
        let leader = scope.spawn(|| user.get_data().status);
        eventually("the introspection is in progress", || server.count(INTROSPECTION) == 1);
        for _ in 0..5 {
            // The first leaves while it waits, the second in the middle of its body, the third in the middle of its head.
            drop(user.client.send_only("api", &user.api_request("GET")).expect("sent"));
            let with_body = user.api_request("POST").json(&json!({"text": "x".repeat(100)}));
            drop(user.client.send_part("api", &with_body, 50).expect("sent"));
            drop(
                user.client
                    .send_part("api", &user.api_request("GET"), 50)
                    .expect("sent"),
            );
        }
        assert_eq!(leader.join().expect("no panic"), 200);
    });
    assert_eq!(user.get_data().status, 200);
    assert_eq!(server.count(INTROSPECTION), 1, "one introspection for all of them");
}

#[test]
fn parallel_refreshes_all_succeed_and_rotate_once() {
    let (test, server) = counted_system(2);
    let user = UserAgent::signed_in(&test.system);
    let before = server.count(TOKEN);
    let refreshed: Vec<(u16, UserAgent)> = thread::scope(|scope| {
        let refresh = || {
            let mut tab = user.clone();
            (tab.bff("POST", "/bff/refresh").status, tab)
        };
        let calls: Vec<_> = (0..20).map(|_| scope.spawn(refresh)).collect();
        calls.into_iter().map(|call| call.join().expect("no panic")).collect()
    });
    assert_eq!(server.count(TOKEN), before + 1, "one rotation");
    let seals = Seals::of(&test.system, "example");
    let token = |tab: &UserAgent| seals.open(Purpose::AccessToken, &tab.cookies[AT]).0;
    let (_, first) = &refreshed[0];
    assert_ne!(token(first), token(&user));
    for (status, tab) in &refreshed {
        assert_eq!(
            (*status, token(tab)),
            (204, token(first)),
            "the same new tokens for all"
        );
    }
    // A tab that sends the old tokens late gets the new ones as well, and the last of all tokens can be refreshed.
    assert_eq!(user.clone().bff("POST", "/bff/refresh").status, 204);
    assert_eq!(
        server.count(TOKEN),
        before + 1,
        "no second use of the old refresh token"
    );
    let (_, mut last) = refreshed.into_iter().next_back().expect("twenty");
    assert_eq!(last.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(last.get_data().status, 200);
}

#[test]
fn users_at_once_get_their_own_data() {
    let mut parts = None;
    let test = start(|options| {
        let (recording, api) = RecordingApi::start(options.ports.api);
        let (counting, server) = FaultyAuthorizationServer::start(options.ports.authorization_server);
        options.dial_api = Some(api);
        options.dial_authorization_server = Some(server);
        parts = Some((recording, counting));
    });
    let (api, server) = parts.expect("started");
    server.set(INTROSPECTION, Fault::Slow(Duration::from_millis(30)));
    add_second_user(&test.system);
    let mut users = ["demouser", "seconduser"].map(|name| UserAgent::signed_in_as(&test.system, name));
    for _ in 0..10 {
        thread::scope(|scope| {
            for user in &mut users {
                scope.spawn(|| {
                    // A new token, so that nothing is cached for it yet.
                    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
                    let request = user.api_request("GET").header("x-csrf-of", &user.csrf);
                    thread::scope(|scope| {
                        for _ in 0..4 {
                            scope.spawn(|| assert_eq!(user.send(&request).status, 200));
                        }
                    });
                });
            }
        });
    }
    let subjects = users.each_ref().map(|user| {
        let claims = user.clone().bff("GET", "/bff/claims").json();
        claims["sub"].as_str().expect("a subject").to_owned()
    });
    assert_ne!(subjects[0], subjects[1]);
    let heads = api.heads();
    assert_eq!(heads.len(), 80);
    for head in heads {
        let head = String::from_utf8(head).expect("text");
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        let index = users.iter().position(|user| user.csrf == value("x-csrf-of: "));
        let jwt = value("authorization: Bearer ");
        let payload = base64url::decode(jwt.split('.').nth(1).expect("a JWT").as_bytes()).expect("base64url");
        let claims: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!(claims["sub"], subjects[index.expect("one of the users")]);
    }
}

#[test]
fn connect_which_has_no_path_is_refused_before_and_during_a_callout_and_takes_nobody_along() {
    static MAY_RESPOND: AtomicBool = AtomicBool::new(false);
    let (server, server_address) = ScriptedIntrospection::start(|_, _| {
        while !MAY_RESPOND.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        Scripted::Active(json!({"sub": "user", "exp": 4_000_000_000_u64}))
    });
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |options| {
        options.filter_timeout_ms = 20_000
    });
    let at = Seals::of(&test.system, "example").seal(Purpose::AccessToken, "token", SessionId([1; 32]), 300);
    let cookie = format!("{AT}={at}");
    let cookie: [(&str, &[u8]); 1] = [("cookie", cookie.as_bytes())];
    let before = vm_statistics(&test.system);
    http2::with_connection(&test.system, async |mut connection| {
        let host = format!("api.{}:443", test.system.options().domain);
        let refused = async |connection: &mut http2::Connection| {
            for authority in [host.as_str(), "api.example.com:443", "127.0.0.1:80"] {
                let response = connection.connect_to(authority, &cookie).await;
                // Reset, or rejected with a status.
                assert!(
                    response.as_ref().map_or(true, |response| response.status >= 400),
                    "{response:?}"
                );
            }
        };
        refused(&mut connection).await;
        let (waiting, _) = connection
            .begin("GET", "/api/data", &cookie, None)
            .await
            .expect("begun");
        while server.count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        refused(&mut connection).await;
        MAY_RESPOND.store(true, Ordering::Relaxed);
        assert_eq!(http2::whole(waiting).await.expect("a response").status, 200);
        refused(&mut connection).await;
    });
    assert_eq!(vm_statistics(&test.system), before);
}

/// Whoever makes up a token can send it as often as he likes.
#[test]
fn thousands_of_requests_that_wait_for_one_introspection_are_all_answered_and_no_vm_fails() {
    const CONNECTIONS: usize = 20;
    const REQUESTS: usize = 100;
    static MAY_RESPOND: AtomicBool = AtomicBool::new(false);
    let (_server, address) = ScriptedIntrospection::start(|token, _| {
        while !MAY_RESPOND.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        match token {
            "active" => Scripted::Active(json!({"exp": 4_000_000_000_u64})),
            _ => Scripted::Inactive,
        }
    });
    let (_api, api) = EchoingApi::start();
    let test = start_envoy(address, api, |options| {
        options.envoy_concurrency = Some(1);
        options.filter_timeout_ms = 60_000;
    });
    for (token, status) in [("made-up", 401), ("active", 200)] {
        MAY_RESPOND.store(false, Ordering::Relaxed);
        let before = vm_statistics(&test.system);
        let waiting = || filter_statistic(&test.system, "introspections_joined");
        let joined = waiting();
        let authorization = format!("Bearer {token}");
        let headers: [(&str, &[u8]); 1] = [("authorization", authorization.as_bytes())];
        let limit = Duration::from_secs(120);
        http2::with_connections(&test.system, CONNECTIONS, limit, async |mut connections: Vec<_>| {
            let mut requests = Vec::new();
            for connection in &mut connections {
                for _ in 0..REQUESTS {
                    let (response, _) = connection
                        .begin("GET", "/default/data", &headers, None)
                        .await
                        .expect("begun");
                    requests.push(tokio::spawn(http2::whole(response)));
                }
            }
            let all_wait = u64::try_from(CONNECTIONS * REQUESTS - 1).expect("a number");
            while waiting() - joined < all_wait {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            MAY_RESPOND.store(true, Ordering::Relaxed);
            for request in requests {
                assert_eq!(request.await.expect("no panic").expect("a response").status, status);
            }
        });
        assert_eq!(vm_statistics(&test.system), before);
    }
}
