//! The requests of a gateway that wait for a flight: their own, or that of another request, which may be one of another
//! gateway.

use std::sync::Arc;
use std::time::Duration;

use super::attributes::StreamId;
use super::authorization_server::{ServerResponse, Step};
use super::config::{Endpoint, PhantomToken, Steps, TokenExchange};
use super::counters::Counter;
use super::effect::{Command, Decision, Effect};
use super::error_code::ErrorCode;
use super::pending_request::Waiting;
use super::rejection::Rejection;
use super::shared_cache::Slot;
use super::single_flight::{FlightContent, FlightId, Introspected};
use super::token_exchange::{self, Subject};
use super::token_memory::{Joined, TokenMemory};
use super::token_state::{InactiveReason, TokenOutcome, TokenState};
use super::{Gateway, count_inactive, introspection};
use crate::cookie::session_id::SessionId;
use crate::request::trace_context::TraceHeader;

/// Time between the time limit of a flight's callouts and the deadline of a request that waits for it. A shell looks
/// for deadlines twice a second, so that no request waits a second longer than the time limit.
const MARGIN: Duration = Duration::from_millis(400);

impl Gateway {
    /// Returns the two slots of the host's shared data that may have the information about the token of a request that waits.
    /// Pass the values of the slots to [`Gateway::on_shared_value`] before [`Gateway::call_out`].
    pub fn shared_slots(&self, stream: StreamId) -> Option<[Slot; 2]> {
        let shared = self.cache.as_ref()?.shared.as_ref()?;
        Some(shared.slots(&self.waiting.get(&stream)?.key))
    }

    /// Handles a value of the host's shared data for a request that waits, at the time `now`, in seconds since 1970. `None`:
    /// it does not have the information about the token.
    pub fn on_shared_value(&mut self, stream: StreamId, slot: Slot, value: &[u8], now: u64) -> Option<Effect> {
        let key = self.waiting.get(&stream)?.key;
        let cache = self.cache.as_ref()?;
        let (info, expires_at) = cache.shared.as_ref()?.find(&key, slot, value, now)?;
        let info = Arc::new(info);
        cache.memory.put(key, Arc::clone(&info), expires_at);
        self.counters.add(Counter::SharedCacheHit);
        let state = TokenState::Active(info);
        self.decide(stream, &TokenOutcome::Known { state, expires_at }, now)
    }

    /// Begins a flight for a request that waits for one, or lets it wait for that of another request, at the time `now`
    /// (since 1970). If the token has become known in the meantime, decides on the request. `None`: the effect follows
    /// when the other flight ends.
    pub fn call_out(&mut self, stream: StreamId, now: Duration) -> Option<Effect> {
        let limit = self.config.phantom_token.as_ref()?.time_limit().saturating_add(MARGIN);
        self.waiting.get_mut(&stream)?.deadline = now.saturating_add(limit);
        self.join(stream, now.as_secs())
    }

    fn join(&mut self, stream: StreamId, now: u64) -> Option<Effect> {
        let stage = self.config.phantom_token.as_ref()?;
        let waiting = self.waiting.get_mut(&stream)?;
        let token = std::mem::take(&mut waiting.token);
        match waiting.memory.join(&waiting.key, &token, stream, now) {
            Joined::Leads(flight) => {
                let content = FlightContent {
                    token,
                    introspected: None,
                };
                Some(next_callout(stage, flight, &content, waiting.trace.clone()))
            }
            Joined::Waits => {
                self.counters.add(Counter::Joined);
                None
            }
            Joined::Active(info, expires_at) => {
                let state = TokenState::Active(info);
                self.decide(stream, &TokenOutcome::Known { state, expires_at }, now)
            }
        }
    }

    /// Handles the response of the authorization server, or the failure of the callout, at the time `now`, in seconds
    /// since 1970.
    pub fn on_server_response(&mut self, flight: FlightId, response: &ServerResponse, now: u64) -> Vec<Effect> {
        let (Some(stage), Some(cache)) = (&self.config.phantom_token, &self.cache) else {
            return Vec::new();
        };
        // If the client secret was replaced in the meantime, the requests that wait have the memory of the flight.
        let waiting = self.waiting.values().filter(|waiting| waiting.key == flight.key);
        let memories = std::iter::once(&cache.memory).chain(waiting.map(|waiting| &waiting.memory));
        let found = memories
            .into_iter()
            .find_map(|memory| Some((Arc::clone(memory), memory.content(flight)?)));
        let Some((memory, content)) = found else {
            return Vec::new();
        };
        let (step, mut outcome) = match next_step(stage, &content) {
            NextStep::Introspection(_) => {
                let outcome = introspection::classify(stage, &content.token, response, now);
                (Step::Introspection, outcome)
            }
            NextStep::Exchange(exchange) => {
                let introspected = content.introspected.as_ref();
                let subject = Subject {
                    token: &content.token,
                    introspected: introspected.map(|(info, until)| (&**info, *until)),
                };
                let outcome = token_exchange::classify(stage, exchange, subject, response, now);
                (Step::Exchange, outcome)
            }
        };
        match &outcome {
            TokenOutcome::Known {
                state: TokenState::Inactive(InactiveReason::ExpiredHere { seconds, .. }),
                ..
            } => {
                self.counters.add(Counter::ClocksDiffer);
                self.notices.clocks_differ(*seconds);
            }
            // An active token has not expired, so only the response's `Cache-Control` can forbid caching it.
            TokenOutcome::Known {
                state: TokenState::Active(_),
                expires_at,
            } if step == Step::Introspection && *expires_at <= now && stage.cache_seconds > 0 => {
                self.notices.not_cached()
            }
            TokenOutcome::Known { .. } => {}
            TokenOutcome::Unusable(_) | TokenOutcome::TimedOut(_) => self.counters.add(match step {
                Step::Introspection => Counter::IntrospectionFailed,
                Step::Exchange => Counter::ExchangeFailed,
            }),
        }
        if step == Step::Introspection
            && let Some(exchange) = stage.steps.exchange()
            && let TokenOutcome::Known {
                state: TokenState::Active(info),
                expires_at,
            } = &outcome
        {
            match token_exchange::check_subject(exchange, info) {
                Ok(()) => {
                    let introspected = (Arc::clone(info), *expires_at);
                    return self.exchange(&memory, flight, content, introspected);
                }
                Err(reason) => outcome = TokenOutcome::inactive(stage, reason, now),
            }
        }
        self.end_flight(&memory, flight, outcome, now)
    }

    /// Exchanges a token that introspection has called active.
    fn exchange(
        &mut self,
        memory: &Arc<TokenMemory>,
        flight: FlightId,
        content: FlightContent,
        introspected: Introspected,
    ) -> Vec<Effect> {
        let (Some(stage), Some(cache)) = (&self.config.phantom_token, &self.cache) else {
            return Vec::new();
        };
        if !Arc::ptr_eq(memory, &cache.memory) {
            // The client secret was replaced. What the new one obtains is not for requests that wait with the previous
            // one.
            let next = memory.lose(flight);
            return Vec::from_iter(next.map(|stream| Effect::Run(Command::TakeOver { stream })));
        }
        let Some(flight) = memory.advance(flight, introspected.clone()) else {
            return Vec::new();
        };
        let leader = flight.leader().and_then(|stream| self.waiting.get(&stream));
        let trace = leader.map(|waiting| waiting.trace.clone()).unwrap_or_default();
        let content = FlightContent {
            introspected: Some(introspected),
            ..content
        };
        vec![next_callout(stage, flight, &content, trace)]
    }

    /// Ends a flight with its outcome.
    fn end_flight(&mut self, memory: &TokenMemory, flight: FlightId, outcome: TokenOutcome, now: u64) -> Vec<Effect> {
        let Some(cache) = &mut self.cache else {
            return Vec::new();
        };
        let entry = cache.shared_entry(flight, &outcome, now);
        let waiters = cache.end(memory, flight, &outcome, now);
        let outcome = Arc::new(outcome);
        let share = |stream| {
            let outcome = Arc::clone(&outcome);
            Effect::Run(Command::Share { stream, outcome })
        };
        let decisions = waiters
            .into_iter()
            .map(|stream| self.decide(stream, &outcome, now).unwrap_or_else(|| share(stream)));
        let store = entry.map(|entry| Effect::Run(Command::Store(entry)));
        decisions.chain(store).collect()
    }

    /// Handles the outcome of a flight that another gateway has ended, for a request that waits here
    /// ([`Command::Share`]), at the time `now`, in seconds since 1970.
    pub fn on_outcome(&mut self, stream: StreamId, outcome: &TokenOutcome, now: u64) -> Option<Effect> {
        let key = self.waiting.get(&stream)?.key;
        self.cache.as_mut()?.learn(key, outcome, now);
        self.decide(stream, outcome, now)
    }

    /// Decides on a request that waits here, at the time `now`, in seconds since 1970; `None` if it does not wait.
    pub(super) fn decide(&mut self, stream: StreamId, outcome: &TokenOutcome, now: u64) -> Option<Effect> {
        let waiting = self.waiting.remove(&stream)?;
        let has_ended = |(session, began_at): &(SessionId, u64)| self.ended.list().has_ended(session, *began_at);
        let decision = if waiting.session.as_ref().is_some_and(has_ended) {
            // The session ended while the request waited.
            Decision::Reject(Rejection::unauthorized("the session has ended"))
        } else {
            match outcome {
                TokenOutcome::Known { state, .. } => match state {
                    TokenState::Active(info) => {
                        let stage = self.config.phantom_token.as_ref();
                        let certificate = || waiting.peer_certificate;
                        waiting
                            .request
                            .with_active_token(stage, &self.streams, info, now, certificate)
                    }
                    TokenState::Inactive(reason) => {
                        count_inactive(&mut self.counters, &mut self.notices, waiting.request.source, *reason);
                        waiting.request.with_inactive_token(*reason)
                    }
                },
                TokenOutcome::Unusable(details) => {
                    Decision::Reject(Rejection::new(ErrorCode::AuthorizationServerError, details))
                }
                TokenOutcome::TimedOut(step) => Decision::Reject(Rejection::new(
                    ErrorCode::AuthorizationServerTimeout,
                    match step {
                        Step::Introspection => "introspection timed out: no response within timeout_ms, or HTTP 504",
                        Step::Exchange => "token exchange timed out: no response within timeout_ms, or HTTP 504",
                    },
                )),
            }
        };
        self.decided(stream, &decision);
        Some(Effect::Decide { stream, decision })
    }

    /// Handles the end of a request: it was answered, its response has ended, or its caller has disconnected. `Some`:
    /// the callout that this other request waits for was lost. Call [`Gateway::take_over`] of its gateway, or
    /// [`Gateway::repeat_lost`], as soon as possible.
    pub fn on_stream_end(&mut self, stream: StreamId) -> Option<StreamId> {
        self.streams.close(stream);
        let waiting = self.waiting.remove(&stream)?;
        waiting.memory.leave(&waiting.key, stream)
    }

    /// Decides on the requests that have waited for too long, at the time `now` (since 1970). Their flights continue for
    /// others.
    pub fn on_deadlines(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_due = |(stream, waiting): (&StreamId, &Waiting)| (waiting.deadline <= now).then_some(*stream);
        let due: Vec<StreamId> = self.waiting.iter().filter_map(is_due).collect();
        let step = match self.config.phantom_token.as_ref().map(|stage| &stage.steps) {
            Some(Steps::Exchange(_)) => Step::Exchange,
            // A callout for the second step has a time limit of its own.
            Some(Steps::Introspect(_) | Steps::Both(..)) | None => Step::Introspection,
        };
        for stream in due {
            let waiting = self.waiting.get(&stream);
            let next = waiting.and_then(|waiting| waiting.memory.leave(&waiting.key, stream));
            effects.extend(self.decide(stream, &TokenOutcome::TimedOut(step), now.as_secs()));
            effects.extend(next.map(|stream| Effect::Run(Command::TakeOver { stream })));
        }
        effects
    }

    /// If the callout that this request waits for was lost with another request, repeats it on behalf of this one, at
    /// the time `now`, in seconds since 1970.
    pub fn take_over(&mut self, stream: StreamId, now: u64) -> Vec<Effect> {
        let (Some(stage), Some(cache)) = (&self.config.phantom_token, &self.cache) else {
            return Vec::new();
        };
        let Some(waiting) = self.waiting.get_mut(&stream) else {
            return Vec::new();
        };
        let Some((flight, content)) = waiting.memory.take_over(&waiting.key, stream) else {
            return Vec::new();
        };
        if Arc::ptr_eq(&waiting.memory, &cache.memory) {
            return vec![next_callout(stage, flight, &content, waiting.trace.clone())];
        }
        // The client secret was replaced. What the new one obtains is not for requests that wait with the previous one.
        let next = waiting.memory.leave(&waiting.key, stream);
        waiting.memory = Arc::clone(&cache.memory);
        waiting.key = cache.key(&content.token);
        waiting.token = content.token;
        let effects = next.map(|stream| Effect::Run(Command::TakeOver { stream }));
        effects.into_iter().chain(self.join(stream, now)).collect()
    }

    /// Repeats the callouts that were lost with their requests, on behalf of no request.
    pub fn repeat_lost(&mut self) -> Vec<Effect> {
        let (Some(stage), Some(cache)) = (&self.config.phantom_token, &self.cache) else {
            return Vec::new();
        };
        let lost = cache.memory.take_lost().into_iter();
        lost.map(|(flight, content)| next_callout(stage, flight, &content, Vec::new()))
            .collect()
    }
}

/// What a flight waits for next.
enum NextStep<'a> {
    Introspection(&'a Endpoint),
    Exchange(&'a TokenExchange),
}

fn next_step<'a>(stage: &'a PhantomToken, content: &FlightContent) -> NextStep<'a> {
    match &stage.steps {
        Steps::Introspect(endpoint) => NextStep::Introspection(endpoint),
        Steps::Exchange(exchange) => NextStep::Exchange(exchange),
        Steps::Both(endpoint, exchange) => match content.introspected {
            None => NextStep::Introspection(endpoint),
            Some(_) => NextStep::Exchange(exchange),
        },
    }
}

/// Makes the effect that begins the next callout of a flight. `trace`: the trace context of the request on whose behalf
/// the callout is made, as headers.
fn next_callout(stage: &PhantomToken, flight: FlightId, content: &FlightContent, trace: Vec<TraceHeader>) -> Effect {
    let request = match next_step(stage, content) {
        NextStep::Introspection(endpoint) => introspection::request(stage, endpoint, &content.token, trace),
        NextStep::Exchange(exchange) => token_exchange::request(stage, exchange, &content.token, trace),
    };
    Effect::Run(Command::CallOut { flight, request })
}
