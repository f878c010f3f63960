//! The invariants hold under any sequence of events.

use std::collections::{BTreeMap, BTreeSet};

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::effect::{Command, Decision, Effect};
use bff_core::gateway::introspection::IntrospectionResponse;
use bff_core::gateway::single_flight::FlightId;
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

const TOKENS: [&str; 3] = ["one", "two", "three"];

#[derive(Clone, Debug)]
enum Event {
    /// A request with this token.
    Request(usize),
    /// A request without a credential.
    Unproven,
    /// The nth callout in progress is answered: active, inactive or failed.
    Answer(usize, u8),
    /// The client of the nth waiting request disconnects.
    Gone(usize),
    Tick,
    /// The request that was named when the last leader left takes over.
    TakeOver,
    /// This many seconds pass.
    Later(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..TOKENS.len()).prop_map(Event::Request),
        1 => Just(Event::Unproven),
        3 => (0usize..8, 0u8..3).prop_map(|(which, kind)| Event::Answer(which, kind)),
        2 => (0usize..8).prop_map(Event::Gone),
        2 => Just(Event::Tick),
        2 => Just(Event::TakeOver),
        1 => (1u64..20).prop_map(Event::Later),
    ]
}

/// The environment of a gateway: the callouts that it made, and the requests that wait.
struct World {
    gate: Gateway,
    now: u64,
    last: StreamId,
    /// Requests that have not ended, with their tokens.
    open: BTreeMap<StreamId, usize>,
    ended: BTreeSet<StreamId>,
    /// Callouts in progress: on whose behalf, and for which token.
    callouts: BTreeMap<FlightId, (Option<StreamId>, usize)>,
    /// Whether a lost callout is to be made again.
    tick_due: bool,
    /// The request that was named when the last leader left.
    next: Option<StreamId>,
}

impl World {
    fn effects(&mut self, effects: Vec<Effect>, cause: Option<usize>) {
        for effect in effects {
            match effect {
                Effect::Decide { stream, decision } => {
                    let token = self.open.remove(&stream).expect("a request that is open");
                    assert!(self.ended.insert(stream), "a second end");
                    let Decision::Forward(forward) = decision else { continue };
                    let expected = format!("Bearer {}", jwt(json!({"sub": TOKENS[token], "exp": NOW + 100_000})));
                    assert_eq!(
                        authorization(&forward.mutations),
                        Some(expected),
                        "somebody else's token"
                    );
                }
                Effect::Run(Command::Introspect { stream, flight, .. }) => {
                    let token = cause
                        .or_else(|| self.lost_token(flight))
                        .expect("a callout has a cause");
                    self.callouts.insert(flight, (stream, token));
                }
                Effect::Run(Command::ReadEndedSessions { .. } | Command::Warn(_)) => {}
            }
        }
    }

    /// A callout that is made again was lost, and its record was kept.
    fn lost_token(&self, flight: FlightId) -> Option<usize> {
        self.callouts.get(&flight).map(|(_, token)| *token)
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Request(token) => {
                self.last += 1;
                self.open.insert(self.last, token);
                let lines = head(
                    "GET",
                    &[(
                        "cookie",
                        &format!(
                            "example-at={}",
                            seal_as(
                                bff_core::cookie::purpose::Purpose::AccessToken,
                                TOKENS[token],
                                SESSION,
                                u64::MAX
                            )
                        ),
                    )],
                );
                let effects = self.gate.ask(self.last, &lines, self.now);
                self.effects(effects, Some(token));
            }
            Event::Unproven => {
                self.last += 1;
                self.open.insert(self.last, usize::MAX);
                let effects = self.gate.ask(self.last, &head("GET", &[]), self.now);
                assert!(
                    matches!(
                        effects.as_slice(),
                        [Effect::Decide {
                            decision: Decision::Reject(_),
                            ..
                        }]
                    ),
                    "forwarded without proof"
                );
                self.effects(effects, None);
            }
            Event::Answer(which, kind) => {
                let alive: Vec<FlightId> = self
                    .callouts
                    .iter()
                    .filter(|(_, (owner, _))| owner.is_none_or(|owner| self.open.contains_key(&owner)))
                    .map(|(id, _)| *id)
                    .collect();
                let Some(id) = alive.get(which % alive.len().max(1)).copied() else {
                    return;
                };
                let (_, token) = self.callouts.remove(&id).unwrap();
                let answer = match kind {
                    0 => active(json!({"sub": TOKENS[token], "exp": NOW + 100_000})),
                    1 => answer(204, "", &[], ""),
                    _ => IntrospectionResponse::Failed,
                };
                let effects = self.gate.on_introspection(id, &answer, self.now);
                self.effects(effects, None);
                assert!(
                    !self.open.values().any(|waiting| *waiting == token),
                    "somebody still waits for an answer that came"
                );
            }
            Event::Gone(which) => {
                let Some(stream) = self.open.keys().nth(which % self.open.len().max(1)).copied() else {
                    return;
                };
                self.open.remove(&stream);
                self.ended.insert(stream);
                let next = self.gate.on_stream_end(stream);
                assert!(
                    next.is_none_or(|next| self.open.contains_key(&next)),
                    "somebody who has left"
                );
                self.tick_due |= next.is_some();
                self.next = next.or(self.next);
                let open = &self.open;
                if !self.tick_due {
                    self.callouts
                        .retain(|_, (owner, _)| owner.is_none_or(|owner| open.contains_key(&owner)));
                }
            }
            Event::Tick => {
                self.tick_due = false;
                let mut effects = self.gate.on_tick(NOW);
                effects.extend(self.gate.repeat_lost());
                self.effects(effects, None);
            }
            Event::TakeOver => {
                let effect = self.next.take().and_then(|next| self.gate.take_over(next));
                self.effects(Vec::from_iter(effect), None);
            }
            Event::Later(seconds) => self.now += seconds,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn each_request_ends_once_with_its_own_token_and_nobody_waits_for_ever(events in proptest::collection::vec(event(), 0..60)) {
        let gate = gate(json!({"phantom_token": {"token_cache_entries": 2}}));
        let mut world = World { gate, now: NOW, last: 0, open: BTreeMap::new(), ended: BTreeSet::new(), callouts: BTreeMap::new(), tick_due: false, next: None };
        for event in events {
            world.apply(event);
            // Two active tokens and two inactive ones.
            prop_assert!(world.gate.cached_responses() <= 4 && world.gate.cached_cookies() <= 4);
            prop_assert!(world.gate.in_flight() <= TOKENS.len());
        }
        // After a tick and a response to every callout, no request waits.
        world.apply(Event::Tick);
        for _ in 0..TOKENS.len() {
            world.apply(Event::Answer(0, 0));
        }
        prop_assert!(world.open.is_empty(), "waiting for ever: {:?}", world.open);
        prop_assert_eq!(world.gate.in_flight(), 0);
    }
}
