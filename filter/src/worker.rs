//! What the contexts of one worker share, and the host that its gateway sees.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Decision, ResponseContext};
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::token_state::TokenOutcome;
use bff_core::request::head::RequestHead;
use bff_shell::host::{Callout, CalloutRequest, Host, Level, RequestHost, SharedValue};
use bff_shell::local_reply::LocalReply;
use bff_shell::metrics::{Counted, Metrics, Reported};
use bff_shell::worker::{self, Action, MAX_LIST_BYTES};

use crate::host;
use crate::metrics::Stats;

/// Period of a tick that is due as soon as possible.
const NEXT_TICK: Duration = Duration::from_millis(1);

/// The maximum number of decisions on paused requests in one callback, and that of resets. Envoy ends each request inside the
/// last callback of the one before, so all of them take stack at once, and V8's stack has room for only a few hundred.
const MAX_OTHERS: usize = 32;

/// Period of the root context's ticks.
const TICK: Duration = Duration::from_millis(500);

/// There is one for each worker and configuration.
pub(crate) struct Worker {
    gateway: worker::Worker,
    /// By the context that made the callout, and the callout's number.
    callouts: RefCell<BTreeMap<(u32, u32), Callout>>,
    /// For requests that were paused and then forwarded.
    responses: RefCell<BTreeMap<u32, ResponseContext>>,
    /// Decisions that exceed [`MAX_OTHERS`], in the order in which they were made.
    postponed: RefCell<VecDeque<(u32, Decision)>>,
    metrics: Metrics<u32, Infallible>,
    reported: RefCell<Reported>,
}

impl Worker {
    /// Creates a worker whose first tick is due as soon as possible.
    pub(crate) fn new(config: Config) -> Self {
        let stages = config.bff_token.iter();
        let keys: Vec<_> = stages.flat_map(|stage| stage.sealer.key_ids()).collect();
        host::tick_every(NEXT_TICK);
        Self {
            gateway: worker::Worker::new(Gateway::with_shared_cache(config.clone()), &config),
            callouts: RefCell::default(),
            responses: RefCell::default(),
            postponed: RefCell::default(),
            metrics: Metrics::define(&Stats, keys.into_iter()),
            reported: RefCell::default(),
        }
    }

    fn host(&self, context_id: u32) -> ContextHost<'_> {
        ContextHost {
            worker: self,
            context_id,
            decided: Cell::new(0),
        }
    }

    /// Handles the head of a request, in its own callback.
    pub(crate) fn on_request(&self, context_id: u32, head: RequestHead<'_>) -> Action {
        self.gateway
            .on_request(&self.host(context_id), StreamId::from(context_id), head)
    }

    /// Handles the response to a callout of this context, in its callback.
    pub(crate) fn on_callout(&self, context_id: u32, token_id: u32, num_headers: usize, body_size: usize) {
        let callouts = self.callouts.try_borrow_mut().ok();
        let callout = callouts.and_then(|mut callouts| callouts.remove(&(context_id, token_id)));
        match callout {
            Some(Callout::Step { step, flight, started }) => {
                let response = host::server_response(num_headers, body_size);
                self.metrics
                    .record_step(&Stats, step, host::now().saturating_sub(started));
                self.gateway
                    .on_server_response(&self.host(context_id), flight, &response);
            }
            Some(Callout::EndedSessions) => {
                let (status, body) = host::callout_response(num_headers, body_size, MAX_LIST_BYTES);
                self.gateway.on_ended_sessions(status, body.as_deref());
            }
            None => {}
        }
    }

    /// Handles a tick of the root context.
    pub(crate) fn on_tick(&self, context_id: u32) {
        host::tick_every(TICK);
        let host = self.host(context_id);
        let has_decided = self.carry_out_postponed(&host);
        self.gateway.on_tick(&host);
        self.gateway.repeat_lost(&host);
        // After all decisions, and never together with one on the same stream, since Envoy may end streams inside these calls.
        if has_decided || self.gateway.end_streams(&host) {
            host::tick_every(NEXT_TICK);
        }
        if let Ok(mut reported) = self.reported.try_borrow_mut() {
            let counted = self.gateway.with_gateway(|gateway| Counted::of(gateway));
            self.metrics.report(&Stats, &mut reported, &counted);
        }
    }

    /// Carries out decisions that were postponed, as many as one callback may. Returns whether there were any.
    fn carry_out_postponed(&self, host: &ContextHost<'_>) -> bool {
        let postponed = self.postponed.try_borrow_mut();
        let postponed = postponed.map(|mut postponed| std::mem::take(&mut *postponed));
        let postponed = postponed.unwrap_or_default();
        let has_any = !postponed.is_empty();
        for (stream, decision) in postponed {
            host.decide(stream.into(), decision);
        }
        has_any
    }

    /// Handles the head of a response, in its callback. `context`: what was stored for it, unless the request was paused.
    /// Returns `false` if an error has replaced the response.
    pub(crate) fn on_response(&self, context_id: u32, context: Option<ResponseContext>) -> bool {
        let context = context.unwrap_or_else(|| self.take_response_context(context_id));
        self.gateway.on_response(&self.host(context_id), &context)
    }

    /// Handles the end of a request that was paused or may be ended by the gateway.
    pub(crate) fn on_stream_end(&self, context_id: u32) {
        self.take_response_context(context_id);
        // Its callouts end with it.
        if let Ok(mut callouts) = self.callouts.try_borrow_mut() {
            while let Some(key) = callouts
                .range((context_id, 0)..=(context_id, u32::MAX))
                .next()
                .map(|(key, _)| *key)
            {
                callouts.remove(&key);
            }
        }
        // The root context repeats a lost callout at its next tick.
        if self.gateway.on_stream_end(StreamId::from(context_id)).is_some() {
            host::tick_every(NEXT_TICK);
        }
    }

    /// Returns what was stored for the response to a paused request, and removes it.
    fn take_response_context(&self, context_id: u32) -> ResponseContext {
        let responses = self.responses.try_borrow_mut().ok();
        responses
            .and_then(|mut responses| responses.remove(&context_id))
            .unwrap_or_default()
    }
}

/// Envoy in a callback of this context.
struct ContextHost<'a> {
    worker: &'a Worker,
    context_id: u32,
    /// The number of decisions on paused requests in this callback.
    decided: Cell<usize>,
}

impl RequestAttributes for ContextHost<'_> {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        host::peer_certificate()
    }

    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        host::route_metadata(namespace, name)
    }
}

impl Host for ContextHost<'_> {
    const MAX_RESETS: usize = MAX_OTHERS;

    fn now(&self) -> Duration {
        host::now()
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        host::log(level, message);
    }

    fn call_out(&self, request: &CalloutRequest<'_>, callout: Callout) -> bool {
        match callout {
            Callout::Step { step, .. } => self.worker.metrics.count_step(&Stats, step),
            Callout::EndedSessions => {}
        }
        let Some(token_id) = host::call_out(request) else {
            return false;
        };
        let callouts = self.worker.callouts.try_borrow_mut();
        let remembered = callouts.map(|mut callouts| callouts.insert((self.context_id, token_id), callout));
        remembered.is_ok()
    }

    fn decide(&self, stream: StreamId, decision: Decision) {
        // Every stream of this shell has the number of its context. If the context has ended, so has the request.
        let Ok(decided) = u32::try_from(stream) else { return };
        if self.decided.get() == MAX_OTHERS {
            if let Ok(mut postponed) = self.worker.postponed.try_borrow_mut() {
                postponed.push_back((decided, decision));
            }
            host::tick_every(NEXT_TICK);
            return;
        }
        self.decided.set(self.decided.get().saturating_add(1));
        if !host::set_effective_context(decided) {
            return;
        }
        if let Some(context) = worker::carry_out(self, decision) {
            if let Ok(mut responses) = self.worker.responses.try_borrow_mut() {
                responses.insert(decided, context);
            }
            host::resume_request();
        }
        host::set_effective_context(self.context_id);
    }

    fn reset(&self, stream: StreamId) {
        let Ok(reset) = u32::try_from(stream) else { return };
        if host::set_effective_context(reset) {
            host::reset();
            host::set_effective_context(self.context_id);
        }
    }

    fn shared_value(&self, name: &str) -> Option<SharedValue> {
        host::shared_value(name)
    }

    fn set_shared_value(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        host::set_shared_value(name, value, version)
    }

    // Every request of this worker waits in its gateway.
    fn share(&self, _: StreamId, _: Arc<TokenOutcome>) {}

    // The root context repeats a lost callout at its next tick.
    fn take_over(&self, _: StreamId) {
        host::tick_every(NEXT_TICK);
    }
}

impl RequestHost for ContextHost<'_> {
    // Envoy finds a paused request by its context.
    fn prepare_to_wait(&self, _: StreamId) {}

    fn mutate_request_headers(&self, mutations: &HeaderMutations) {
        host::mutate_request_headers(mutations);
    }

    fn reply(&self, reply: &LocalReply<'_>) {
        host::reply(reply);
    }

    fn add_private(&self) {
        host::add_private();
    }
}
