//! The model: what can happen to the replicas, in every order.
//!
//! A step is one script, or one event: of a request, of a replica, of Redis. Time is only the order of the steps.
//! Where the protocol depends on a duration, the step that would end it too early is impossible, and its comment names the
//! duration.

use stateright::{Model, Property};

use crate::memory::{Found, Memory, Outcome};
use crate::replicas::{Phase, Replicas, State};

/// A rule, so that an old outcome never replaces a newer one.
pub const ONLY_THE_HOLDER: &str = "an outcome is published by the flight that has the lock and no other";
/// A rule, so that the authorization server does not end the session.
pub const USED_ONCE: &str = "a refresh token is used once, unless nobody could know that it had been used";
/// A rule, so that no user signs in again who need not.
pub const NO_LIE: &str = "nobody is told that the session has ended by a replica that had lost the lock";
/// What a model without progress would never reach.
pub const RENEWED: &str = "somebody gets new tokens";
/// The same for a replica that crashed.
pub const TAKEN_OVER: &str = "another replica takes the place of one that died";

/// A step: of the replica with this number, of a lock, of an outcome, of Redis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// A caller arrives.
    Come(usize),
    Join(usize),
    StopWaiting(usize),
    Keep(usize),
    Ask(usize),
    /// The authorization server processes the request.
    Work(usize),
    /// The authorization server processes the request, and its response is lost.
    WorkForNobody(usize),
    /// The authorization server never receives the request, or fails before it uses the token.
    Fail(usize),
    Settle(usize),
    /// Publishes an outcome that could not be published while Redis was away.
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
    TimeAfterReturnEnds,
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
            is_session_ended: false,
            is_news: !redis_is_up,
            may_crash: true,
            may_stall: true,
            may_fail: true,
            may_lose_response: true,
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
                    if state.may_lose_response {
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
                // Prolonged every second. Its lifetime is three seconds.
                Some(_) if state.redis_is_up => {}
                Some(_) | None => actions.push(Action::LockEnds),
            }
        }
        let at_work = |phase: &Phase| Self::flight(*phase).is_some() || matches!(phase, Phase::Defers(..));
        let at_work = state.replicas.iter().any(at_work);
        // New tokens stay as long as an exchange may take (with the defaults of `refresh_replay_seconds` and
        // `exchange_seconds`). A failure does not.
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
        if state.is_just_back && (!self.rules.lock_is_taken_again || Self::has_every_lock_been_retaken(state)) {
            actions.push(Action::TimeAfterReturnEnds);
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
                (state.may_lose_response, state.is_excused) = (false, true);
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
                    // Before the outage of Redis, another replica may have replaced this one.
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
                // A request on its way may still be processed. Its response is lost.
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
                // After the replay window, a used refresh token is no longer replayed.
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
                    // New tokens that Redis has forgotten are held only by the callers that received them.
                    state.is_excused |= state.memory.outcome == Some(Outcome::Renewed);
                    state.memory = Memory::default();
                    state.locked_by = None;
                }
            }
            Action::TimeAfterReturnEnds => state.is_just_back = false,
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
