//! Replicas that share one refresh through Redis, with an authorization server that rotates refresh tokens: their state, and
//! their steps. All callers send the same refresh token.

use crate::memory::{Found, Memory, Outcome, Token, Tokens};

/// What the authorization server does when a refresh token is used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reuse {
    /// Ends the session.
    EndsTheSession,
    /// Rejects only the second use.
    IsRefused,
}

/// The rules that the replicas follow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// Fencing tokens are random. If false, a counter, which is deleted with the lock, makes them.
    pub random_tokens: bool,
    /// The replica at work takes a lock that Redis has forgotten or never had. If false, the lock stays lost.
    pub lock_is_taken_again: bool,
    /// When Redis is back, no replica begins for as long as that takes.
    pub nobody_begins_at_once: bool,
    /// The failure of a replica that may have lost the lock does not count. If false, it does.
    pub failures_defer: bool,
    /// New tokens that could not be published are published when Redis is back.
    pub published_later: bool,
}

impl Rules {
    /// The former rules.
    pub const BEFORE: Rules = Rules {
        random_tokens: false,
        lock_is_taken_again: false,
        nobody_begins_at_once: false,
        failures_defer: false,
        published_later: false,
    };
    /// The present rules.
    pub const NOW: Rules = Rules {
        random_tokens: true,
        lock_is_taken_again: true,
        nobody_begins_at_once: true,
        failures_defer: true,
        published_later: true,
    };
}

/// The parameters of a check.
#[derive(Clone, Copy, Debug)]
pub struct Replicas {
    pub replicas: usize,
    /// The number of callers of each replica, one after the other.
    pub callers: u8,
    pub rules: Rules,
    pub reuse: Reuse,
    /// Whether Redis may have an outage, and may lose its memory in it.
    pub outages: bool,
}

/// More than the number of flights.
const NEVER_COUNTED: Token = 100;

/// The state of a replica with its caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    Idle,
    /// It wants to join, or waits for another replica's outcome.
    Joins {
        waited: bool,
    },
    /// It leads, and has not sent the request to the authorization server yet.
    Leads(Flight),
    /// It has sent the request.
    Asked(Flight),
    /// It knows the outcome.
    Answered(Flight, Outcome),
    /// It has failed and lost the lock: another replica's outcome counts.
    Defers(Flight, Outcome),
    Dead,
}

/// One attempt to refresh.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flight {
    /// Its fencing token.
    pub token: Token,
    /// The number of the flight that took the lock, which only the model has.
    pub number: u8,
    /// It began without Redis, with a refresh token that no other replica can have used.
    pub alone: bool,
}

/// The state of the replicas, of Redis and of the authorization server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub memory: Memory,
    /// The flight that holds the lock.
    pub locked_by: Option<u8>,
    pub redis_is_up: bool,
    /// Redis is back, and replicas must take the locks again that it has forgotten.
    pub is_just_back: bool,
    pub replicas: Vec<Phase>,
    pub callers_left: Vec<u8>,
    /// The replicas that have the new tokens in their own memory.
    pub remembered: Vec<bool>,
    /// Flights whose new tokens could not be published during the outage of Redis.
    pub unpublished: Vec<Option<Flight>>,
    pub flights: u8,
    /// How often the authorization server has received the refresh token.
    pub uses: u8,
    pub is_session_ended: bool,
    /// Replica 0 received the refresh token during the outage of Redis: no other replica can have seen it there.
    pub is_news: bool,
    /// The faults that may still occur, each once.
    pub may_crash: bool,
    pub may_stall: bool,
    pub may_fail: bool,
    pub may_lose_response: bool,
    pub may_go_away: bool,
    /// Since an event, no replica can know that the refresh token was used.
    pub is_excused: bool,
    /// Whether the rules `ONLY_THE_HOLDER` and `NO_LIE` were broken.
    pub published_for_another: bool,
    pub lied: bool,
    /// Whether a caller has the new tokens.
    pub is_renewed: bool,
}

impl Replicas {
    /// Whether the lock in Redis is this flight's, and not only one with the same fencing token.
    pub fn has_lock(state: &State, flight: Flight) -> bool {
        state.memory.lock == Some(flight.token) && state.locked_by == Some(flight.number)
    }

    /// The flight of a replica that leads.
    pub fn flight(phase: Phase) -> Option<Flight> {
        match phase {
            Phase::Leads(flight) | Phase::Asked(flight) | Phase::Answered(flight, _) => Some(flight),
            Phase::Idle | Phase::Joins { .. } | Phase::Defers(..) | Phase::Dead => None,
        }
    }

    /// Takes the lead, or does the next other step.
    pub fn join(&self, state: &mut State, replica: usize, waited: bool) {
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

    /// How the next fencing token is made.
    pub fn tokens(&self, state: &State) -> Tokens {
        match self.rules.random_tokens {
            false => Tokens::Counted,
            true => Tokens::Random(state.flights + 1),
        }
    }

    /// Lets a replica lead, with the lock that holds this token, or without any.
    pub fn lead(&self, state: &mut State, replica: usize, token: Option<Token>) {
        state.flights += 1;
        let number = state.flights;
        if token.is_some() {
            state.locked_by = Some(number);
        }
        let alone = token.is_none();
        // Without Redis: a token by which the lock may be taken later, and which no counter reaches.
        let token = token.unwrap_or(NEVER_COUNTED + number);
        state.replicas[replica] = Phase::Leads(Flight { token, number, alone });
    }

    /// Returns an outcome to the caller of a replica. `rightly`: the outcome is of the lock's holder.
    pub fn tell(state: &mut State, replica: usize, outcome: Outcome, rightly: bool) {
        if outcome == Outcome::Renewed {
            (state.is_renewed, state.remembered[replica]) = (true, true);
        }
        if outcome == Outcome::Ended && !state.is_session_ended && !rightly {
            state.lied = true;
        }
        state.replicas[replica] = Phase::Idle;
    }

    /// Returns whether the outcome was published.
    pub fn publish(&self, state: &mut State, flight: Flight, outcome: Outcome) -> bool {
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

    /// The authorization server receives the request.
    pub fn work(&self, state: &mut State) -> Outcome {
        state.uses += 1;
        if state.is_session_ended || state.uses > 1 {
            state.is_session_ended |= self.reuse == Reuse::EndsTheSession;
            return Outcome::Ended;
        }
        Outcome::Renewed
    }

    /// Whether every replica at work has its lock, or has seen that another one has replaced it.
    pub fn has_every_lock_been_retaken(state: &State) -> bool {
        let settled = |phase: &Phase| {
            Self::flight(*phase).is_none_or(|flight| {
                Self::has_lock(state, flight) || state.memory.lock.is_some() || state.memory.outcome.is_some()
            })
        };
        state.replicas.iter().all(settled) && state.unpublished.iter().all(Option::is_none)
    }

    /// The replica at work that holds the lock.
    pub fn holder(state: &State) -> Option<usize> {
        let holds = |phase: &Phase| Self::flight(*phase).is_some_and(|flight| Self::has_lock(state, flight));
        state.replicas.iter().position(holds)
    }
}
