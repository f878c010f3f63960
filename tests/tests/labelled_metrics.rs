//! The metrics of the native module that have labels.

use bff_tests::dynamic_listeners::DynamicListeners;
use bff_tests::echoing_api::EchoingApi;
use bff_tests::http1::{Client, Request};
use bff_tests::scripted_introspection::{Scripted, ScriptedIntrospection};
use bff_tests::setup::{TestSystem, eventually, start, start_envoy};
use bff_tests::user_agent::UserAgent;
use serde_json::json;

const METRIC: &str = "envoy_dynamicmodulescustom_bff_filter_requests";

/// The metric's lines at Envoy's Prometheus endpoint.
fn lines(test: &TestSystem) -> Vec<String> {
    let (_, text) = demo_system::get(test.system.envoy_admin(), "/stats/prometheus").expect("metrics");
    let lines = text
        .lines()
        .filter(|line| line.strip_prefix(METRIC).is_some_and(|rest| rest.starts_with('{')));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn requests_are_counted_by_route_outcome_and_reason_and_no_request_chooses_a_label() {
    let test = start(|_| {});
    let user = UserAgent::signed_in(&test.system);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(UserAgent::new(&test.system).get_data().status, 401);
    for (path, token) in [
        ("/default/data", "a-token"),
        ("/default/data?route=another", "another\"} 1"),
    ] {
        let request = Request::new("GET", path).header("authorization", format!("Bearer {token}"));
        let response = Client::new(&test.system).send("api", &request).expect("a response");
        assert!([400, 401].contains(&response.status));
    }
    let line = |route: &str, outcome: &str, reason: &str, count: u64| {
        format!("{METRIC}{{route=\"{route}\",outcome=\"{outcome}\",reason=\"{reason}\"}} {count}")
    };
    let expected = [
        line(
            "default",
            "invalid_request",
            "the_token_has_characters_other_than_visible_ASCII",
            1,
        ),
        line("default", "unauthorized", "introspection:_the_token_is_inactive", 1),
        line("web", "forwarded", "-", 2),
        line("web", "unauthorized", "missing_access_token_cookie", 1),
    ];
    eventually("all requests are counted", || lines(&test).len() >= expected.len());
    assert_eq!(lines(&test), expected);
}

/// Envoy's first counters with labels were reverted for a memory fault (pull request 41093 of Envoy): those of a configuration
/// end with it, while another one counts under the same names.
#[test]
fn configurations_that_replace_each_other_under_requests_count_with_labels_and_envoy_lives() {
    let (_server, server_address) =
        ScriptedIntrospection::start(|token, _| Scripted::Active(json!({"sub": token, "exp": 4_000_000_000_u64})));
    let (_api, api_address) = EchoingApi::start();
    let test = start_envoy(server_address, api_address, |_| {});
    let mut listeners = DynamicListeners::of(&test.system);
    let send = |authorization: &str| {
        let request = Request::new("GET", "/default/data").header("authorization", authorization);
        Client::new(&test.system)
            .send("api", &request)
            .expect("a response")
            .status
    };
    let has_counted = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        lines(&test)
            .iter()
            .any(|line| line.contains(&label) && !line.ends_with(" 0"))
    };
    for change in 0..5 {
        assert_eq!(send("Bearer a-token"), 200);
        let entries = "\"token_cache_entries\": 10000";
        assert!(listeners.change(entries, &format!("\"token_cache_entries\": {}", 5000 + change)));
        assert_eq!(send("Bearer a-token"), 200);
    }
    eventually("forwarded requests are counted", || has_counted("-"));
    // Nobody has counted this before: it is a label of the last configuration alone.
    eventually("the last configuration is in force", || {
        assert_eq!(send("Basic dXNlcg=="), 401);
        has_counted("the_Authorization_scheme_is_not_Bearer")
    });
}
