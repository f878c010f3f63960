//! The gate's effects, carried out.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bff_core::error_code::Refusal;
use bff_core::gateway::config::{Config, PhantomToken};
use bff_core::gateway::cookie_stage::Refused;
use bff_core::gateway::introspection::{Answer, Request};
use bff_core::gateway::{Effect, FlightId, Gate, OnResponse, StreamId};
use bff_core::request::head::Head;
use proxy_wasm::types::LogLevel;

use crate::host::{self, Connection};
use crate::metrics::Metrics;

/// How soon "soon" is.
const SOON: Duration = Duration::from_millis(1);

/// How often the root's tick comes: for what was counted, and for the list of ended sessions.
const TICK: Duration = Duration::from_millis(500);
/// How long that list may take to come, and how long it may be: 10,000 entries of some 50 bytes.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_LIST_LEN: usize = 1024 * 1024;

/// What the contexts of one worker share.
pub(crate) struct Shell {
    /// Never borrowed while the host is called: the host may call back.
    gate: RefCell<Gate>,
    /// By the context that made the callout, and its number.
    callouts: RefCell<BTreeMap<(u32, u32), Callout>>,
    /// Of requests that have waited and were let go.
    on_response: RefCell<BTreeMap<StreamId, OnResponse>>,
    metrics: Metrics,
    phantom_token: Option<PhantomToken>,
}

enum Callout {
    /// An introspection.
    Introspection { flight: FlightId, started: Duration },
    /// The list of ended sessions.
    EndedSessions,
}

/// What becomes of the request whose head has just come.
pub(crate) enum Fate {
    /// It goes on, and this matters when its response comes.
    Goes(OnResponse),
    /// It waits, or is answered.
    Stays,
}

impl Shell {
    /// For a configuration.
    pub(crate) fn new(config: Config) -> Self {
        let keys: Vec<_> = config
            .bff_token
            .iter()
            .flat_map(|stage| stage.sealer.key_ids())
            .collect();
        host::tick_every(SOON);
        Self {
            phantom_token: config.phantom_token.clone(),
            gate: RefCell::new(Gate::new(config)),
            callouts: RefCell::default(),
            on_response: RefCell::default(),
            metrics: Metrics::define(keys.into_iter()),
        }
    }

    /// A request's head has come, in its own callback.
    pub(crate) fn request(&self, stream: StreamId, head: &Head) -> Fate {
        let now = host::now().as_secs();
        let Some(effect) = self.with_gate(|gate| gate.request(stream, head, &Connection, now)) else {
            self.reply(&Refused {
                refusal: Refusal::ServerError,
                bearer_error: None,
                scopes: Vec::new(),
                why: "the gate is in use",
            });
            return Fate::Stays;
        };
        let mut fate = Fate::Stays;
        let mut follow = |effect| match effect {
            // Its callback's return value lets it go: resuming is for those that were paused.
            Effect::Forward { edits, on_response, .. } => {
                host::edit_request(&edits);
                fate = Fate::Goes(on_response);
                Vec::new()
            }
            Effect::Reply { refused, .. } => {
                self.reply(&refused);
                Vec::new()
            }
            other => self.other(stream, other),
        };
        if let Some(effect) = effect {
            // What follows at once from a callout that could not be made: replies, and no further callouts.
            for effect in follow(effect) {
                follow(effect);
            }
        }
        fate
    }

    /// A callout of the context `me` was answered, in its callback.
    pub(crate) fn answer(&self, me: u32, token_id: u32, num_headers: usize, body_size: usize) {
        let Some(callout) = self
            .callouts
            .try_borrow_mut()
            .ok()
            .and_then(|mut callouts| callouts.remove(&(me, token_id)))
        else {
            return;
        };
        let effects = match callout {
            Callout::Introspection { flight, started } => {
                let answer = host::call_answer(num_headers, body_size);
                let now = host::now();
                self.metrics.introspected(now.saturating_sub(started));
                self.with_gate(|gate| gate.answer(flight, &answer, now.as_secs()))
            }
            Callout::EndedSessions => {
                let (status, body) = host::call_body(num_headers, body_size, MAX_LIST_LEN);
                self.with_gate(|gate| gate.ended_sessions(status, body.as_deref()));
                None
            }
        };
        self.carry_out(me, effects.unwrap_or_default());
    }

    /// The root's tick.
    pub(crate) fn tick(&self, me: u32) {
        host::tick_every(TICK);
        let now = host::now().as_secs();
        let effects = self.with_gate(|gate| gate.tick(now)).unwrap_or_default();
        self.carry_out(me, effects);
        self.with_gate(|gate| {
            self.metrics.report(gate.counts());
            self.metrics.cache_entries(gate.cached());
        });
    }

    /// What matters now that the response to a request comes that has waited; said once.
    pub(crate) fn on_response(&self, stream: StreamId) -> OnResponse {
        let known = self.on_response.try_borrow_mut().ok();
        known.and_then(|mut known| known.remove(&stream)).unwrap_or_default()
    }

    /// The response has come, in its callback. Whether it goes out: where not, another one does.
    pub(crate) fn response(&self, on_response: &OnResponse) -> bool {
        if let Some(required) = &on_response.route
            && let Some(refused) = self.with_gate(|gate| gate.response(required, &Connection)).flatten()
        {
            self.reply(&refused);
            return false;
        }
        if on_response.by_cookie {
            host::keep_private();
        }
        true
    }

    /// A request is over.
    pub(crate) fn gone(&self, stream: StreamId) {
        self.on_response(stream);
        // Its callouts are gone with it.
        if let Ok(mut callouts) = self.callouts.try_borrow_mut() {
            while let Some(key) = callouts
                .range((stream, 0)..=(stream, u32::MAX))
                .next()
                .map(|(key, _)| *key)
            {
                callouts.remove(&key);
            }
        }
        let effects = self.with_gate(|gate| gate.gone(stream)).unwrap_or_default();
        if effects.iter().any(|effect| matches!(effect, Effect::TickSoon)) {
            host::tick_every(SOON);
        }
    }

    /// Effects on requests that are paused.
    fn carry_out(&self, me: u32, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Forward {
                    stream,
                    edits,
                    on_response,
                } if host::act_for(stream) => {
                    host::edit_request(&edits);
                    if let Ok(mut waiting) = self.on_response.try_borrow_mut() {
                        waiting.insert(stream, on_response);
                    }
                    host::resume_request();
                }
                Effect::Reply { stream, refused } if host::act_for(stream) => self.reply(&refused),
                Effect::Forward { .. } | Effect::Reply { .. } => {}
                other => {
                    host::act_for(me);
                    effects.extend(self.other(me, other));
                }
            }
        }
        host::act_for(me);
    }

    /// Effects that end no request. Returns what follows at once.
    fn other(&self, me: u32, effect: Effect) -> Vec<Effect> {
        match effect {
            Effect::Introspect { flight, request, .. } if !self.introspect(me, flight, &request) => {
                let now = host::now().as_secs();
                self.with_gate(|gate| gate.answer(flight, &Answer::Failed, now))
                    .unwrap_or_default()
            }
            Effect::ReadEndedSessions { cluster, path } => {
                let call = host::get(&cluster, &path, LIST_TIMEOUT);
                let started = call.is_some_and(|token_id| self.remember(me, token_id, Callout::EndedSessions));
                if !started {
                    self.with_gate(|gate| gate.ended_sessions(0, None));
                }
                Vec::new()
            }
            Effect::Warn(notice) => {
                host::log(LogLevel::Warn, &format!("bff: {notice}"));
                Vec::new()
            }
            Effect::TickSoon => {
                host::tick_every(SOON);
                Vec::new()
            }
            Effect::Introspect { .. } | Effect::Forward { .. } | Effect::Reply { .. } => Vec::new(),
        }
    }

    /// Whether the callout is under way. It belongs to the context whose callback this is.
    fn introspect(&self, me: u32, flight: FlightId, request: &Request) -> bool {
        let Some(stage) = &self.phantom_token else { return false };
        self.metrics.introspection();
        let Some(token_id) = host::call(&stage.cluster, request, Duration::from_millis(stage.timeout_ms)) else {
            host::log(
                LogLevel::Error,
                &format!(
                    "bff: phantom_token.cluster: the cluster `{}` does not exist or takes no more requests",
                    stage.cluster
                ),
            );
            return false;
        };
        let started = host::now();
        self.remember(me, token_id, Callout::Introspection { flight, started })
    }

    fn remember(&self, me: u32, token_id: u32, callout: Callout) -> bool {
        let remembered = self
            .callouts
            .try_borrow_mut()
            .map(|mut callouts| callouts.insert((me, token_id), callout));
        remembered.is_ok()
    }

    fn reply(&self, refused: &Refused) {
        let status = refused.refusal.status();
        // What clients do wrong is in the access log; a line for each of them here would be theirs to write.
        let level = if status < 500 { LogLevel::Debug } else { LogLevel::Warn };
        host::log(level, &format!("bff: refused {refused}"));
        let challenge = refused.challenge();
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ];
        headers.extend(challenge.as_deref().map(|challenge| ("www-authenticate", challenge)));
        host::reply(status, refused.why, &headers, &refused.refusal.body());
    }

    fn with_gate<T>(&self, work: impl FnOnce(&mut Gate) -> T) -> Option<T> {
        self.gate.try_borrow_mut().ok().map(|mut gate| work(&mut gate))
    }
}
