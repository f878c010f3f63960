//! The configuration changes while requests arrive.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_tests::dynamic_listeners::DynamicListeners;
use bff_tests::echoing_api::EchoingApi;
use bff_tests::http1::{Client, Request};
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::sealing::Seals;
use bff_tests::setup::{eventually, start_envoy, statistic};
use bff_tests::user_agent::AT;
use demo_system::Component;
use serde_json::json;

const CHANGES: usize = 12;

#[test]
fn the_configuration_changes_under_load_and_no_request_is_lost_or_let_by() {
    let (_server, server_address) = ScriptedIntrospection::start(|token, _| {
        Scripted::Active(json!({"sub": token, "scope": "data", "exp": 4_000_000_000_u64}))
    });
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |_| {});
    let system = &test.system;
    let mut listeners = DynamicListeners::of(system);
    let origin = system.www();
    let seals = Seals::of(system, "example");
    let is_over = AtomicBool::new(false);
    let (forwarded, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let get = |cookie: &str| {
        let request = Request::new("GET", "/api/data")
            .header("origin", &origin)
            .header("cookie", cookie);
        Client::new(system).send("api", &request).expect("a response").status
    };
    let cookie = |token: &str| {
        let sealed = seals.seal(Purpose::AccessToken, token, SessionId([1; 32]), 300);
        format!("{AT}={sealed}")
    };
    let entries = "\"token_cache_entries\": 10000";
    thread::scope(|scope| {
        for client in 0..4 {
            let (get, cookie, is_over, forwarded, refused) = (&get, &cookie, &is_over, &forwarded, &refused);
            scope.spawn(move || {
                for round in 0.. {
                    // New tokens and cached ones in turn.
                    assert_eq!(get(&cookie(&format!("token-{client}-{}", round / 3))), 200);
                    forwarded.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(get(&format!("{AT}=nothing-of-ours")), 401);
                    refused.fetch_add(1, Ordering::Relaxed);
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for change in 0..CHANGES {
            let before = forwarded.load(Ordering::Relaxed);
            let is_accepted = listeners.change(entries, &format!("\"token_cache_entries\": {}", 5000 + change));
            assert!(is_accepted || thread::panicking(), "change {change}");
            eventually("requests continue", || {
                forwarded.load(Ordering::Relaxed) >= before + 20 || is_over.load(Ordering::Relaxed)
            });
        }
        // Envoy rejects an invalid configuration, and the previous one stays in force.
        assert!(!listeners.change(entries, "\"token_cache_entries\": \"many\""));
        let before = forwarded.load(Ordering::Relaxed);
        eventually("requests continue", || forwarded.load(Ordering::Relaxed) >= before + 20);
        is_over.store(true, Ordering::Relaxed);
    });
    let log = std::fs::read_to_string(system.log(Component::Envoy)).expect("Envoy's log");
    assert!(
        log.contains("phantom_token.token_cache_entries"),
        "the log names the field"
    );
    assert!(forwarded.into_inner() > CHANGES * 20 && refused.into_inner() > CHANGES * 20);
    // An accepted configuration applies at once, even to cookies that the previous one has opened.
    let known = cookie("known");
    assert_eq!(get(&known), 200);
    assert!(listeners.change(entries, &format!("{entries}, \"required_scopes\": [\"other\"]")));
    eventually("the new scope is required", || get(&known) == 403);
    assert!(listeners.change(entries, entries));
    eventually("and no longer", || get(&known) == 200);
    assert_eq!(statistic(system, "listener_manager.total_listeners_warming"), 0);
}
