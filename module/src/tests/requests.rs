//! The ends of requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::abi::simulation::{Envoy, Version};

const UPSTREAMS: [Upstream; 2] = [Upstream::AtOnce, Upstream::Later];

#[test]
fn a_request_that_ends_inside_the_call_that_resumes_it_is_touched_no_more() {
    for version in Version::ALL {
        let gate = Arc::new(Gate::default());
        let opens = Arc::clone(&gate);
        let envoy = Envoy::start(version, 2, move |callout| active(gated(&opens), callout));
        let place = envoy.configure(&configuration("resumed")).expect("a configuration");
        let mut requests = Vec::new();
        for (upstream, has_body) in UPSTREAMS
            .into_iter()
            .flat_map(|upstream| [(upstream, false), (upstream, true)])
        {
            let token = format!("{version:?}-{upstream:?}-{has_body}");
            // The leader is resumed in the hook of its callout, the other one in that of a scheduled event.
            for worker in 0..2 {
                let plan = Plan {
                    upstream,
                    has_body,
                    ..plan(worker, &token)
                };
                let request = envoy.send(&place, plan);
                request.wait_until_paused();
                requests.push((token.clone(), request));
            }
        }
        gate.open();
        for (token, request) in requests {
            assert_forwarded(&request.outcome(), &token);
        }
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_request_that_ends_inside_the_call_that_answers_it_is_touched_no_more() {
    for version in Version::ALL {
        let gate = Arc::new(Gate::default());
        let opens = Arc::clone(&gate);
        let envoy = Envoy::start(version, 2, move |_| inactive(gated(&opens)));
        let place = envoy.configure(&configuration("answered")).expect("a configuration");
        let requests = [0, 1].map(|worker| {
            let request = envoy.send(&place, plan(worker, &format!("{version:?}")));
            request.wait_until_paused();
            request
        });
        gate.open();
        for request in requests {
            assert_refused(&request.outcome(), 401);
        }
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_reply_in_the_hook_of_the_request_ends_it_after_the_hook() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let place = envoy.configure(&configuration("refused")).expect("a configuration");
        let mut plan = plan(0, "token");
        plan.head = Head::of(&[(":method", "GET"), (":path", "/"), (":authority", "api.example.com")]);
        assert_refused(&envoy.send(&place, plan).outcome(), 401);
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_callout_that_is_not_sent_refuses_the_request_in_its_own_hook() {
    const CLUSTER_NOT_FOUND: u32 = 2;
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |_| CalloutPlan::NotSent(CLUSTER_NOT_FOUND));
        let place = envoy.configure(&configuration("not sent")).expect("a configuration");
        assert_refused(&envoy.send(&place, plan(0, "token")).outcome(), 502);
        assert!(
            envoy
                .lines()
                .iter()
                .any(|line| line.contains("cluster `login` does not exist"))
        );
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_callout_whose_stream_is_reset_refuses_all_that_wait_for_it() {
    for version in Version::ALL {
        let gate = Arc::new(Gate::default());
        let opens = Arc::clone(&gate);
        let envoy = Envoy::start(version, 2, move |_| CalloutPlan::Reset(gated(&opens)));
        let place = envoy.configure(&configuration("reset")).expect("a configuration");
        let requests = [0, 1].map(|worker| {
            let request = envoy.send(&place, plan(worker, "token"));
            request.wait_until_paused();
            request
        });
        gate.open();
        for request in requests {
            assert_refused(&request.outcome(), 502);
        }
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_forwarded_request_whose_client_leaves_leaves_nothing() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let place = envoy.configure(&configuration("forwarded")).expect("a configuration");
        for _ in 0..2 {
            let plan = Plan {
                upstream: Upstream::Never,
                ..plan(0, "token")
            };
            let request = envoy.send(&place, plan);
            envoy.wait_until_idle();
            request.leave(0);
            assert_left(&request.outcome());
        }
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_response_of_a_route_with_other_requirements_is_replaced_and_the_request_ends_inside_the_call() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let text = configuration("routes").replace(r#""response""#, r#""route_metadata": "bff", "response""#);
        let place = envoy.configure(&text).expect("a configuration");
        let none = ("required_scopes", "");
        for (served, is_the_same) in [
            (none, true),
            (("required_scopes", "write"), false),
            (("other", ""), false),
        ] {
            // The first request waits for an introspection, the others do not.
            let request = envoy.send(
                &place,
                Plan {
                    metadata: [vec![none], vec![served]],
                    ..plan(0, "token")
                },
            );
            match is_the_same {
                true => assert_forwarded(&request.outcome(), "token"),
                false => assert_refused(&request.outcome(), 500),
            }
        }
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_request_destroyed_while_its_callout_is_out_is_repeated_for_those_that_wait() {
    for version in Version::ALL {
        let (envoy, made) = start_without_first_response(version);
        let place = envoy.configure(&configuration("destroyed")).expect("a configuration");
        let token = format!("{version:?}");
        let leader = envoy.send(&place, plan(0, &token));
        leader.wait_until_paused();
        let others = [0, 1].map(|worker| envoy.send(&place, plan(worker, &token)));
        others.iter().for_each(|request| request.wait_until_paused());
        leader.leave(0);
        assert_left(&leader.outcome());
        for request in others {
            assert_forwarded(&request.outcome(), &token);
        }
        assert_eq!(made.load(Ordering::SeqCst), 2);
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_response_that_comes_after_the_end_of_its_request_reaches_nobody() {
    for version in Version::ALL {
        let gate = Arc::new(Gate::default());
        let opens = Arc::clone(&gate);
        let envoy = Envoy::start(version, 1, move |callout| active(gated(&opens), callout));
        let place = envoy.configure(&configuration("late")).expect("a configuration");
        let request = envoy.send(&place, plan(0, "token"));
        request.wait_until_paused();
        request.leave(0);
        assert_left(&request.outcome());
        gate.open();
        envoy.wait_until_idle();
        assert_eq!(envoy.schedulers(), 1, "that of the configuration");
        envoy.exit(vec![place]);
    }
}

#[test]
fn an_event_that_is_scheduled_before_the_end_of_its_request_and_comes_after_it_reaches_nobody() {
    for version in Version::ALL {
        let gate = Arc::new(Gate::default());
        let opens = Arc::clone(&gate);
        let envoy = Envoy::start(version, 2, move |callout| active(gated(&opens), callout));
        let place = envoy.configure(&configuration("scheduled")).expect("a configuration");
        let token = format!("{version:?}");
        let leader = envoy.send(&place, plan(0, &token));
        leader.wait_until_paused();
        let [leaves, stays] = [1, 1].map(|worker| {
            let request = envoy.send(&place, plan(worker, &token));
            request.wait_until_paused();
            request
        });
        let blocked = envoy.block(1);
        leaves.leave(0);
        gate.open();
        // Events for both others wait behind that end now.
        assert_forwarded(&leader.outcome(), &token);
        envoy.wait_until_worker_is_idle(0);
        drop(blocked);
        assert_left(&leaves.outcome());
        assert_forwarded(&stays.outcome(), &token);
        envoy.wait_until_idle();
        assert_eq!(envoy.undelivered(), 1);
        envoy.exit(vec![place]);
    }
}

#[test]
fn an_envoy_that_exits_leaves_nothing_of_the_requests_that_wait() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 4, |_| CalloutPlan::Never);
        let place = envoy.configure(&configuration("exit")).expect("a configuration");
        let requests: Vec<_> = (0..16)
            .map(|index| envoy.send(&place, plan(index % 4, &format!("{version:?}-{}", index % 3))))
            .collect();
        requests.iter().for_each(|request| request.wait_until_paused());
        envoy.exit(vec![place]);
        for request in requests {
            assert_left(&request.outcome());
        }
    }
}
