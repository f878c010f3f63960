//! The ends of configurations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::abi::simulation::{Envoy, Version};

#[test]
fn a_configuration_lives_until_its_last_request_has_ended_and_its_successor_shares_its_introspections() {
    for version in Version::ALL {
        let gate = Arc::new(Gate::default());
        let made = Arc::new(AtomicUsize::new(0));
        let (opens, count) = (Arc::clone(&gate), Arc::clone(&made));
        let envoy = Envoy::start(version, 2, move |callout| {
            count.fetch_add(1, Ordering::SeqCst);
            active(gated(&opens), callout)
        });
        let token = format!("{version:?}");
        let mut requests = Vec::new();
        let mut place = envoy.configure(&configuration("updated")).expect("a configuration");
        for number in 0..4 {
            let request = envoy.send(&place, plan(number % 2, &token));
            request.wait_until_paused();
            requests.push(request);
            // The one before has only that request now.
            place = envoy.configure(&configuration("updated")).expect("a configuration");
        }
        envoy.wait_until_idle();
        assert_eq!(envoy.configurations(), 5);
        gate.open();
        for request in requests {
            assert_forwarded(&request.outcome(), &token);
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_leader_of_a_configuration_that_was_replaced_is_followed_by_a_request_of_the_new_one() {
    for version in Version::ALL {
        let (envoy, _) = start_without_first_response(version);
        let token = format!("{version:?}");
        let old = envoy.configure(&configuration("replaced")).expect("a configuration");
        let leader = envoy.send(&old, plan(0, &token));
        leader.wait_until_paused();
        drop(old);
        let new = envoy.configure(&configuration("replaced")).expect("a configuration");
        let follower = envoy.send(&new, plan(1, &token));
        follower.wait_until_paused();
        leader.leave(0);
        assert_left(&leader.outcome());
        assert_forwarded(&follower.outcome(), &token);
        envoy.exit(vec![new]);
    }
}

#[test]
fn configurations_that_come_and_go_while_all_are_woken_leave_nothing() {
    let rounds = if cfg!(miri) { 2 } else { 300 };
    for version in Version::ALL {
        let envoy = Envoy::start(version, 2, |callout| active(AT_ONCE, callout));
        for number in 0..rounds {
            let place = envoy.configure(&configuration("come and go")).expect("a configuration");
            // It comes to an end after its place has gone, on a worker thread, beside its ticks.
            let request = envoy.send(&place, plan(number % 2, &format!("{version:?}-{number}")));
            drop(place);
            assert_forwarded(&request.outcome(), &format!("{version:?}-{number}"));
        }
        envoy.exit(Vec::new());
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no ticks of the module's thread")]
fn a_configuration_may_be_destroyed_by_the_thread_of_the_module_that_wakes_it() {
    for version in Version::ALL {
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let place = envoy.configure(&configuration("woken")).expect("a configuration");
        envoy.hold_the_thread_of_the_module();
        drop(place);
        envoy.exit(Vec::new());
        // The thread has not waited for itself.
        let envoy = Envoy::start(version, 1, |callout| active(AT_ONCE, callout));
        let place = envoy.configure(&configuration("woken")).expect("a configuration");
        envoy.hold_the_thread_of_the_module();
        envoy.exit(vec![place]);
    }
}

#[test]
fn a_configuration_that_is_only_validated_starts_nothing() {
    let envoy = Envoy::start(Version::V140, 1, |_| CalloutPlan::Never);
    envoy.validate();
    let place = envoy.configure(&configuration("validated")).expect("a configuration");
    assert_eq!((envoy.schedulers(), envoy.configurations()), (0, 1));
    envoy.exit(vec![place]);
}

#[test]
fn an_invalid_configuration_is_rejected_with_a_line_and_leaves_nothing() {
    let envoy = Envoy::start(Version::V140, 1, |_| CalloutPlan::Never);
    assert!(envoy.configure(r#"{"phantom_token": {"cluster": ""}}"#).is_none());
    assert!(
        envoy
            .lines()
            .iter()
            .any(|line| line.starts_with("bff: invalid configuration: "))
    );
    assert_eq!((envoy.schedulers(), envoy.configurations()), (0, 0));
    envoy.exit(Vec::new());
}
