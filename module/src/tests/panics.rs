//! Panics in hooks: Envoy announces more headers or keys than fit into any memory, and the module panics as it makes room.

use super::*;
use crate::abi::simulation::{Envoy, Fault, Kind, Place, Version};

fn place(envoy: &Envoy, stage: &str) -> Place {
    let text = configuration(stage).replace(r#""response""#, r#""route_metadata": "bff", "response""#);
    envoy.configure(&text).expect("a configuration")
}

fn request(token: &str, fault: Option<Fault>) -> Plan {
    let metadata = || vec![("required_scopes", "")];
    Plan {
        metadata: [metadata(), metadata()],
        fault,
        ..plan(0, token)
    }
}

#[test]
fn a_panic_in_the_hook_of_a_request_is_answered_with_500_and_the_next_request_is_forwarded() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let place = place(&envoy, "panics");
        for fault in [Fault::Headers, Fault::FirstRoute] {
            let plan = match fault {
                // Its value is of another type, so the module counts the keys, while its gateway is locked.
                Fault::FirstRoute => Plan {
                    metadata: [Vec::new(), Vec::new()],
                    ..request("token", Some(fault))
                },
                Fault::Headers | Fault::ServingRoute => request("token", Some(fault)),
            };
            let outcome = envoy.send(&place, plan).outcome();
            assert_refused(&outcome, 500);
            assert!(format!("{outcome:?}").contains("the_filter_panicked"), "{outcome:?}");
            assert_forwarded(&envoy.send(&place, request("token", None)).outcome(), "token");
        }
        assert_eq!(place.sum(Kind::Counter, "bff_filter_requests_refused_500"), 2);
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_panic_in_the_hook_of_a_response_replaces_it_with_500() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let place = place(&envoy, "panics in responses");
        for upstream in [Upstream::AtOnce, Upstream::Later] {
            // The first one waits for its introspection, so it panics inside the call that resumes it.
            let mut plan = request("token", Some(Fault::ServingRoute));
            plan.metadata[1] = Vec::new();
            plan.upstream = upstream;
            assert_refused(&envoy.send(&place, plan).outcome(), 500);
        }
        assert_forwarded(&envoy.send(&place, request("token", None)).outcome(), "token");
        envoy.exit(vec![place]);
    }
}
