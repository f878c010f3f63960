//! The model: replicas that share one refresh through Redis, with an authorization server that rotates.
//!
//! All callers bring the same refresh token. A step is one script, or one thing that happens: to a request, to a replica, to
//! Redis. Time is in the order of the steps alone; where the protocol rests on a duration, the step that would end it too
//! early cannot be taken, and says which duration that is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use stateright::{Checker, Model, Path, Property};

use crate::memory::{Found, Memory, Outcome, Token, Tokens};
use crate::scripts::Step;

/// What the authorization server does when a refresh token is used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reuse {
    /// Ends the session.
    EndsTheSession,
    /// Refuses the second use, and nothing more.
    IsRefused,
}

/// The rules that the replicas follow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// Fencing tokens are random; else they are counted, by a counter that goes with the lock.
    pub random_tokens: bool,
    /// A lock that Redis has forgotten, or never had, is taken by whoever is at work; else it stays lost.
    pub lock_is_taken_again: bool,
    /// When Redis is back, nobody begins for as long as that takes.
    pub nobody_begins_at_once: bool,
    /// The failure of a replica that may have lost the lock does not count; else it does.
    pub failures_defer: bool,
    /// New tokens that could not be published are published when Redis is back.
    pub published_later: bool,
}

impl Rules {
    /// As they were.
    pub const BEFORE: Rules = Rules {
        random_tokens: false,
        lock_is_taken_again: false,
        nobody_begins_at_once: false,
        failures_defer: false,
        published_later: false,
    };
    /// As they are.
    pub const NOW: Rules = Rules {
        random_tokens: true,
        lock_is_taken_again: true,
        nobody_begins_at_once: true,
        failures_defer: true,
        published_later: true,
    };
}

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Replicas {
    pub replicas: usize,
    /// How many callers come to each, one after the other.
    pub callers: u8,
    pub rules: Rules,
    pub reuse: Reuse,
    /// Whether Redis may be away, and may come back without its memory.
    pub outages: bool,
}

/// More than there are flights.
const NEVER_COUNTED: Token = 100;

/// Where a replica is with its caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    Idle,
    /// Wants to join, or waits for another one's outcome.
    Joins {
        waited: bool,
    },
    /// Leads, and has not asked the authorization server yet.
    Leads(Flight),
    /// Has asked.
    Asked(Flight),
    /// Knows what came of it.
    Answered(Flight, Outcome),
    /// Has failed and lost the lock: what another replica gets counts.
    Defers(Flight, Outcome),
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flight {
    /// Its fencing token.
    token: Token,
    /// A number that the real thing does not have: which flight took the lock.
    number: u8,
    /// It began without Redis, with a refresh token that no other replica can have used.
    alone: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    memory: Memory,
    /// Which flight took the lock that is there.
    locked_by: Option<u8>,
    redis_is_up: bool,
    /// Redis is back, and replicas whose locks it has forgotten are to take them again.
    is_just_back: bool,
    replicas: Vec<Phase>,
    callers_left: Vec<u8>,
    /// Which replicas have the new tokens in their own memory.
    remembered: Vec<bool>,
    /// Flights whose new tokens could not be published while Redis was away.
    unpublished: Vec<Option<Flight>>,
    flights: u8,
    /// How often the authorization server has seen the refresh token.
    uses: u8,
    session_is_over: bool,
    /// Replica 0 got the refresh token since Redis is away: no other can have seen it there.
    is_news: bool,
    /// What may yet go wrong, each once.
    may_crash: bool,
    may_stall: bool,
    may_fail: bool,
    may_lose_answer: bool,
    may_go_away: bool,
    /// Something has happened after which nobody could know that the refresh token was used.
    is_excused: bool,
    /// Which rule was broken.
    published_for_another: bool,
    lied: bool,
    /// Whether some caller has the new tokens.
    is_renewed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    Come(usize),
    Join(usize),
    StopWaiting(usize),
    Keep(usize),
    Ask(usize),
    /// The authorization server does what it is asked for.
    Work(usize),
    /// The same, and its answer is lost.
    WorkForNobody(usize),
    /// It never gets to see the request, or fails before it uses the token.
    Fail(usize),
    Settle(usize),
    /// What could not be published while Redis was away.
    Publish(usize),
    Defer(usize),
    Crash(usize),
    /// The lock's holder does not prolong it in time, and is not dead.
    Stall,
    LockEnds,
    OutcomeEnds,
    RedisGoes,
    RedisIsBack {
        with_its_memory: bool,
    },
    TimeAfterReturnIsOver,
}

impl Replicas {
    fn has_lock(state: &State, flight: Flight) -> bool {
        state.memory.lock == Some(flight.token) && state.locked_by == Some(flight.number)
    }

    fn flight(phase: Phase) -> Option<Flight> {
        match phase {
            Phase::Leads(flight) | Phase::Asked(flight) | Phase::Answered(flight, _) => Some(flight),
            Phase::Idle | Phase::Joins { .. } | Phase::Defers(..) | Phase::Dead => None,
        }
    }

    /// Takes the lead, or whatever else is to be done.
    fn join(&self, state: &mut State, replica: usize, waited: bool) {
        if state.remembered[replica] {
            Self::tell(state, replica, Outcome::Renewed, true);
            return;
        }
        if !state.redis_is_up {
            if replica == 0 && state.is_news {
                self.lead(state, replica, None);
            } else {
                Self::tell(state, replica, Outcome::ForNow, true);
            }
            return;
        }
        let may_lead = !state.is_just_back;
        match state.memory.join(self.tokens(state), may_lead) {
            Found::Outcome(outcome) if waited || outcome == Outcome::Renewed => {
                Self::tell(state, replica, outcome, true);
            }
            Found::Outcome(outcome) => {
                state.memory.discard(outcome);
            }
            Found::Leads { token, .. } => self.lead(state, replica, Some(token)),
            Found::Busy => state.replicas[replica] = Phase::Joins { waited: true },
        }
    }

    fn tokens(&self, state: &State) -> Tokens {
        match self.rules.random_tokens {
            false => Tokens::Counted,
            true => Tokens::Random(state.flights + 1),
        }
    }

    /// With the lock that holds this token, or without any.
    fn lead(&self, state: &mut State, replica: usize, token: Option<Token>) {
        state.flights += 1;
        let number = state.flights;
        if token.is_some() {
            state.locked_by = Some(number);
        }
        let alone = token.is_none();
        // Without Redis: one by which the lock may be taken later, and which no counter comes to.
        let token = token.unwrap_or(NEVER_COUNTED + number);
        state.replicas[replica] = Phase::Leads(Flight { token, number, alone });
    }

    /// Answers the caller of a replica. `rightly`: the outcome is of whoever had the lock.
    fn tell(state: &mut State, replica: usize, outcome: Outcome, rightly: bool) {
        if outcome == Outcome::Renewed {
            (state.is_renewed, state.remembered[replica]) = (true, true);
        }
        if outcome == Outcome::Ended && !state.session_is_over && !rightly {
            state.lied = true;
        }
        state.replicas[replica] = Phase::Idle;
    }

    /// Whether it was published.
    fn publish(&self, state: &mut State, flight: Flight, outcome: Outcome) -> bool {
        let others = state.memory.lock.is_some() && !Self::has_lock(state, flight);
        let is_published = match self.rules.lock_is_taken_again {
            false => state.memory.settle_as_before(flight.token, outcome),
            true => state.memory.settle(flight.token, outcome),
        };
        if is_published {
            state.published_for_another |= others;
            state.locked_by = None;
        }
        is_published
    }

    /// The authorization server gets the request.
    fn work(&self, state: &mut State) -> Outcome {
        state.uses += 1;
        if state.session_is_over || state.uses > 1 {
            state.session_is_over |= self.reuse == Reuse::EndsTheSession;
            return Outcome::Ended;
        }
        Outcome::Renewed
    }

    /// Whether every replica that is at work has its lock, or has seen that another one has taken its place.
    fn all_have_told(state: &State) -> bool {
        let settled = |phase: &Phase| {
            Self::flight(*phase).is_none_or(|flight| {
                Self::has_lock(state, flight) || state.memory.lock.is_some() || state.memory.outcome.is_some()
            })
        };
        state.replicas.iter().all(settled) && state.unpublished.iter().all(Option::is_none)
    }

    fn holder(state: &State) -> Option<usize> {
        let holds = |phase: &Phase| Self::flight(*phase).is_some_and(|flight| Self::has_lock(state, flight));
        state.replicas.iter().position(holds)
    }
}

impl Model for Replicas {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let state = |redis_is_up: bool| State {
            memory: Memory::default(),
            locked_by: None,
            redis_is_up,
            is_just_back: false,
            replicas: vec![Phase::Idle; self.replicas],
            callers_left: vec![self.callers; self.replicas],
            remembered: vec![false; self.replicas],
            unpublished: vec![None; self.replicas],
            flights: 0,
            uses: 0,
            session_is_over: false,
            is_news: !redis_is_up,
            may_crash: true,
            may_stall: true,
            may_fail: true,
            may_lose_answer: true,
            may_go_away: redis_is_up && self.outages,
            is_excused: false,
            published_for_another: false,
            lied: false,
            is_renewed: false,
        };
        match self.outages {
            true => vec![state(true), state(false)],
            false => vec![state(true)],
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (replica, phase) in state.replicas.iter().enumerate() {
            match *phase {
                Phase::Idle if state.callers_left[replica] > 0 => actions.push(Action::Come(replica)),
                Phase::Idle | Phase::Dead => {}
                Phase::Joins { waited } => {
                    actions.push(Action::Join(replica));
                    if waited {
                        actions.push(Action::StopWaiting(replica));
                    }
                }
                Phase::Leads(_) => actions.push(Action::Ask(replica)),
                Phase::Asked(_) => {
                    actions.push(Action::Work(replica));
                    if state.may_lose_answer {
                        actions.push(Action::WorkForNobody(replica));
                    }
                    if state.may_fail {
                        actions.push(Action::Fail(replica));
                    }
                }
                Phase::Answered(..) => actions.push(Action::Settle(replica)),
                Phase::Defers(..) => actions.push(Action::Defer(replica)),
            }
            if state.unpublished[replica].is_some() && state.redis_is_up {
                actions.push(Action::Publish(replica));
            }
            if Self::flight(*phase).is_some() {
                if state.may_crash {
                    actions.push(Action::Crash(replica));
                }
                if self.rules.lock_is_taken_again && state.redis_is_up {
                    actions.push(Action::Keep(replica));
                }
            }
        }
        if state.memory.lock.is_some() {
            match Self::holder(state) {
                Some(_) if state.redis_is_up && state.may_stall => actions.push(Action::Stall),
                // Prolonged every second; it lives three.
                Some(_) if state.redis_is_up => {}
                Some(_) | None => actions.push(Action::LockEnds),
            }
        }
        let at_work = |phase: &Phase| Self::flight(*phase).is_some() || matches!(phase, Phase::Defers(..));
        let at_work = state.replicas.iter().any(at_work);
        // New tokens are there for as long as an exchange may take (with `refresh_replay_seconds` and `exchange_seconds` as they
        // are by default); a failure is not.
        if state
            .memory
            .outcome
            .is_some_and(|outcome| outcome != Outcome::Renewed || !at_work)
        {
            actions.push(Action::OutcomeEnds);
        }
        if state.redis_is_up && state.may_go_away {
            actions.push(Action::RedisGoes);
        }
        if !state.redis_is_up {
            for with_its_memory in [false, true] {
                actions.push(Action::RedisIsBack { with_its_memory });
            }
        }
        // Three seconds, in which a lock is prolonged every second.
        if state.is_just_back && (!self.rules.lock_is_taken_again || Self::all_have_told(state)) {
            actions.push(Action::TimeAfterReturnIsOver);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Come(replica) => {
                state.callers_left[replica] -= 1;
                state.replicas[replica] = Phase::Joins { waited: false };
            }
            Action::Join(replica) => {
                let Phase::Joins { waited } = state.replicas[replica] else {
                    return None;
                };
                self.join(&mut state, replica, waited);
            }
            Action::StopWaiting(replica) => Self::tell(&mut state, replica, Outcome::ForNow, true),
            Action::Keep(replica) => {
                let flight = Self::flight(state.replicas[replica])?;
                let was_free = state.memory.lock.is_none();
                if state.memory.keep(flight.token) && was_free {
                    state.locked_by = Some(flight.number);
                }
            }
            Action::Ask(replica) => state.replicas[replica] = Phase::Asked(Self::flight(state.replicas[replica])?),
            Action::Work(replica) => {
                let flight = Self::flight(state.replicas[replica])?;
                let outcome = self.work(&mut state);
                state.replicas[replica] = Phase::Answered(flight, outcome);
            }
            Action::WorkForNobody(replica) => {
                let flight = Self::flight(state.replicas[replica])?;
                self.work(&mut state);
                (state.may_lose_answer, state.is_excused) = (false, true);
                state.replicas[replica] = Phase::Answered(flight, Outcome::ForNow);
            }
            Action::Fail(replica) => {
                let flight = Self::flight(state.replicas[replica])?;
                state.may_fail = false;
                state.replicas[replica] = Phase::Answered(flight, Outcome::ForNow);
            }
            Action::Settle(replica) => {
                let Phase::Answered(flight, outcome) = state.replicas[replica] else {
                    return None;
                };
                if !state.redis_is_up {
                    if outcome == Outcome::Renewed && self.rules.published_later {
                        state.unpublished[replica] = Some(flight);
                    }
                    // Before Redis went away, another replica may have taken the place of this one.
                    let outcome = match outcome {
                        Outcome::Ended if self.rules.failures_defer && !flight.alone => Outcome::ForNow,
                        outcome => outcome,
                    };
                    Self::tell(&mut state, replica, outcome, flight.alone);
                    return Some(state);
                }
                if self.publish(&mut state, flight, outcome) {
                    Self::tell(&mut state, replica, outcome, true);
                } else if outcome == Outcome::Renewed || !self.rules.failures_defer {
                    Self::tell(&mut state, replica, outcome, flight.alone);
                } else {
                    state.replicas[replica] = Phase::Defers(flight, outcome);
                }
            }
            Action::Publish(replica) => {
                let flight = state.unpublished[replica].take()?;
                self.publish(&mut state, flight, Outcome::Renewed);
            }
            Action::Defer(replica) => {
                let Phase::Defers(_, outcome) = state.replicas[replica] else {
                    return None;
                };
                if !state.redis_is_up {
                    Self::tell(&mut state, replica, Outcome::ForNow, true);
                    return Some(state);
                }
                match state.memory.join(self.tokens(&state), !state.is_just_back) {
                    Found::Outcome(Outcome::Renewed) => Self::tell(&mut state, replica, Outcome::Renewed, true),
                    Found::Outcome(other) => {
                        state.memory.discard(other);
                    }
                    Found::Busy => {}
                    Found::Leads { token, .. } => {
                        self.lead(&mut state, replica, Some(token));
                        let flight = Self::flight(state.replicas[replica])?;
                        self.publish(&mut state, flight, outcome);
                        Self::tell(&mut state, replica, outcome, true);
                    }
                }
            }
            Action::Crash(replica) => {
                // A request that is on its way may be served after all; and what it got goes with it.
                state.is_excused |= !matches!(state.replicas[replica], Phase::Leads(_));
                state.may_crash = false;
                state.replicas[replica] = Phase::Dead;
            }
            Action::Stall => {
                (state.may_stall, state.is_excused) = (false, true);
                (state.memory.lock, state.locked_by) = (None, None);
            }
            Action::LockEnds => (state.memory.lock, state.locked_by) = (None, None),
            Action::OutcomeEnds => {
                // After the replay window, a refresh token that was used is what it is.
                if state.memory.outcome.take() == Some(Outcome::Renewed) {
                    state.is_excused = true;
                    state.remembered.fill(false);
                }
            }
            Action::RedisGoes => {
                state.may_go_away = false;
                state.redis_is_up = false;
            }
            Action::RedisIsBack { with_its_memory } => {
                state.redis_is_up = true;
                state.is_news = false;
                state.is_just_back = self.rules.nobody_begins_at_once;
                if !with_its_memory {
                    // New tokens that Redis has forgotten are in the hands of whoever got them, and of nobody else.
                    state.is_excused |= state.memory.outcome == Some(Outcome::Renewed);
                    state.memory = Memory::default();
                    state.locked_by = None;
                }
            }
            Action::TimeAfterReturnIsOver => state.is_just_back = false,
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONLY_THE_HOLDER, |_, state: &State| !state.published_for_another),
            Property::always(USED_ONCE, |_, state: &State| state.uses <= 1 || state.is_excused),
            Property::always(NO_LIE, |_, state: &State| !state.lied),
            Property::sometimes(RENEWED, |_, state: &State| state.is_renewed),
            Property::sometimes(TAKEN_OVER, |_, state: &State| {
                state.is_renewed && state.replicas.contains(&Phase::Dead)
            }),
        ]
    }
}

/// An old outcome never stands in the place of a newer one.
pub const ONLY_THE_HOLDER: &str = "an outcome is published by the flight that has the lock and no other";
pub const USED_ONCE: &str = "a refresh token is used once, unless nobody could know that it had been used";
pub const NO_LIE: &str = "nobody is told that the session has ended by a replica that had lost the lock";
/// These two show that the model does something.
pub const RENEWED: &str = "somebody gets new tokens";
pub const TAKEN_OVER: &str = "another replica takes the place of one that died";

/// What happens to Redis on the shortest way to each state, without those orders with which another one begins.
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
    let goes_on = |order: &Vec<Step>| {
        let next = orders.range::<Vec<Step>, _>((std::ops::Bound::Excluded(order), std::ops::Bound::Unbounded));
        next.take(1).any(|next| next.starts_with(order))
    };
    orders.iter().filter(|order| !goes_on(order)).cloned().collect()
}

/// What an action does to Redis.
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
            let waited = action_waited(before, action);
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
        | Action::TimeAfterReturnIsOver => Vec::new(),
    }
}

fn action_waited(before: &State, action: Action) -> bool {
    match action {
        Action::Join(replica) => matches!(before.replicas[replica], Phase::Joins { waited: true }),
        _ => false,
    }
}
