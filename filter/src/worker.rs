//! What the contexts of one worker share: the gateway, and the execution of its effects.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::config::{Config, PhantomToken};
use bff_core::gateway::effect::{Command, Decision, Effect, Forward, ResponseContext};
use bff_core::gateway::error_code::ErrorCode;
use bff_core::gateway::introspection::{IntrospectionRequest, IntrospectionResponse};
use bff_core::gateway::rejection::Rejection;
use bff_core::gateway::single_flight::FlightId;
use bff_core::request::head::RequestHead;
use proxy_wasm::types::LogLevel;

use crate::host::{self, Attributes};
use crate::metrics::Metrics;

/// Period of a tick that is due as soon as possible.
const NEXT_TICK: Duration = Duration::from_millis(1);

/// Period of the root context's ticks, for metrics, warnings and the list of ended sessions.
const TICK: Duration = Duration::from_millis(500);
/// Time limit for reading that list.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum length of that list, in bytes: room for 10,000 entries of about 50 bytes.
const MAX_LIST_BYTES: usize = 1024 * 1024;

/// There is one for each worker and configuration.
pub(crate) struct Worker {
    /// Never borrowed during a host call, since the host may call back.
    gateway: RefCell<Gateway>,
    /// By the context that made the callout, and the callout's number.
    callouts: RefCell<BTreeMap<(u32, u32), Callout>>,
    /// For requests that were paused and then forwarded.
    responses: RefCell<BTreeMap<StreamId, ResponseContext>>,
    metrics: Metrics,
    phantom_token: Option<PhantomToken>,
}

enum Callout {
    /// An introspection; `started` is the time since 1970.
    Introspection { flight: FlightId, started: Duration },
    /// A poll of the list of ended sessions.
    EndedSessions,
}

/// What becomes of a request at the end of its head's callback.
pub(crate) enum Action {
    /// The request is forwarded; this is stored for its response.
    Continue(ResponseContext),
    /// The request is paused, or has been answered.
    Pause,
}

impl Worker {
    /// Creates a worker whose first tick is due as soon as possible.
    pub(crate) fn new(config: Config) -> Self {
        let keys: Vec<_> = config
            .bff_token
            .iter()
            .flat_map(|stage| stage.sealer.key_ids())
            .collect();
        host::tick_every(NEXT_TICK);
        Self {
            phantom_token: config.phantom_token.clone(),
            gateway: RefCell::new(Gateway::new(config)),
            callouts: RefCell::default(),
            responses: RefCell::default(),
            metrics: Metrics::define(keys.into_iter()),
        }
    }

    /// Handles the head of a request, in its own callback.
    pub(crate) fn on_request(&self, stream: StreamId, head: &RequestHead) -> Action {
        let now = host::now().as_secs();
        let Some(effect) = self.with_gateway(|gateway| gateway.on_request(stream, head, &Attributes, now)) else {
            reject(&Rejection::new(
                ErrorCode::ServerError,
                "internal error: the gateway was called while in use",
            ));
            return Action::Pause;
        };
        let mut action = Action::Pause;
        let mut effects = VecDeque::from_iter(effect);
        while let Some(effect) = effects.pop_front() {
            match effect {
                // The callback's return value forwards the request: only a paused request is resumed.
                Effect::Decide { decision, .. } => match decision {
                    Decision::Forward(Forward { mutations, context }) => {
                        host::mutate_request_headers(&mutations);
                        action = Action::Continue(context);
                    }
                    Decision::Reject(rejection) => reject(&rejection),
                },
                // If a callout cannot be made, the decision follows at once.
                Effect::Run(command) => effects.extend(self.run(stream, command)),
            }
        }
        action
    }

    /// Handles the response to a callout of this context, in its callback.
    pub(crate) fn on_callout(&self, context_id: u32, token_id: u32, num_headers: usize, body_size: usize) {
        let Some(callout) = self
            .callouts
            .try_borrow_mut()
            .ok()
            .and_then(|mut callouts| callouts.remove(&(context_id, token_id)))
        else {
            return;
        };
        let effects = match callout {
            Callout::Introspection { flight, started } => {
                let response = host::introspection_response(num_headers, body_size);
                let now = host::now();
                self.metrics.introspected(now.saturating_sub(started));
                self.with_gateway(|gateway| gateway.on_introspection(flight, &response, now.as_secs()))
            }
            Callout::EndedSessions => {
                let (status, body) = host::callout_response(num_headers, body_size, MAX_LIST_BYTES);
                self.with_gateway(|gateway| gateway.on_ended_sessions(status, body.as_deref()));
                None
            }
        };
        self.run_effects(context_id, effects.unwrap_or_default());
    }

    /// Handles a tick of the root context.
    pub(crate) fn on_tick(&self, context_id: u32) {
        host::tick_every(TICK);
        let now = host::now().as_secs();
        let effects = self.with_gateway(|gateway| gateway.on_tick(now)).unwrap_or_default();
        self.run_effects(context_id, effects);
        self.with_gateway(|gateway| {
            self.metrics.report(gateway.counters());
            self.metrics.cache_entries(gateway.cached_responses());
        });
    }

    /// Returns what was stored for the response to a paused request, and removes it.
    pub(crate) fn take_response_context(&self, stream: StreamId) -> ResponseContext {
        let responses = self.responses.try_borrow_mut().ok();
        responses
            .and_then(|mut responses| responses.remove(&stream))
            .unwrap_or_default()
    }

    /// Handles the head of a response, in its callback. Returns `false` if an error has replaced the response.
    pub(crate) fn on_response(&self, context: &ResponseContext) -> bool {
        if let Some(required) = &context.route
            && let Some(rejection) = self
                .with_gateway(|gateway| gateway.on_response(required, &Attributes))
                .flatten()
        {
            reject(&rejection);
            return false;
        }
        if context.by_cookie {
            host::add_private();
        }
        true
    }

    /// Handles the end of a request.
    pub(crate) fn on_stream_end(&self, stream: StreamId) {
        self.take_response_context(stream);
        // Its callouts end with it.
        if let Ok(mut callouts) = self.callouts.try_borrow_mut() {
            while let Some(key) = callouts
                .range((stream, 0)..=(stream, u32::MAX))
                .next()
                .map(|(key, _)| *key)
            {
                callouts.remove(&key);
            }
        }
        if self
            .with_gateway(|gateway| gateway.on_stream_end(stream))
            .unwrap_or_default()
        {
            host::tick_every(NEXT_TICK);
        }
    }

    /// Carries out effects on paused requests.
    fn run_effects(&self, context_id: u32, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Decide { stream, decision } => {
                    // If its context has ended, so has the request.
                    if host::set_effective_context(stream) {
                        self.run_decision(stream, decision);
                    }
                }
                Effect::Run(command) => {
                    host::set_effective_context(context_id);
                    effects.extend(self.run(context_id, command));
                }
            }
        }
        host::set_effective_context(context_id);
    }

    /// Carries out the decision on the paused request of the effective context.
    fn run_decision(&self, stream: StreamId, decision: Decision) {
        match decision {
            Decision::Forward(Forward { mutations, context }) => {
                host::mutate_request_headers(&mutations);
                if let Ok(mut responses) = self.responses.try_borrow_mut() {
                    responses.insert(stream, context);
                }
                host::resume_request();
            }
            Decision::Reject(rejection) => reject(&rejection),
        }
    }

    /// Runs a command in this context. Returns the effects that follow at once.
    fn run(&self, context_id: u32, command: Command) -> Vec<Effect> {
        match command {
            Command::Introspect { flight, request, .. } => {
                if self.introspect(context_id, flight, &request) {
                    return Vec::new();
                }
                let now = host::now().as_secs();
                self.with_gateway(|gateway| gateway.on_introspection(flight, &IntrospectionResponse::Failed, now))
                    .unwrap_or_default()
            }
            Command::ReadEndedSessions { cluster, path } => {
                let callout = host::get(&cluster, &path, LIST_TIMEOUT);
                let is_started =
                    callout.is_some_and(|token_id| self.remember(context_id, token_id, Callout::EndedSessions));
                if !is_started {
                    self.with_gateway(|gateway| gateway.on_ended_sessions(0, None));
                }
                Vec::new()
            }
            Command::Warn(notice) => {
                host::log(LogLevel::Warn, &format!("bff: {notice}"));
                Vec::new()
            }
        }
    }

    /// Starts a callout, which belongs to the context whose callback this is. Returns whether it is in progress.
    fn introspect(&self, context_id: u32, flight: FlightId, request: &IntrospectionRequest) -> bool {
        let Some(stage) = &self.phantom_token else { return false };
        self.metrics.introspection();
        let timeout = Duration::from_millis(stage.timeout_ms);
        let Some(token_id) = host::introspect(&stage.cluster, request, timeout) else {
            host::log(
                LogLevel::Error,
                &format!(
                    "bff: phantom_token.cluster: cluster `{}` does not exist, or its circuit breaker is open: write the name of a cluster, or raise its limits",
                    stage.cluster
                ),
            );
            return false;
        };
        let started = host::now();
        self.remember(context_id, token_id, Callout::Introspection { flight, started })
    }

    fn remember(&self, context_id: u32, token_id: u32, callout: Callout) -> bool {
        let remembered = self
            .callouts
            .try_borrow_mut()
            .map(|mut callouts| callouts.insert((context_id, token_id), callout));
        remembered.is_ok()
    }

    fn with_gateway<T>(&self, work: impl FnOnce(&mut Gateway) -> T) -> Option<T> {
        self.gateway.try_borrow_mut().ok().map(|mut gateway| work(&mut gateway))
    }
}

/// Answers the request of the effective context with an error, or replaces its response.
fn reject(rejection: &Rejection) {
    let status = rejection.code.status();
    // Client errors are in the access log: with a line for each at a higher level, clients could fill this log.
    let level = if status < 500 { LogLevel::Debug } else { LogLevel::Warn };
    host::log(level, &format!("bff: refused {rejection}"));
    let challenge = rejection.challenge();
    let mut headers = vec![
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    headers.extend(challenge.as_deref().map(|challenge| ("www-authenticate", challenge)));
    host::reply(status, rejection.details, &headers, &rejection.code.body());
}
