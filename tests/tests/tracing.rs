//! One trace through all programs: each propagates W3C Trace Context, and the spans of Envoy and of the service reach a
//! collector.

use std::sync::OnceLock;

use bff_tests::http1::Request;
use bff_tests::otlp_receiver::{OtlpReceiver, Span};
use bff_tests::setup::{TestSystem, artifacts, eventually, start};
use bff_tests::user_agent::UserAgent;
use demo_system::Component;
use serde_json::Value;

struct Traced {
    test: TestSystem,
    collector: OtlpReceiver,
}

/// Each test looks for traces of its own, so one system is enough.
fn traced() -> &'static Traced {
    static SYSTEM: OnceLock<Traced> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let collector = OtlpReceiver::start();
        let test = start(|options| {
            options.otel_collector = Some(collector.address);
            for (name, value) in [("OTEL_BSP_SCHEDULE_DELAY", "100"), ("BFF_LOG_FORMAT", "json")] {
                options
                    .environment
                    .push((Component::Bff, name.to_owned(), value.to_owned()));
            }
        });
        Traced { test, collector }
    })
}

impl Traced {
    fn lines(&self, component: Component) -> Vec<String> {
        let log = std::fs::read(self.test.system.log(component)).expect("a log");
        String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
    }

    /// The lines of a log that are JSON and belong to a trace.
    fn json_lines(&self, component: Component, trace: &str) -> Vec<Value> {
        let lines = self.lines(component);
        let json = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        json.filter(|line| line["trace_id"] == trace).collect()
    }

    /// The lines of a text log that belong to a trace: each line's `name=value` members.
    fn line_members(&self, component: Component, trace: &str) -> Vec<Vec<(String, String)>> {
        let members = |line: &String| {
            let pairs = line.split(' ').filter_map(|word| word.split_once('='));
            pairs
                .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
                .collect::<Vec<_>>()
        };
        let lines = self.lines(component);
        let of_trace = |members: &Vec<(String, String)>| value(members, "trace_id") == trace;
        lines.iter().map(members).filter(of_trace).collect()
    }

    /// Envoy's line about a request in this trace. Envoy writes it some time after the end of the request.
    fn envoy_line(&self, trace: &str, path: &str) -> Value {
        let find = || {
            let lines = self.json_lines(Component::Envoy, trace);
            lines.into_iter().find(|line| line["path"] == path)
        };
        eventually("Envoy's line about the request", || find().is_some());
        find().expect("found")
    }
}

fn value<'a>(members: &'a [(String, String)], name: &str) -> &'a str {
    let found = members.iter().find(|(found, _)| found == name);
    found.map_or("", |(_, value)| value)
}

fn traceparent(trace: &str, span: &str, flags: &str) -> String {
    format!("00-{trace}-{span}-{flags}")
}

fn with_name<'a>(spans: &'a [Span], service: &str, name: &str) -> Vec<&'a Span> {
    let of = |span: &&Span| span.service == service && span.name.contains(name);
    spans.iter().filter(of).collect()
}

#[test]
fn one_trace_of_a_data_call_shows_browser_envoy_callout_authorization_server_and_api() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const BROWSER: &str = "00f067aa0ba902b7";
    let traced = traced();
    let user = UserAgent::signed_in(&traced.test.system);
    let request = user
        .api_request("GET")
        .header("traceparent", traceparent(TRACE, BROWSER, "01"))
        .header("tracestate", "browser=1");
    assert_eq!(user.send(&request).status, 200);

    let envoy = traced.envoy_line(TRACE, "/api/data");
    let request_id = envoy["request_id"].as_str().expect("a request id");
    eventually("Envoy's span of the data call", || {
        !traced.collector.trace(TRACE).is_empty()
    });
    let spans = traced.collector.trace(TRACE);
    assert!(
        spans
            .iter()
            .any(|span| span.service == "envoy" && span.parent == BROWSER),
        "Envoy's span is below the browser's: {spans:?}"
    );
    assert!(
        spans
            .iter()
            .any(|span| span.attribute("guid:x-request-id") == request_id),
        "the span has the request's id: {spans:?}"
    );

    let api = traced.line_members(Component::Api, TRACE);
    assert_eq!(api.len(), 1, "the API has one request of the trace: {api:?}");
    assert!(
        spans.iter().any(|span| span.id == value(&api[0], "parent_id")),
        "the API's request is below a span of Envoy's: {api:?} {spans:?}"
    );
    assert_eq!(value(&api[0], "request_id"), request_id);

    let server = traced.line_members(Component::AuthorizationServer, TRACE);
    assert_eq!(server.len(), 1, "so has the authorization server: {server:?}");
    assert_eq!(value(&server[0], "route"), "introspection");
    let parent = value(&server[0], "parent_id");
    if artifacts().is_native() {
        eventually("the span of the introspection", || {
            let spans = traced.collector.trace(TRACE);
            let [introspection] = with_name(&spans, "envoy", "introspection")[..] else {
                return false;
            };
            let of_request = spans.iter().find(|span| span.parent == BROWSER);
            introspection.id == parent
                && introspection.attribute("http.response.status_code") == "200"
                && of_request.is_some_and(|of_request| of_request.id == introspection.parent)
        });
    } else {
        assert_eq!(parent, BROWSER, "the callout is below the browser's span");
    }
    assert_eq!(value(&server[0], "request_id"), request_id);
}

#[test]
fn a_trace_that_begins_at_envoy_has_the_callout_and_the_api_too() {
    let traced = traced();
    let user = UserAgent::signed_in(&traced.test.system);
    let before = traced.lines(Component::Api).len();
    assert_eq!(user.get_data().status, 200);
    eventually("the API's line", || traced.lines(Component::Api).len() > before);
    // The access token is new, so that the callout is the only introspection with this request id.
    let find = || {
        let servers = traced.lines(Component::AuthorizationServer);
        let mut introspections = servers.iter().filter(|line| line.contains("route=\"introspection\""));
        introspections.find_map(|line| {
            let trace = line.split("trace_id=\"").nth(1)?.split('"').next()?.to_owned();
            let envoy = traced.json_lines(Component::Envoy, &trace);
            let id = envoy.first()?["request_id"].as_str()?.to_owned();
            let is_ours = line.contains(&id) && !trace.starts_with("4bf92f");
            is_ours.then_some((trace, id))
        })
    };
    eventually("a callout in a trace that Envoy knows", || find().is_some());
    let (trace, id) = find().expect("found");
    let api = traced.line_members(Component::Api, &trace);
    assert!(api.iter().any(|line| value(line, "request_id") == id), "{api:?}");
    eventually("its spans", || !traced.collector.trace(&trace).is_empty());
}

#[test]
fn a_refresh_shows_envoy_the_service_and_what_it_asks_of_the_authorization_server() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const BROWSER: &str = "b7ad6b7169203331";
    let traced = traced();
    let mut user = UserAgent::signed_in(&traced.test.system);
    let request = user
        .bff_request("POST", "/bff/refresh")
        .header("traceparent", traceparent(TRACE, BROWSER, "01"));
    let response = user.send(&request);
    assert_eq!(response.status, 204);
    user.replace_cookies(&response);

    let named = |service: &str, name: &str| {
        let spans = traced.collector.trace(TRACE);
        with_name(&spans, service, name)
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
    };
    eventually("the service's span", || {
        !named("bff-service", "POST /bff/refresh").is_empty()
    });
    eventually("its request for tokens", || {
        !named("bff-service", "POST token").is_empty()
    });
    eventually("Envoy's spans", || {
        let spans = traced.collector.trace(TRACE);
        spans.iter().filter(|span| span.service == "envoy").count() >= 2
    });
    let spans = traced.collector.trace(TRACE);
    let service = with_name(&spans, "bff-service", "POST /bff/refresh")[0];
    let tokens = with_name(&spans, "bff-service", "POST token")[0];
    let envoy: Vec<&Span> = spans.iter().filter(|span| span.service == "envoy").collect();
    assert_eq!(tokens.parent, service.id);
    assert_eq!(service.attribute("http.response.status_code"), "204");
    assert_eq!(tokens.attribute("http.response.status_code"), "200");
    assert!(
        envoy
            .iter()
            .any(|span| span.parent == BROWSER && span.id == service.parent),
        "browser, Envoy, service: {spans:?}"
    );
    // The service reaches the authorization server through Envoy.
    let server = traced.line_members(Component::AuthorizationServer, TRACE);
    let exchange = server
        .iter()
        .find(|line| value(line, "route") == "token")
        .expect("a request for tokens");
    assert!(
        envoy
            .iter()
            .any(|span| span.parent == tokens.id && span.id == value(exchange, "parent_id")),
        "service, Envoy, authorization server: {exchange:?} {spans:?}"
    );

    let envoy = traced.envoy_line(TRACE, "/bff/refresh");
    assert_eq!(
        service.attribute("bff.request_id"),
        envoy["request_id"].as_str().unwrap_or_default()
    );
    let audit = traced.json_lines(Component::Bff, TRACE);
    let refresh = audit
        .iter()
        .find(|line| line["event"] == "refresh")
        .expect("an audit line");
    assert_eq!(refresh["request_id"], envoy["request_id"]);
    assert_eq!(refresh["session"].as_str().map(str::len), Some(12));
    let logins = traced.lines(Component::Bff);
    let mut logins = logins
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let login = logins.find(|line| line["event"] == "login").expect("a login");
    assert_eq!(login["subject"], "-", "users are not named unless it is wanted");
}

#[test]
fn a_trace_that_is_not_recorded_is_handed_on_and_not_exported() {
    const UNRECORDED: &str = "11111111111111111111111111111111";
    const RECORDED: &str = "22222222222222222222222222222222";
    const BROWSER: &str = "3333333333333333";
    let traced = traced();
    let mut user = UserAgent::signed_in(&traced.test.system);
    for (trace, flags) in [(UNRECORDED, "00"), (RECORDED, "01")] {
        let traceparent = traceparent(trace, BROWSER, flags);
        let refresh = user
            .bff_request("POST", "/bff/refresh")
            .header("traceparent", &traceparent);
        let response = user.send(&refresh);
        assert_eq!(response.status, 204);
        user.replace_cookies(&response);
        let data = user.api_request("GET").header("traceparent", &traceparent);
        assert_eq!(user.send(&data).status, 200);
    }
    for (service, name) in [("bff-service", "POST token"), ("envoy", "")] {
        eventually("the spans of the recorded trace", || {
            !with_name(&traced.collector.trace(RECORDED), service, name).is_empty()
        });
    }
    assert_eq!(traced.collector.trace(UNRECORDED), []);
    for trace in [UNRECORDED, RECORDED] {
        let routes: Vec<String> = traced
            .line_members(Component::AuthorizationServer, trace)
            .iter()
            .map(|line| value(line, "route").to_owned())
            .collect();
        assert!(
            ["token", "introspection"]
                .iter()
                .all(|route| routes.iter().any(|found| found == route)),
            "{trace}: {routes:?}"
        );
        assert_eq!(traced.line_members(Component::Api, trace).len(), 1, "{trace}");
    }
}

#[test]
fn what_is_no_trace_context_reaches_no_callout_and_no_log() {
    let traced = traced();
    let user = UserAgent::signed_in(&traced.test.system);
    let marks = ["<script>", "not-a-trace-context"];
    for mark in marks {
        let request = user
            .api_request("GET")
            .header("traceparent", mark)
            .header("tracestate", format!("{mark}=\u{e9}").as_bytes());
        assert_eq!(user.send(&request).status, 200);
        let session = user.bff_request("GET", "/bff/session").header("traceparent", mark);
        assert_eq!(user.send(&session).status, 200);
    }
    for component in [
        Component::Api,
        Component::AuthorizationServer,
        Component::Bff,
        Component::Envoy,
    ] {
        for line in traced.lines(component) {
            assert!(!marks.iter().any(|mark| line.contains(mark)), "{component}: {line}");
        }
    }
}

#[test]
fn a_page_may_send_its_trace_context_to_the_service_and_to_the_api() {
    let traced = traced();
    let user = UserAgent::new(&traced.test.system);
    for path in ["/bff/session", "/api/data"] {
        let preflight = Request::new("OPTIONS", path)
            .header("origin", &user.origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "traceparent, tracestate");
        let response = user.send(&preflight);
        let allowed = response.header("access-control-allow-headers").unwrap_or_default();
        for name in ["traceparent", "tracestate"] {
            assert!(
                allowed.split(',').any(|found| found.trim() == name),
                "{path}: {allowed}"
            );
        }
    }
}
