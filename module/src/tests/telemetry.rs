//! Counts with labels, and spans.

use super::*;

fn without_token(worker: usize, route: &str) -> Plan {
    Plan {
        head: Head::of(&[(":method", "GET"), (":path", "/"), (":authority", "api.example.com")]),
        route: route.to_owned(),
        ..plan(worker, "")
    }
}

#[test]
fn requests_are_counted_by_route_outcome_and_reason() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 2, |callout| match token(callout) {
            "inactive" => inactive(AT_ONCE),
            _ => active(AT_ONCE, callout),
        });
        let place = envoy.configure(&configuration("labels")).expect("a configuration");
        for worker in [0, 1] {
            for _ in 0..2 {
                let request = envoy.send(&place, plan(worker, "active"));
                assert_forwarded(&request.outcome(), "active");
            }
            assert_refused(&envoy.send(&place, plan(worker, "inactive")).outcome(), 401);
            assert_refused(&envoy.send(&place, without_token(worker, "")).outcome(), 401);
        }
        let expected = [
            ("-", "unauthorized", "missing_bearer_token", 2),
            ("api", "forwarded", "-", 4),
            ("api", "unauthorized", "introspection:_the_token_is_inactive", 2),
        ];
        let expected = expected
            .map(|(route, outcome, reason, count)| ([route, outcome, reason].map(str::to_owned).to_vec(), count));
        // A second tick has nothing to report.
        for _ in 0..2 {
            envoy.tick(&place);
            assert_eq!(place.labelled("bff_filter_requests"), expected);
        }
        envoy.exit(vec![place]);
    }
}

#[test]
#[cfg_attr(miri, ignore = "a thousand requests take Miri many minutes")]
fn routes_without_end_have_one_label_together() {
    let envoy = Envoy::start(Version::V140, 1, |callout| active(AT_ONCE, callout));
    let place = envoy.configure(&configuration("routes")).expect("a configuration");
    for number in 0..1_002 {
        let plan = without_token(0, &format!("route-{number}"));
        assert_refused(&envoy.send(&place, plan).outcome(), 401);
    }
    envoy.tick(&place);
    let counts = place.labelled("bff_filter_requests");
    assert_eq!(counts.len(), 1_001);
    let other = counts
        .iter()
        .find(|(labels, _)| labels.first().is_some_and(|route| route == "other"));
    assert_eq!(other.map(|(_, count)| *count), Some(2));
    envoy.exit(vec![place]);
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn traced(token: &str, traceparent: &str) -> Plan {
    let plan = plan(0, token);
    let mut head = plan.head.clone();
    head.set(b"traceparent", traceparent.as_bytes());
    Plan {
        head,
        is_traced: true,
        ..plan
    }
}

fn tags(pairs: &[(&str, &str)]) -> FinishedSpan {
    FinishedSpan {
        name: "introspection".to_owned(),
        tags: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

#[test]
fn an_introspection_has_a_span_below_that_of_its_request() {
    for version in Version::ALL {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = Arc::clone(&seen);
        let envoy = Envoy::start(version, 1, move |callout| {
            let parent = callout.head.get("traceparent").map(str::to_owned);
            server.lock().expect("no test panicked here").push(parent);
            match token(callout) {
                "busy" => CalloutPlan::Http(AT_ONCE, 503, String::new()),
                "reset" => CalloutPlan::Reset(AT_ONCE),
                "lost" => CalloutPlan::NotSent(2),
                _ => active(AT_ONCE, callout),
            }
        });
        let place = envoy.configure(&configuration("spans")).expect("a configuration");
        let of_request = format!("00-{TRACE}-b7ad6b7169203331-01");
        let foreign = "00-11111111111111111111111111111111-b7ad6b7169203331-01";
        assert_forwarded(&envoy.send(&place, traced("known", &of_request)).outcome(), "known");
        assert_forwarded(&envoy.send(&place, traced("foreign", foreign)).outcome(), "foreign");
        for token in ["busy", "reset", "lost"] {
            assert_refused(&envoy.send(&place, traced(token, &of_request)).outcome(), 502);
        }
        // Cached, and not traced.
        assert_forwarded(&envoy.send(&place, traced("known", &of_request)).outcome(), "known");
        assert_forwarded(&envoy.send(&place, plan(0, "untraced")).outcome(), "untraced");

        let of_span = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let below = Some(of_span);
        let parents = [
            below.clone(),
            Some(foreign.to_owned()),
            below.clone(),
            below.clone(),
            below,
            None,
        ];
        assert_eq!(*seen.lock().expect("no test panicked here"), parents);
        let cluster = ("upstream_cluster", "login");
        let expected = [
            tags(&[cluster, ("http.response.status_code", "200")]),
            tags(&[cluster, ("http.response.status_code", "200")]),
            tags(&[cluster, ("http.response.status_code", "503"), ("error", "true")]),
            tags(&[cluster, ("error", "true")]),
            tags(&[cluster, ("error", "true")]),
        ];
        assert_eq!(envoy.spans(), expected);
        envoy.exit(vec![place]);
    }
}

#[test]
fn the_span_of_an_introspection_ends_with_its_request() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |_| CalloutPlan::Never);
        let place = envoy.configure(&configuration("canceled")).expect("a configuration");
        let request = envoy.send(&place, traced("token", &format!("00-{TRACE}-b7ad6b7169203331-01")));
        request.wait_until_paused();
        request.leave(0);
        assert_left(&request.outcome());
        envoy.wait_until_idle();
        assert_eq!(
            envoy.spans(),
            [tags(&[("upstream_cluster", "login"), ("canceled", "true")])]
        );
        envoy.exit(vec![place]);
    }
}
