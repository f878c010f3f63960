//! A worker: a gateway, and the execution of its effects.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::authorization_server::{ServerRequest, ServerResponse};
use bff_core::gateway::config::{Config, PhantomToken};
use bff_core::gateway::effect::{Command, Decision, Effect, Forward, ResponseContext};
use bff_core::gateway::rejection::Rejection;
use bff_core::gateway::shared_cache::SharedEntry;
use bff_core::gateway::single_flight::FlightId;
use bff_core::gateway::token_state::TokenOutcome;
use bff_core::request::head::RequestHead;

use crate::host::{Callout, CalloutRequest, Host, Level, RequestHost};
use crate::local_reply::RejectionTexts;

/// Time limit for a poll of the list of ended sessions.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of that list, in bytes: room for 10,000 entries of about 50 bytes.
pub const MAX_LIST_BYTES: usize = 1024 * 1024;

/// A gateway, and the execution of its effects. There is one for each worker thread of Envoy and each configuration.
pub struct Worker {
    /// Not locked while the host is called, which may call back, except to read attributes.
    gateway: Mutex<Gateway>,
    phantom_token: Option<PhantomToken>,
}

/// What becomes of a request at the end of its head's callback.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// The request is forwarded. This is stored for its response.
    Continue(ResponseContext),
    /// The request has been answered.
    Answered,
    /// The request is paused until [`Host::decide`].
    Pause,
}

impl Worker {
    /// Creates the worker of a gateway with this configuration.
    pub fn new(gateway: Gateway, config: &Config) -> Self {
        Self {
            phantom_token: config.phantom_token.clone(),
            gateway: Mutex::new(gateway),
        }
    }

    /// Handles the head of a request, in its own callback.
    pub fn on_request(&self, host: &impl RequestHost, stream: StreamId, head: RequestHead<'_>) -> Action {
        let now = host.now();
        let mut effect = self.with_gateway(|gateway| gateway.on_request(stream, &head, host, now.as_secs()));
        // The head may lie in the host, which changes it next.
        drop(head);
        if effect.is_none() {
            effect = self.find_shared(host, stream, now.as_secs());
        }
        if effect.is_none() {
            // Before the request waits for another thread, which may wake it at once.
            host.prepare_to_wait(stream);
            effect = self.with_gateway(|gateway| gateway.call_out(stream, now));
        }
        let mut action = Action::Pause;
        // It allocates only for further effects, which hardly any request has.
        let mut effects = VecDeque::new();
        while let Some(next) = effect.take().or_else(|| effects.pop_front()) {
            match next {
                // The callback's return value forwards the request: only a paused request is resumed.
                Effect::Decide { decision, .. } => {
                    action = match carry_out(host, decision) {
                        Some(context) => Action::Continue(context),
                        None => Action::Answered,
                    };
                }
                // If a callout cannot be made, the decision follows at once.
                Effect::Run(command) => effects.extend(self.run(host, command)),
            }
        }
        action
    }

    /// Looks in the host's shared data for the token of a request that waits.
    fn find_shared(&self, host: &impl Host, stream: StreamId, now: u64) -> Option<Effect> {
        let slots = self.with_gateway(|gateway| gateway.shared_slots(stream))?;
        slots.into_iter().find_map(|slot| {
            let value = host.shared_value(&slot.name())?;
            self.with_gateway(|gateway| gateway.on_shared_value(stream, slot, &value.bytes, now))
        })
    }

    /// Handles the response of the authorization server.
    pub fn on_server_response(&self, host: &impl Host, flight: FlightId, response: &ServerResponse) {
        let now = host.now().as_secs();
        let effects = self.with_gateway(|gateway| gateway.on_server_response(flight, response, now));
        self.run_effects(host, effects);
    }

    /// Handles the outcome of a flight that another worker has ended, for a request that waits here.
    pub fn on_outcome(&self, host: &impl Host, stream: StreamId, outcome: &TokenOutcome) {
        let now = host.now().as_secs();
        let effect = self.with_gateway(|gateway| gateway.on_outcome(stream, outcome, now));
        self.run_effects(host, Vec::from_iter(effect));
    }

    /// Handles the response to a poll of the list of ended sessions. `status` is 0 if there is none. `body` is `None` if it
    /// is longer than [`MAX_LIST_BYTES`], and does not count without a response.
    pub fn on_ended_sessions(&self, status: u16, body: Option<&[u8]>) {
        self.with_gateway(|gateway| gateway.on_ended_sessions(status, body));
    }

    /// Handles a tick, at least twice a second, on behalf of no request.
    pub fn on_tick(&self, host: &impl Host) {
        let now = host.now();
        let effects = self.with_gateway(|gateway| {
            let mut effects = gateway.on_tick(now.as_secs());
            effects.extend(gateway.on_deadlines(now));
            effects
        });
        self.run_effects(host, effects);
    }

    /// Resets the streams that have ended, in a tick. Returns whether another tick is due at once.
    pub fn end_streams<H: Host>(&self, host: &H) -> bool {
        let now = host.now().as_secs();
        for (session, slots) in self.with_gateway(|gateway| gateway.doubtful_sessions(now)) {
            for slot in slots {
                if let Some(value) = host.shared_value(&slot.name()) {
                    self.with_gateway(|gateway| gateway.on_shared_newest_token(&session, slot, &value.bytes, now));
                }
            }
        }
        // Not locked while the host is called: it may report the end of a stream inside the call.
        let ended = self.with_gateway(|gateway| gateway.ended_streams(now, H::MAX_RESETS));
        for stream in &ended {
            host.reset(*stream);
        }
        ended.len() == H::MAX_RESETS
    }

    /// Repeats the callouts that were lost with their requests, on behalf of no request.
    pub fn repeat_lost(&self, host: &impl Host) {
        let effects = self.with_gateway(Gateway::repeat_lost);
        self.run_effects(host, effects);
    }

    /// If the callout that this request waits for was lost with another request, repeats it.
    pub fn take_over(&self, host: &impl Host, stream: StreamId) {
        let now = host.now().as_secs();
        let effects = self.with_gateway(|gateway| gateway.take_over(stream, now));
        self.run_effects(host, effects);
    }

    /// Handles the head of a response, in its callback. Returns `false` if an error has replaced the response.
    pub fn on_response(&self, host: &impl RequestHost, context: &ResponseContext) -> bool {
        if let Some(required) = &context.route
            && let Some(rejection) = self.with_gateway(|gateway| gateway.on_response(required, host))
        {
            reject(host, &rejection);
            return false;
        }
        if context.by_cookie {
            host.add_private();
        }
        true
    }

    /// Handles the end of a request that was paused, or that the gateway may end. It does not call the host. `Some`:
    /// the callout that this other request waits for was lost. Call [`Worker::take_over`] of its worker, or
    /// [`Worker::repeat_lost`], as soon as possible.
    pub fn on_stream_end(&self, stream: StreamId) -> Option<StreamId> {
        self.with_gateway(|gateway| gateway.on_stream_end(stream))
    }

    /// Gives access to the gateway. `work` must not call the host, except to read attributes.
    pub fn with_gateway<T>(&self, work: impl FnOnce(&mut Gateway) -> T) -> T {
        work(&mut self.gateway.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn run_effects(&self, host: &impl Host, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Decide { stream, decision } => host.decide(stream, decision),
                Effect::Run(command) => effects.extend(self.run(host, command)),
            }
        }
    }

    /// Runs a command. Returns the effects that follow at once.
    fn run(&self, host: &impl Host, command: Command) -> Vec<Effect> {
        match command {
            Command::CallOut { flight, request } => {
                if self.call_out(host, flight, &request) {
                    return Vec::new();
                }
                let now = host.now().as_secs();
                self.with_gateway(|gateway| gateway.on_server_response(flight, &ServerResponse::Failed, now))
            }
            Command::PollEndedSessions { cluster, path } => {
                let request = CalloutRequest {
                    cluster: &cluster,
                    headers: &[(":method", "GET"), (":path", &path), (":authority", &cluster)],
                    body: &[],
                    timeout: LIST_TIMEOUT,
                };
                if !host.call_out(&request, Callout::EndedSessions) {
                    self.on_ended_sessions(0, None);
                }
                Vec::new()
            }
            Command::Share { stream, outcome } => {
                host.share(stream, outcome);
                Vec::new()
            }
            Command::Store(entry) => {
                store(host, &entry);
                Vec::new()
            }
            Command::TakeOver { stream } => {
                host.take_over(stream);
                Vec::new()
            }
            Command::Warn(notice) => {
                host.log(Level::Warn, format_args!("bff: {notice}"));
                Vec::new()
            }
        }
    }

    /// Sends a request to the authorization server. Returns whether it is in progress.
    fn call_out(&self, host: &impl Host, flight: FlightId, request: &ServerRequest) -> bool {
        let Some(stage) = &self.phantom_token else { return false };
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let step = request.step;
        let request = CalloutRequest {
            cluster: &stage.cluster,
            headers: &headers,
            body: &request.body,
            timeout: Duration::from_millis(stage.timeout_ms),
        };
        let started = host.now();
        let is_in_progress = host.call_out(&request, Callout::Step { step, flight, started });
        if !is_in_progress {
            host.log(
                Level::Error,
                format_args!(
                    "bff: phantom_token.cluster: cluster `{}` does not exist, has no healthy host, or its circuit breaker is open: write the name of a cluster, check its hosts, or raise its limits",
                    stage.cluster
                ),
            );
        }
        is_in_progress
    }
}

/// Carries out a decision on this request. Returns what is stored for its response: if the request was paused, the host must
/// then resume it. `None`: the request was answered.
pub fn carry_out(host: &impl RequestHost, decision: Decision) -> Option<ResponseContext> {
    match decision {
        Decision::Forward(Forward { mutations, context, .. }) => {
            host.count(None);
            host.mutate_request_headers(&mutations);
            Some(context)
        }
        Decision::Reject(rejection) => {
            reject(host, &rejection);
            None
        }
    }
}

/// Answers this request with an error, or replaces its response.
pub fn reject(host: &impl RequestHost, rejection: &Rejection) {
    host.log(level(rejection), format_args!("bff: refused {rejection}"));
    host.count(Some(rejection));
    host.reply(&RejectionTexts::new(rejection).reply());
}

/// Returns the level of the line about a rejection. Client errors are in the access log: with a line for each at a higher
/// level, callers could fill this log.
fn level(rejection: &Rejection) -> Level {
    match rejection.code.status() < 500 {
        true => Level::Debug,
        false => Level::Warn,
    }
}

/// Stores an entry in the host's shared data. If another VM always writes at the same time, it is not stored.
fn store(host: &impl Host, entry: &SharedEntry) {
    const ATTEMPTS: usize = 3;
    let slots = entry.slots();
    let now = host.now().as_secs();
    for _ in 0..ATTEMPTS {
        let values = slots.map(|slot| host.shared_value(&slot.name()));
        let bytes = values
            .each_ref()
            .map(|value| value.as_ref().map_or(&[][..], |value| &value.bytes));
        let Some((chosen, value)) = entry.choose(bytes, now) else {
            return;
        };
        let [one, other] = values.map(|value| value.and_then(|value| value.version));
        let [first, second] = slots;
        let (slot, version) = match chosen {
            0 => (first, one),
            _ => (second, other),
        };
        if host.set_shared_value(&slot.name(), &value, version) {
            return;
        }
    }
}
