//! The effects of the model on Redis.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use stateright::{Checker, Model, Path};

use crate::memory::{Found, Outcome};
use crate::model::Action;
use crate::replicas::{Phase, Replicas, State};
use crate::scripts::Step;

/// The events of Redis on the shortest way to each state, without orders that are the beginning of another one.
pub fn orders(model: Replicas) -> BTreeSet<Vec<Step>> {
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let orders = Arc::clone(&found);
    let visit = move |path: Path<State, Action>| {
        let states = path.into_vec();
        let befores = states.iter().map(|(state, _)| state);
        let steps = befores.zip(states.iter().filter_map(|(_, action)| *action));
        let order: Vec<Step> = steps
            .flat_map(|(before, action)| steps_of(model, before, action))
            .collect();
        orders.lock().expect("no panic").insert(order);
    };
    model.checker().visitor(visit).spawn_bfs().join();
    let orders = found.lock().expect("no panic").clone();
    let is_continued = |order: &Vec<Step>| {
        let next = orders.range::<Vec<Step>, _>((std::ops::Bound::Excluded(order), std::ops::Bound::Unbounded));
        next.take(1).any(|next| next.starts_with(order))
    };
    orders.iter().filter(|order| !is_continued(order)).cloned().collect()
}

/// The effect of an action on Redis.
fn steps_of(model: Replicas, before: &State, action: Action) -> Vec<Step> {
    let may_lead = !before.is_just_back;
    let join = || Step::Join {
        token: before.flights + 1,
        may_lead,
    };
    match action {
        Action::Join(replica) if before.remembered[replica] => Vec::new(),
        Action::Join(_) | Action::Defer(_) if before.redis_is_up => {
            let mut memory = before.memory.clone();
            let waited = has_waited(before, action);
            match memory.join(model.tokens(before), may_lead) {
                Found::Outcome(outcome) if !waited && outcome != Outcome::Renewed => {
                    vec![join(), Step::Discard(outcome)]
                }
                Found::Leads { token, .. } => match action {
                    Action::Defer(replica) => match before.replicas[replica] {
                        Phase::Defers(_, outcome) => vec![join(), Step::Settle(token, outcome)],
                        _ => vec![join()],
                    },
                    _ => vec![join()],
                },
                Found::Outcome(_) | Found::Busy => vec![join()],
            }
        }
        Action::Keep(replica) => Replicas::flight(before.replicas[replica])
            .map(|flight| Step::Keep(flight.token))
            .into_iter()
            .collect(),
        Action::Settle(replica) => match before.replicas[replica] {
            Phase::Answered(flight, outcome) if before.redis_is_up => vec![Step::Settle(flight.token, outcome)],
            _ => Vec::new(),
        },
        Action::Publish(replica) => before.unpublished[replica]
            .map(|flight| Step::Settle(flight.token, Outcome::Renewed))
            .into_iter()
            .collect(),
        Action::Stall | Action::LockEnds => vec![Step::LockEnds],
        Action::OutcomeEnds => vec![Step::OutcomeEnds],
        Action::RedisIsBack { with_its_memory: false } => vec![Step::Forgets],
        Action::RedisIsBack { .. }
        | Action::Come(_)
        | Action::Join(_)
        | Action::StopWaiting(_)
        | Action::Ask(_)
        | Action::Work(_)
        | Action::WorkForNobody(_)
        | Action::Fail(_)
        | Action::Defer(_)
        | Action::Crash(_)
        | Action::RedisGoes
        | Action::TimeAfterReturnEnds => Vec::new(),
    }
}

fn has_waited(before: &State, action: Action) -> bool {
    match action {
        Action::Join(replica) => matches!(before.replicas[replica], Phase::Joins { waited: true }),
        _ => false,
    }
}
