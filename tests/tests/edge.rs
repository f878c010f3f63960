//! What Envoy does for all servers behind it, for every client: limits on memory and heads, and what a page may read.

use std::io::Write;

use bff_tests::http1::{Client, Request};
use bff_tests::setup::{eventually, rewrite_envoy, statistic};
use bff_tests::shipped::{Shipped, start_with};
use bff_tests::slow_clients::{SlowConnection, allow_files};
use bff_tests::user_agent::UserAgent;
use serde_json::{Value, json};

/// The longest request target that the service's parser accepts (the `http` crate's `Uri`).
const LONGEST_BYTES: usize = 65_534;

fn a_request_target_that_the_service_cannot_parse_does_not_reach_it(shipped: Shipped) {
    let test = start_with(shipped);
    let client = Client::new(&test.system);
    let path = "/bff/session?";
    let target = |length: usize| format!("{path}{}", "x".repeat(length - path.len()));
    let origin = test.system.www();
    let get = |length| Request::new("GET", &target(length)).header("origin", &origin);
    let response = client.send("api", &get(60_000)).expect("a response");
    assert_eq!(
        (response.status, response.header("cache-control")),
        (200, Some("no-store"))
    );
    for length in [LONGEST_BYTES + 1, 66_000, 90_000] {
        let response = client.send("api", &get(length)).expect("a response");
        assert_eq!(response.status, 431, "{length}");
    }
}

#[test]
fn a_request_target_that_the_service_cannot_parse_is_refused_by_envoy() {
    a_request_target_that_the_service_cannot_parse_does_not_reach_it(Shipped::Envoy);
}

#[test]
fn a_request_target_that_the_service_cannot_parse_is_refused_behind_istio() {
    a_request_target_that_the_service_cannot_parse_does_not_reach_it(Shipped::Istio);
}

#[test]
fn a_request_target_that_the_service_cannot_parse_is_refused_behind_envoy_gateway() {
    a_request_target_that_the_service_cannot_parse_does_not_reach_it(Shipped::Gateway);
}

/// Sets all fields with this name, and returns how many there are.
fn set(value: &mut Value, name: &str, with: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter_mut()
            .map(|(found, field)| {
                if found == name {
                    *field = with.clone();
                    return 1;
                }
                set(field, name, with)
            })
            .sum(),
        Value::Array(items) => items.iter_mut().map(|item| set(item, name, with)).sum(),
        _ => 0,
    }
}

fn memory_is_taken_from_those_who_hold_the_most(shipped: Shipped) {
    const BODY_BYTES: usize = 60_000;
    allow_files(4096);
    let test = start_with(shipped);
    let system = &test.system;
    // 1.5 times the present memory, instead of a gigabyte.
    let heap = statistic(system, "server.memory_heap_size");
    let most = heap + heap / 2;
    rewrite_envoy(system, |configuration| {
        assert_eq!(
            set(configuration, "max_heap_size_bytes", &json!(most)),
            1,
            "a heap monitor"
        );
    });
    let client = Client::new(system);
    let part = |length| Request::new("POST", "/bff/login/end").header("content-length", length);
    let head = part("65000").bytes_to_keep(&client.authority("api"));
    let head = String::from_utf8(head)
        .expect("text")
        .replace("content-length: 0\r\n", "");
    let mut held = Vec::new();
    let attempts = usize::try_from(heap).expect("a size") / BODY_BYTES + 100;
    for _ in 0..attempts {
        let Ok(mut connection) = client.connect("api") else {
            continue;
        };
        let sent = connection
            .write_all(head.as_bytes())
            .and_then(|()| connection.write_all(&[b'x'; BODY_BYTES]));
        if sent.is_ok() {
            held.push(SlowConnection::from_http1(connection).expect("a socket"));
        }
    }
    eventually("some of them are closed", || {
        held.iter_mut().any(|connection| connection.is_held().is_err())
    });
    // A new client is served again, while the others keep their connections.
    let mut stranger = UserAgent::new(system);
    eventually("a new client is served", || {
        let session = Request::new("GET", "/bff/session").header("origin", &stranger.origin);
        stranger
            .client
            .send("api", &session)
            .is_ok_and(|response| response.status == 200)
    });
    drop(held);
    eventually("Envoy is live", || statistic(system, "server.live") == 1);
    stranger.sign_in();
}

#[test]
fn memory_is_taken_from_those_who_hold_the_most_by_envoy() {
    memory_is_taken_from_those_who_hold_the_most(Shipped::Envoy);
}

#[test]
fn memory_is_taken_from_those_who_hold_the_most_behind_istio() {
    memory_is_taken_from_those_who_hold_the_most(Shipped::Istio);
}

#[test]
fn memory_is_taken_from_those_who_hold_the_most_behind_envoy_gateway() {
    memory_is_taken_from_those_who_hold_the_most(Shipped::Gateway);
}

fn a_request_to_the_service_of_more_than_64_kib_is_refused_by_envoy(shipped: Shipped) {
    let test = start_with(shipped);
    let client = Client::new(&test.system);
    let origin = test.system.www();
    for (length, by_envoy) in [(65_537, true), (64_000, false)] {
        let json = json!({ "pageUrl": "x".repeat(length - 14) });
        let request = Request::new("POST", "/bff/login/end")
            .header("origin", &origin)
            .json(&json);
        let response = client.send("api", &request).expect("a response");
        assert_eq!(response.status, 413, "{length}");
        let content_type = response.header("content-type").unwrap_or_default();
        assert_eq!(content_type != "application/json", by_envoy, "{length}: {content_type}");
    }
}

#[test]
fn a_request_to_the_service_of_more_than_64_kib_is_413() {
    a_request_to_the_service_of_more_than_64_kib_is_refused_by_envoy(Shipped::Envoy);
}

#[test]
fn a_request_to_the_service_of_more_than_64_kib_is_413_behind_istio() {
    a_request_to_the_service_of_more_than_64_kib_is_refused_by_envoy(Shipped::Istio);
}

#[test]
fn a_request_to_the_service_of_more_than_64_kib_is_413_behind_envoy_gateway() {
    a_request_to_the_service_of_more_than_64_kib_is_refused_by_envoy(Shipped::Gateway);
}

/// The headers of these that a page may send with a call of this path.
fn granted(client: &Client, origin: &str, path: &str, names: &[&str]) -> Vec<String> {
    let preflight = Request::new("OPTIONS", path)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", names.join(","));
    let response = client.send("api", &preflight).expect("a response");
    let granted = response.header("access-control-allow-headers").unwrap_or_default();
    let granted: Vec<&str> = granted.split(',').map(str::trim).collect();
    let granted = names.iter().filter(|name| granted.contains(name));
    granted.map(|name| (*name).to_owned()).collect()
}

/// The headers that OpenTelemetry, Sentry, Datadog, New Relic, Zipkin, Application Insights, Dynatrace, Elastic, Instana and
/// older frameworks add to each call of a page.
const OF_MONITORING: [&str; 26] = [
    "traceparent",
    "tracestate",
    "b3",
    "baggage",
    "elastic-apm-traceparent",
    "newrelic",
    "request-context",
    "request-id",
    "sentry-trace",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-correlation-id",
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    "x-dtpc",
    "x-dtreferer",
    "x-instana-l",
    "x-instana-s",
    "x-instana-t",
    "x-requested-with",
];

fn a_page_with_monitoring_may_call(shipped: Shipped) {
    let test = start_with(shipped);
    let (client, origin) = (Client::new(&test.system), test.system.www());
    for path in ["/bff/session", "/api/data"] {
        assert_eq!(granted(&client, &origin, path, &OF_MONITORING), OF_MONITORING, "{path}");
        let unknown = granted(&client, &origin, path, &["x-made-up"]);
        assert!(unknown.is_empty(), "{path}");
    }
}

#[test]
fn a_page_with_monitoring_may_call_the_service_and_the_api() {
    a_page_with_monitoring_may_call(Shipped::Envoy);
}

#[test]
fn a_page_with_monitoring_may_call_the_service_and_the_api_behind_istio() {
    a_page_with_monitoring_may_call(Shipped::Istio);
}

#[test]
fn a_page_with_monitoring_may_call_the_service_and_the_api_behind_envoy_gateway() {
    a_page_with_monitoring_may_call(Shipped::Gateway);
}

#[test]
fn a_page_may_call_the_api_by_grpc_web_and_read_what_came_of_it() {
    let test = start_with(Shipped::Envoy);
    let (client, origin) = (Client::new(&test.system), test.system.www());
    let names = ["content-type", "grpc-timeout", "x-grpc-web", "x-user-agent"];
    assert_eq!(granted(&client, &origin, "/api/data", &names), names);
    let refused = Request::new("POST", "/api/data").header("origin", &origin);
    let response = client.send("api", &refused).expect("a response");
    assert_eq!(
        response.header("access-control-expose-headers"),
        Some("grpc-status,grpc-message,retry-after")
    );
}
