//! The metrics of the native module that have labels.

use bff_tests::http1::{Client, Request};
use bff_tests::setup::{TestSystem, eventually, start};
use bff_tests::user_agent::UserAgent;

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
