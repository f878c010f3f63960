//! The module in a simulated Envoy: the orders of events that break modules. Each test ends with an exit that finds nothing of
//! the module left.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a test that panics has failed, which is what it is for"
)]

mod configurations;
mod ended_sessions;
mod leaders;
mod panics;
mod requests;
mod telemetry;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::abi::simulation::{
    Callout, CalloutPlan, Envoy, FinishedSpan, Gate, Head, Outcome, Plan, Upstream, Version, When,
};

/// A configuration with a token stage of its own: tests run beside each other in one process, which has one memory for each
/// stage.
fn configuration(stage: &str) -> String {
    format!(
        r#"{{"phantom_token": {{"introspection_endpoint": "https://login.example.com/introspect", "cluster": "login",
            "client_id": "{stage}", "client_secret": {{"inline": "a secret"}}, "timeout_ms": 60000, "token_cache_entries": 100,
            "response": "claims", "claim_to_headers": [{{"header_name": "x-sub", "claim_name": "sub"}}]}}}}"#
    )
}

/// A request with an access token, which is forwarded and answered at once.
fn plan(worker: usize, token: &str) -> Plan {
    let authorization = format!("Bearer {token}");
    let lines = [
        (":method", "GET"),
        (":path", "/"),
        (":authority", "api.example.com"),
        ("authorization", authorization.as_str()),
    ];
    Plan {
        worker,
        head: Head::of(&lines),
        has_body: false,
        upstream: Upstream::AtOnce,
        metadata: [Vec::new(), Vec::new()],
        route: "api".to_owned(),
        is_traced: false,
        fault: None,
    }
}

/// The token of an introspection request.
fn token(callout: &Callout) -> &str {
    assert_eq!(
        (callout.cluster.as_str(), callout.head.get(":method")),
        ("login", Some("POST"))
    );
    let mut fields = callout.body.split('&');
    let token = fields.find_map(|field| field.strip_prefix("token="));
    token.expect("an introspection")
}

/// Starts an Envoy with two workers whose first callout has no response, and whose others say at once that the token is active.
/// Returns the number of callouts as well.
fn start_without_first_response(version: Version) -> (Envoy, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let envoy = Envoy::start(version, 2, move |callout| match count.fetch_add(1, Ordering::SeqCst) {
        0 => CalloutPlan::Never,
        _ => active(AT_ONCE, callout),
    });
    (envoy, made)
}

/// The token is active, and its subject is the token with a prefix.
fn active(when: When, callout: &Callout) -> CalloutPlan {
    let token = token(callout);
    let body = format!(r#"{{"active": true, "sub": "user-of-{token}", "exp": 4000000000}}"#);
    CalloutPlan::Http(when, 200, body)
}

fn inactive(when: When) -> CalloutPlan {
    CalloutPlan::Http(when, 200, r#"{"active": false}"#.to_owned())
}

const AT_ONCE: When = When::Turns(0);

fn gated(gate: &Arc<Gate>) -> When {
    When::Open(Arc::clone(gate))
}

/// Panics unless the request was forwarded with its own token's claims.
fn assert_forwarded(outcome: &Outcome, token: &str) {
    match outcome {
        Outcome::Forwarded(head, response) => {
            assert_eq!(response.get(":status"), Some("200"));
            assert_eq!(head.get("x-sub"), Some(format!("user-of-{token}").as_str()));
            assert_eq!(head.get("authorization"), None);
        }
        Outcome::Replied(..) | Outcome::Reset(_) | Outcome::Left => panic!("{outcome:?}"),
    }
}

/// Panics unless the module has answered the request with this status.
fn assert_refused(outcome: &Outcome, expected: u32) {
    match outcome {
        Outcome::Replied(status, head, details) => {
            assert_eq!(*status, expected, "{details}");
            assert_eq!(head.get("content-type"), Some("application/json"));
        }
        Outcome::Forwarded(..) | Outcome::Reset(_) | Outcome::Left => panic!("{outcome:?}"),
    }
}

fn assert_left(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Left), "{outcome:?}");
}
