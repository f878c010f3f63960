//! The invariants hold under any sequence of events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::authorization_server::{ServerResponse, Step};
use bff_core::gateway::effect::{Command, Decision, Effect};
use bff_core::gateway::single_flight::FlightId;
use bff_core::gateway::token_state::TokenOutcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

const TOKENS: [&str; 3] = ["one", "two", "three"];

#[derive(Clone, Debug)]
enum Event {
    /// A request with this token.
    Request(usize),
    /// A request without a credential.
    Unproven,
    /// The nth callout in progress is answered: active or exchanged, inactive, or failed.
    Respond(usize, u8),
    /// The client of the nth waiting request disconnects.
    Gone(usize),
    Tick,
    /// The nth message between the requests arrives.
    Message(usize),
    /// This many seconds pass.
    Later(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..TOKENS.len()).prop_map(Event::Request),
        1 => Just(Event::Unproven),
        3 => (0usize..8, 0u8..3).prop_map(|(which, kind)| Event::Respond(which, kind)),
        2 => (0usize..8).prop_map(Event::Gone),
        2 => Just(Event::Tick),
        3 => (0usize..4).prop_map(Event::Message),
        1 => (1u64..20).prop_map(Event::Later),
    ]
}

/// What a request has for another one.
enum Message {
    Learn(Arc<TokenOutcome>),
    TakeOver,
}

/// The environment of gateways with one memory: the callouts that they made, and the requests that wait.
struct World {
    gateways: Vec<Gateway>,
    now: u64,
    last: StreamId,
    /// Requests that have not ended, with their tokens. Each is of one of the gateways, by its number.
    open: BTreeMap<StreamId, usize>,
    ended: BTreeSet<StreamId>,
    /// Callouts: for which token and step.
    callouts: BTreeMap<FlightId, (usize, Step)>,
    /// Whether an active token is exchanged.
    exchanges: bool,
    messages: VecDeque<(StreamId, Message)>,
}

impl World {
    fn effects(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Decide { stream, decision } => {
                    let token = self.open.remove(&stream).expect("a request that is open");
                    assert!(self.ended.insert(stream), "a second end");
                    let Decision::Forward(forward) = decision else { continue };
                    let expected = format!("Bearer {}", jwt(claims(token)));
                    assert_eq!(
                        authorization(&forward.mutations),
                        Some(expected),
                        "somebody else's token"
                    );
                }
                Effect::Run(Command::CallOut { flight, request }) => {
                    let body = std::str::from_utf8(&request.body).unwrap();
                    let is_for = |token: &&str| body.contains(&format!("token={token}"));
                    let token = TOKENS.iter().position(is_for).expect("a token");
                    self.callouts.insert(flight, (token, request.step));
                }
                Effect::Run(Command::Share { stream, outcome }) => {
                    self.messages.push_back((stream, Message::Learn(outcome)));
                }
                Effect::Run(Command::TakeOver { stream }) => self.messages.push_back((stream, Message::TakeOver)),
                Effect::Run(Command::Store(_) | Command::PollEndedSessions { .. } | Command::Warn(_)) => {}
            }
        }
    }

    /// The gateway of a request.
    fn gateway(&mut self, stream: StreamId) -> &mut Gateway {
        let index = usize::try_from(stream).unwrap() % self.gateways.len();
        &mut self.gateways[index]
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
                let (last, now) = (self.last, self.now);
                let effects = self.gateway(last).ask(last, &lines, now);
                self.effects(effects);
            }
            Event::Unproven => {
                self.last += 1;
                self.open.insert(self.last, usize::MAX);
                let (last, now) = (self.last, self.now);
                let effects = self.gateway(last).ask(last, &head("GET", &[]), now);
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
                self.effects(effects);
            }
            Event::Respond(which, kind) => {
                let alive: Vec<FlightId> = self
                    .callouts
                    .keys()
                    .filter(|id| id.leader().is_none_or(|leader| self.open.contains_key(&leader)))
                    .copied()
                    .collect();
                let Some(id) = alive.get(which % alive.len().max(1)).copied() else {
                    return;
                };
                let (token, step) = self.callouts.remove(&id).unwrap();
                let response = match (kind, step) {
                    (0, Step::Introspection) if self.exchanges => {
                        response(200, "application/json", &[], &json!({"active": true}).to_string())
                    }
                    (0, Step::Introspection) => active(claims(token)),
                    (0, Step::Exchange) => exchanged(&jwt(claims(token))),
                    (1, Step::Introspection) => response(204, "", &[], ""),
                    (1, Step::Exchange) => response(
                        400,
                        "application/json",
                        &[],
                        &json!({"error": "invalid_grant"}).to_string(),
                    ),
                    _ => ServerResponse::Failed,
                };
                let now = self.now;
                let effects = self
                    .gateway(id.leader().unwrap_or(0))
                    .on_server_response(id, &response, now);
                self.effects(effects);
                if self.exchanges && kind == 0 && step == Step::Introspection {
                    let is_next = |(id, what): (&FlightId, &(usize, Step))| {
                        *what == (token, Step::Exchange)
                            && id.leader().is_none_or(|leader| self.open.contains_key(&leader))
                    };
                    assert!(self.callouts.iter().any(is_next), "no exchange after introspection");
                    return;
                }
                let told: BTreeSet<StreamId> = self.messages.iter().map(|(stream, _)| *stream).collect();
                assert!(
                    !self
                        .open
                        .iter()
                        .any(|(stream, waiting)| *waiting == token && !told.contains(stream)),
                    "somebody still waits for a response that came"
                );
            }
            Event::Gone(which) => {
                let Some(stream) = self.open.keys().nth(which % self.open.len().max(1)).copied() else {
                    return;
                };
                self.open.remove(&stream);
                self.ended.insert(stream);
                let next = self.gateway(stream).on_stream_end(stream);
                assert!(
                    next.is_none_or(|next| self.open.contains_key(&next)),
                    "somebody who has left"
                );
                self.messages.extend(next.map(|next| (next, Message::TakeOver)));
            }
            Event::Tick => {
                let mut effects = Vec::new();
                for gateway in &mut self.gateways {
                    effects.extend(gateway.on_tick(NOW));
                }
                // A worker of its own repeats what was lost, on behalf of no request.
                if self.gateways.len() == 1 {
                    effects.extend(self.gateways[0].repeat_lost());
                }
                self.effects(effects);
            }
            Event::Message(which) => {
                let Some((stream, message)) = self.messages.remove(which % self.messages.len().max(1)) else {
                    return;
                };
                let now = self.now;
                let effects = match message {
                    Message::Learn(outcome) => Vec::from_iter(self.gateway(stream).on_outcome(stream, &outcome, now)),
                    Message::TakeOver => self.gateway(stream).take_over(stream, now),
                };
                self.effects(effects);
            }
            Event::Later(seconds) => self.now += seconds,
        }
    }
}

/// The claims of the JWT that the API gets for a token.
fn claims(token: usize) -> Value {
    json!({"sub": TOKENS[token], "exp": NOW + 100_000})
}

fn run(gateways: Vec<Gateway>, exchanges: bool, events: Vec<Event>) {
    let count = gateways.len();
    let mut world = World {
        gateways,
        now: NOW,
        last: 0,
        open: BTreeMap::new(),
        ended: BTreeSet::new(),
        callouts: BTreeMap::new(),
        exchanges,
        messages: VecDeque::new(),
    };
    for event in events {
        world.apply(event);
        for gateway in &world.gateways {
            // Of a gateway with a memory of its own: two active tokens and two inactive ones.
            assert!(count > 1 || gateway.cached_responses() <= 4);
            assert!(gateway.cached_inactive() <= 2 && gateway.cached_cookies() <= 4);
            assert!(gateway.in_flight() <= TOKENS.len());
        }
    }
    // After a tick, all messages and a response to every callout, no request waits.
    world.apply(Event::Tick);
    let steps = if exchanges { 2 } else { 1 };
    for _ in 0..TOKENS.len() * steps {
        while !world.messages.is_empty() {
            world.apply(Event::Message(0));
        }
        world.apply(Event::Respond(0, 0));
    }
    while !world.messages.is_empty() {
        world.apply(Event::Message(0));
    }
    assert!(world.open.is_empty(), "waiting for ever: {:?}", world.open);
    assert!(world.gateways.iter().all(|gateway| gateway.in_flight() == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn each_request_ends_once_with_its_own_token_and_nobody_waits_for_ever(events in proptest::collection::vec(event(), 0..60)) {
        run(vec![gateway(json!({"phantom_token": {"token_cache_entries": 2}}))], false, events);
    }

    #[test]
    fn the_same_holds_for_gateways_that_share_a_memory(events in proptest::collection::vec(event(), 0..60)) {
        run(gateways_with_one_memory(3, json!({"phantom_token": {"token_cache_entries": 2}})), false, events);
    }

    #[test]
    fn the_same_holds_with_introspection_and_token_exchange(events in proptest::collection::vec(event(), 0..60)) {
        let settings = json!({"phantom_token": {"token_cache_entries": 2, "token_exchange": exchange_for("orders")}});
        run(vec![gateway(settings.clone())], true, events.clone());
        run(gateways_with_one_memory(3, settings), true, events);
    }
}
