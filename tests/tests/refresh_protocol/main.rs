//! The protocol by which replicas share a refresh: as a model that is checked in every order of its steps, and as the real
//! scripts in the orders that the model finds.
//!
//! The model has the former rules as well: a model that did not find their errors would prove nothing about the present rules.
#![allow(unreachable_pub, reason = "the modules are a small library of this one binary")]

mod logout;
mod memory;
mod model;
mod orders;
mod replicas;
mod scripts;

use stateright::{Checker, HasDiscoveries, Model};

use self::logout::{Check, Logout, NOTHING_STAYS};
use self::model::{Action, NO_LIE, ONLY_THE_HOLDER, RENEWED, TAKEN_OVER, USED_ONCE};
use self::replicas::{Replicas, Reuse, Rules};

/// Checks every reachable state.
fn explored(model: Replicas) -> impl Checker<Replicas> {
    let checker = model.checker().spawn_bfs().join();
    eprintln!("{model:?}: {} states", checker.unique_state_count());
    checker
}

/// A way to break a rule.
fn way_to_break(model: Replicas, rule: &'static str) -> Vec<Action> {
    let found = HasDiscoveries::AnyOf([rule].into());
    let checker = model.checker().finish_when(found).spawn_bfs().join();
    let path = checker
        .discovery(rule)
        .unwrap_or_else(|| panic!("no order of the steps breaks the rule: {rule}"));
    path.into_actions()
}

fn every_rule_holds(replicas: usize, callers: u8) {
    for reuse in [Reuse::EndsTheSession, Reuse::IsRefused] {
        let checker = explored(Replicas {
            replicas,
            callers,
            rules: Rules::NOW,
            reuse,
            outages: true,
        });
        for rule in [ONLY_THE_HOLDER, USED_ONCE, NO_LIE] {
            if let Some(path) = checker.discovery(rule) {
                let last = path.last_state().clone();
                panic!("{rule}: {:?}, and then {last:#?}", path.into_actions());
            }
        }
        for reached in [RENEWED, TAKEN_OVER] {
            assert!(checker.discovery(reached).is_some(), "{reached}");
        }
    }
}

#[test]
fn two_replicas_with_two_callers_each_break_no_rule_in_any_order() {
    every_rule_holds(2, 2);
}

#[test]
fn three_replicas_break_no_rule_in_any_order() {
    every_rule_holds(3, 1);
}

const BEFORE: Replicas = Replicas {
    replicas: 2,
    callers: 2,
    rules: Rules::BEFORE,
    reuse: Reuse::EndsTheSession,
    outages: true,
};

#[test]
fn with_a_counter_for_fencing_tokens_the_model_finds_an_outcome_published_over_the_lock_of_another() {
    let without_outages = Replicas {
        outages: false,
        ..BEFORE
    };
    // One replica loses its lock, the next one fails and deletes the counter, and the third gets the first one's number.
    let way = way_to_break(without_outages, ONLY_THE_HOLDER);
    let joins = way.iter().filter(|action| matches!(action, Action::Join(_))).count();
    assert!(way.contains(&Action::Stall) && joins >= 3, "{way:?}");
    // A restart of Redis is enough for two.
    let way = way_to_break(BEFORE, ONLY_THE_HOLDER);
    let with_its_memory = false;
    assert!(way.contains(&Action::RedisIsBack { with_its_memory }), "{way:?}");
}

#[test]
fn with_a_lock_that_stays_lost_the_model_finds_a_refresh_token_that_is_used_twice() {
    let way = way_to_break(BEFORE, USED_ONCE);
    let is_back = |action: &Action| matches!(action, Action::RedisIsBack { .. });
    assert!(way.iter().any(is_back), "Redis had been away: {way:?}");
}

#[test]
fn with_failures_that_count_whoever_has_the_lock_the_model_finds_somebody_who_is_logged_out_and_need_not_be() {
    let model = Replicas {
        reuse: Reuse::IsRefused,
        ..BEFORE
    };
    let way = way_to_break(model, NO_LIE);
    assert!(way.contains(&Action::Stall), "{way:?}");
}

#[test]
fn without_any_one_of_the_rules_the_model_finds_what_it_is_for() {
    let now = Rules::NOW;
    let without = [
        (
            ONLY_THE_HOLDER,
            Rules {
                random_tokens: false,
                ..now
            },
        ),
        (
            USED_ONCE,
            Rules {
                lock_is_taken_again: false,
                ..now
            },
        ),
        (
            USED_ONCE,
            Rules {
                nobody_begins_at_once: false,
                ..now
            },
        ),
        (
            NO_LIE,
            Rules {
                failures_defer: false,
                ..now
            },
        ),
        (
            USED_ONCE,
            Rules {
                published_later: false,
                ..now
            },
        ),
    ];
    for (rule, rules) in without {
        way_to_break(
            Replicas {
                rules,
                reuse: Reuse::IsRefused,
                ..BEFORE
            },
            rule,
        );
    }
}

#[test]
fn a_logout_and_a_refresh_leave_no_tokens_behind_in_whatever_order_they_meet() {
    let is_broken = |check, looks_for_tokens| {
        let model = Logout {
            check,
            looks_for_tokens,
        };
        let checker = model.checker().spawn_bfs().join();
        checker.discovery(NOTHING_STAYS).is_some()
    };
    assert!(!is_broken(Check::AfterPublishing, true));
    // Neither of the two is enough by itself.
    assert!(is_broken(Check::BeforePublishing, true));
    assert!(is_broken(Check::AfterPublishing, false));
}

#[test]
fn the_scripts_do_in_a_real_redis_what_they_do_in_the_model_in_every_order_that_it_takes_them() {
    let orders = orders::orders(Replicas {
        rules: Rules::NOW,
        ..BEFORE
    });
    assert!(orders.len() > 100, "{}", orders.len());
    scripts::RealMemory::check(&orders);
}
