//! Token exchange (RFC 8693) through the real Envoy: each entry point gives its API a token of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::echoing_api::{EchoingApi, values};
use bff_tests::exchanging_server::{
    Asked, ExchangingServer, SUBJECT_AUDIENCE, correct, error, exchanged, success, with_body,
};
use bff_tests::http1::{Client, Request, Response};
use bff_tests::sealing::Seals;
use bff_tests::setup::{
    TestSystem, artifacts, change_settings, eventually, filter_statistic, rewrite_envoy, start_envoy,
};
use bff_tests::user_agent::AT;
use demo_system::Component;
use serde_json::{Value, json};

/// The entry points: the path, the filter's configuration, and the audience of the API.
const ENTRY_POINTS: [(&str, &str, &str); 2] = [
    ("/api/data", "bff_filter_web", "orders"),
    ("/default/data", "bff_filter_default", "billing"),
];

/// The part of Envoy's configuration with the filters.
const FILTERS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";

/// Envoy with a token exchange at two web entry points. `changes` are those of `phantom_token`; `null` removes a member.
fn envoy(
    changes: &Value,
    script: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (TestSystem, ExchangingServer) {
    let (server, address) = ExchangingServer::start(script);
    let (_, api) = EchoingApi::start();
    let test = start_envoy(address, api, |_| {});
    rewrite_envoy(&test.system, |configuration| {
        let filters = configuration.pointer_mut(FILTERS).and_then(Value::as_array_mut);
        let filters = filters.expect("filters");
        let mut cookies = Value::Null;
        for (_, name, audience) in ENTRY_POINTS {
            let filter = filters.iter_mut().find(|filter| filter["name"] == name).expect(name);
            change_settings(filter, |settings| {
                if settings["bff_token"].is_null() {
                    settings["bff_token"] = cookies.clone();
                }
                let mut exchange =
                    json!({"token_endpoint": "https://login.example.localhost/token", "audience": audience});
                if changes.get("introspection_endpoint").is_none() {
                    // Then bearer tokens are accepted, too.
                    settings["bff_token"]["allow_tokens"] = true.into();
                    exchange["subject_audience"] = SUBJECT_AUDIENCE.into();
                }
                cookies = settings["bff_token"].clone();
                let stage = settings["phantom_token"].as_object_mut().expect("the stage");
                stage.insert("token_exchange".to_owned(), exchange);
                stage.insert("required_audience".to_owned(), audience.into());
                stage.extend(changes.as_object().expect("members").clone());
                stage.retain(|_, value| !value.is_null());
            });
        }
    });
    (test, server)
}

const ALONE: &str = r#"{"introspection_endpoint": null}"#;
const AFTER_INTROSPECTION: &str = "{}";

fn modes() -> [Value; 2] {
    [ALONE, AFTER_INTROSPECTION].map(|mode| serde_json::from_str(mode).expect("JSON"))
}

/// A request of a page whose session has this access token.
fn of_session(test: &TestSystem, path: &str, token: &str) -> Request {
    let cookie = Seals::of(&test.system, "example").seal(Purpose::AccessToken, token, SessionId([1; 32]), 300);
    Request::new("GET", path).header("cookie", format!("{AT}={cookie}"))
}

fn with_bearer(path: &str, token: &str) -> Request {
    Request::new("GET", path).header("authorization", format!("Bearer {token}"))
}

fn send(test: &TestSystem, request: &Request) -> Response {
    Client::new(&test.system).send("api", request).expect("a response")
}

/// How often the server was asked, for each token and audience; introspection has no audience.
fn asked(server: &ExchangingServer) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for asked in server.asked() {
        *counts
            .entry((asked.token().to_owned(), asked.audience().to_owned()))
            .or_default() += 1;
    }
    counts
}

#[test]
fn each_api_gets_a_token_of_its_own_and_the_server_is_asked_once_for_each_token_and_audience() {
    for mode in modes() {
        let (test, server) = envoy(&mode, |asked| Some(correct(asked)));
        for token in ["one", "two"] {
            let check = || {
                for (path, _, audience) in ENTRY_POINTS {
                    let response = send(&test, &of_session(&test, path, token));
                    assert_eq!(response.status, 200, "{mode} {path}");
                    let expected = format!("Bearer {}", exchanged(token, audience));
                    assert_eq!(
                        values(&response.body, "authorization"),
                        [expected.into_bytes()],
                        "{path}"
                    );
                }
            };
            // In the native module, all workers share a flight. Proxy-wasm's workers share what the first has learned.
            if !artifacts().is_native() {
                check();
            }
            thread::scope(|scope| {
                for _ in 0..16 {
                    scope.spawn(|| (0..5).for_each(|_| check()));
                }
            });
        }
        let counts = asked(&server);
        for token in ["one", "two"] {
            for (_, _, audience) in ENTRY_POINTS {
                assert_eq!(
                    counts.get(&(token.to_owned(), audience.to_owned())),
                    Some(&1),
                    "{mode}: {counts:?}"
                );
            }
        }
        eventually("the exchanges are counted", || {
            filter_statistic(&test.system, "token_exchanges") == 4
        });
        assert_eq!(filter_statistic(&test.system, "token_exchange_failures"), 0);
    }
}

#[test]
fn what_one_entry_point_may_the_other_refuses() {
    for mode in modes() {
        let (test, _server) = envoy(&mode, |asked| {
            // The exchanged token of one API is no subject token for another, and "orders-only" is for one API alone.
            match (asked.is_exchange(), asked.token(), asked.audience()) {
                (true, "orders-only", "billing") => Some(error("400 Bad Request", "invalid_target")),
                (_, token, _) if token.contains('.') => Some(match asked.is_exchange() {
                    true => error("400 Bad Request", "invalid_request"),
                    false => with_body(&json!({"active": false})),
                }),
                _ => Some(correct(asked)),
            }
        });
        let [(orders, _, _), (billing, _, _)] = ENTRY_POINTS;
        assert_eq!(send(&test, &of_session(&test, orders, "orders-only")).status, 200);
        let refused = send(&test, &of_session(&test, billing, "orders-only"));
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{mode}");
        // What an API has received, sent to any entry point. Without introspection these accept no bearer tokens.
        for (_, _, audience) in ENTRY_POINTS {
            let stolen = exchanged("one", audience);
            for path in [orders, billing] {
                assert_eq!(
                    send(&test, &with_bearer(path, &stolen)).status,
                    401,
                    "{mode} {audience} at {path}"
                );
            }
        }
    }
}

/// What the server does to the exchange of the token with this name, and the status that follows.
const FAULTS: [(&str, u16); 13] = [
    ("grant", 401),
    ("scope", 403),
    ("denied", 403),
    ("client", 502),
    ("grant-type", 502),
    ("overloaded", 502),
    ("reset", 502),
    ("html", 502),
    ("empty", 502),
    ("same-as-id-token", 502),
    ("long", 502),
    ("other-audience", 403),
    ("slow", 504),
];

fn fault(asked: &Asked) -> Option<Vec<u8>> {
    if !asked.is_exchange() {
        return Some(correct(asked));
    }
    Some(match asked.token() {
        "grant" => error("400 Bad Request", "invalid_grant"),
        "scope" => error("400 Bad Request", "invalid_scope"),
        "denied" => error("403 Forbidden", "access_denied"),
        "client" => error("401 Unauthorized", "invalid_client"),
        "grant-type" => error("400 Bad Request", "unsupported_grant_type"),
        "overloaded" => error("503 Service Unavailable", "temporarily_unavailable"),
        "reset" => return None,
        "html" => b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>".to_vec(),
        "empty" => with_body(&json!({})),
        "same-as-id-token" => {
            let mut members = success(&exchanged("id", "spa"));
            members["issued_token_type"] = "urn:ietf:params:oauth:token-type:id_token".into();
            with_body(&members)
        }
        "long" => with_body(&success(&"t".repeat(70_000))),
        "other-audience" => with_body(&success(&exchanged("one", "payroll"))),
        "slow" => {
            thread::sleep(Duration::from_secs(3));
            correct(asked)
        }
        _ => correct(asked),
    })
}

#[test]
fn a_fault_of_the_exchange_is_told_as_what_it_is_and_the_next_user_is_served() {
    for mode in modes() {
        let mut changes = mode.clone();
        changes["timeout_ms"] = 1000.into();
        let (test, _server) = envoy(&changes, fault);
        let (path, _, _) = ENTRY_POINTS[0];
        for (token, status) in FAULTS {
            assert_eq!(
                send(&test, &of_session(&test, path, token)).status,
                status,
                "{mode} {token}"
            );
            assert_eq!(
                send(&test, &of_session(&test, path, "fine")).status,
                200,
                "{mode} after {token}"
            );
        }
        let failures = FAULTS.iter().filter(|(_, status)| *status > 500).count();
        eventually("the failures are counted", || {
            filter_statistic(&test.system, "token_exchange_failures") == u64::try_from(failures).expect("few")
        });
        let log = std::fs::read_to_string(test.system.log(Component::Envoy)).expect("Envoy's log");
        assert!(
            log.contains("token exchange failed: HTTP 401"),
            "the log does not say what happened"
        );
        for secret in [
            exchanged("fine", "orders"),
            exchanged("one", "payroll"),
            exchanged("id", "spa"),
            "t".repeat(100),
        ] {
            assert!(!log.contains(&secret), "a token in the log");
        }
    }
}

#[test]
fn when_the_client_that_began_leaves_during_the_exchange_the_others_are_answered() {
    // The first exchange ends when everybody has been answered, the others when the leader has left: an earlier answer of the
    // other worker could be shared, and nobody would wait for the leader.
    let (release, released) = mpsc::channel::<()>();
    let first = Arc::new(Mutex::new(Some(released)));
    let leader_left = Arc::new(RwLock::new(()));
    let (taken, held) = (Arc::clone(&first), Arc::clone(&leader_left));
    let (test, server) = envoy(&json!({"timeout_ms": 30_000}), move |asked| {
        if asked.is_exchange() {
            let first = taken.lock().expect("no panic").take();
            match first {
                // An error: everybody has left.
                Some(released) => drop(released.recv()),
                None => drop(held.read()),
            }
        }
        Some(correct(asked))
    });
    let (path, _, audience) = ENTRY_POINTS[0];
    let request = of_session(&test, path, "shared");
    let client = Client::new(&test.system);
    let leader = client.send_only("api", &request).expect("sent");
    let exchanges = || server.asked().iter().filter(|asked| asked.is_exchange()).count();
    let leader_is_here = leader_left.write().expect("no panic");
    eventually("the exchange has begun", || first.lock().expect("no panic").is_none());
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..16).map(|_| scope.spawn(|| send(&test, &request))).collect();
        // Of two workers of the proxy-wasm module, the other one has a flight of its own, which one of the requests leads.
        let all = if artifacts().is_native() { 16 } else { 15 };
        eventually("all wait", || {
            filter_statistic(&test.system, "introspections_joined") >= all
        });
        drop((leader, leader_is_here));
        for response in waiting {
            let response = response.join().expect("no panic");
            let expected = format!("Bearer {}", exchanged("shared", audience));
            assert_eq!(values(&response.body, "authorization"), [expected.into_bytes()]);
        }
    });
    drop(release);
    assert_eq!(send(&test, &request).status, 200);
    if artifacts().is_native() {
        let introspections = server.asked().len() - exchanges();
        assert_eq!(
            (introspections, exchanges()),
            (1, 2),
            "whoever took over exchanged, and did not introspect again"
        );
    }
}
