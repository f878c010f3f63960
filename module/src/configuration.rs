//! A configuration of the filter: its workers, metrics and ticks.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::Decision;
use bff_core::gateway::token_state::TokenOutcome;
use bff_core::session::ended_sessions::EndedSessions;
use bff_shell::host::{Callout, CalloutRequest, Host, Level};
use bff_shell::metrics::{Counted, Metrics, Reported};
use bff_shell::worker::{MAX_LIST_BYTES, Worker};

use crate::ended_sessions::{Role, Subscription};
use crate::envoy::{Envoy, EnvoyConfiguration, EnvoyStream, LabelledId, MetricId};
use crate::request_counts::{RequestCounts, RequestMetric};
use crate::secrets::{self, DiscoveredSecrets, SeenSecrets};
use crate::ticker::Ticks;
use crate::waiting::Task;
use crate::{memories, waiting};

/// There is one for each place at which Envoy has the filter, and each version of its settings there.
pub(crate) struct Configuration {
    /// By Envoy's number of the worker thread.
    workers: Vec<Arc<Thread>>,
    metrics: Arc<Metrics<MetricId, LabelledId>>,
    requests: RequestMetric,
    /// By worker.
    reported: Mutex<Vec<Reported>>,
    ended: Option<Subscription>,
    /// `None` if Envoy only validates its configuration.
    _ticks: Option<Ticks>,
}

/// What one worker thread of Envoy uses of a configuration. The main thread locks its gateway too: in ticks,
/// and for the list of ended sessions.
pub(crate) struct Thread {
    pub(crate) worker: Worker,
    discovered: Option<Arc<DiscoveredSecrets>>,
    seen: SeenSecrets,
    /// Whether all discovered secrets have arrived, and were valid.
    is_ready: AtomicBool,
    pub(crate) metrics: Arc<Metrics<MetricId, LabelledId>>,
    counts: Mutex<RequestCounts>,
    next_stream: AtomicU64,
}

/// Whether Envoy serves requests with a configuration, or only validates it (`--mode validate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// With this number of workers.
    Serve(usize),
    /// Nothing may be started.
    Validate,
}

impl Configuration {
    /// Reads a configuration, and begins its ticks if Envoy serves requests. Must be called when Envoy creates the
    /// configuration.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub(crate) fn new(json: &[u8], mode: Mode, envoy: &impl EnvoyConfiguration) -> Result<Configuration, String> {
        let (config, discovered) =
            secrets::subscribe(json, envoy).map_err(|error| format!("invalid configuration: {error}"))?;
        let discovered = discovered.map(Arc::new);
        if discovered.is_none() {
            warn_of_keys(envoy, &config);
        }
        let count = match mode {
            Mode::Serve(count) => count.max(1),
            Mode::Validate => 1,
        };
        // Metrics can be defined only now, and discovered keys are not known: with a discovered secret, there is only the
        // metric with the key as a label.
        let stages = config.bff_token.iter().filter(|_| discovered.is_none());
        let keys = stages.flat_map(|stage| stage.sealer.key_ids());
        let metrics = Arc::new(Metrics::define(envoy, keys));
        let ticks =
            match mode {
                Mode::Serve(_) => Some(Ticks::start(envoy.wake()).map_err(|error| {
                    format!("starting a thread failed: {error}: raise the limit on threads or memory")
                })?),
                Mode::Validate => None,
            };
        let source = config
            .bff_token
            .as_ref()
            .and_then(|stage| stage.ended_sessions.as_ref());
        let configuration = Configuration {
            workers: (0..count)
                .map(|_| Arc::new(Thread::new(&config, discovered.clone(), &metrics)))
                .collect(),
            metrics,
            requests: RequestMetric::define(envoy),
            reported: Mutex::new((0..count).map(|_| Reported::default()).collect()),
            ended: source.map(Subscription::new),
            _ticks: ticks,
        };
        if let Some(subscription) = &configuration.ended {
            configuration.follow(subscription.list().as_ref());
        }
        Ok(configuration)
    }

    /// Returns what a worker thread of Envoy uses.
    pub(crate) fn thread(&self, index: usize) -> Option<&Arc<Thread>> {
        // Envoy has no more workers than it said.
        self.workers.get(index.checked_rem(self.workers.len())?)
    }

    /// Handles a tick, on the main thread.
    pub(crate) fn on_tick(&self, envoy: &impl Envoy) {
        match self.ended.as_ref().map(Subscription::role) {
            Some(Role::Begins) => {
                if let Some(first) = self.workers.first() {
                    first.worker.with_gateway(Gateway::resume_polls);
                }
            }
            Some(Role::Follows(Some(list))) => self.share_ended_sessions(&list),
            Some(Role::Polls | Role::Follows(None)) | None => {}
        }
        let host = TickHost { envoy };
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for (thread, reported) in self.workers.iter().zip(reported.iter_mut()) {
            thread.worker.on_tick(&host);
            thread.worker.end_streams(&host);
            // Under the gateway's lock the counters are only copied: the worker thread does not wait for Envoy.
            let counted = thread.worker.with_gateway(|gateway| Counted::of(gateway));
            self.metrics.report(envoy, reported, &counted);
        }
        let counts = self.workers.iter().map(|thread| std::mem::take(&mut *thread.counts()));
        self.requests.report(envoy, counts);
    }

    /// Handles the response to a poll of the list of ended sessions, on the main thread. `response`: its status and body;
    /// `None` if there is none.
    pub(crate) fn on_ended_sessions(&self, response: Option<(u16, &[u8])>) {
        let Some(first) = self.workers.first() else { return };
        let (status, body) = response.unwrap_or((0, &[]));
        first
            .worker
            .on_ended_sessions(status, (body.len() <= MAX_LIST_BYTES).then_some(body));
        let list = first
            .worker
            .with_gateway(|gateway| Arc::clone(gateway.ended_sessions()));
        self.share_ended_sessions(&list);
        if let Some(subscription) = &self.ended {
            subscription.publish(list);
        }
    }

    /// Keeps the gateways from polling the list of ended sessions, as each would at first: only the first gateway of
    /// the configuration that [begins](Role::Begins) to poll does so. `list`: what another configuration has polled.
    fn follow(&self, list: Option<&Arc<EndedSessions>>) {
        for thread in &self.workers {
            thread.worker.with_gateway(|gateway| {
                let list = Arc::clone(list.unwrap_or_else(|| gateway.ended_sessions()));
                gateway.share_ended_sessions(&list);
            });
        }
    }

    /// Gives the list of ended sessions to all gateways that do not have it yet.
    fn share_ended_sessions(&self, list: &Arc<EndedSessions>) {
        for thread in &self.workers {
            thread.worker.with_gateway(|gateway| {
                if !Arc::ptr_eq(gateway.ended_sessions(), list) {
                    gateway.share_ended_sessions(list);
                }
            });
        }
    }
}

impl Thread {
    fn new(
        config: &Config,
        discovered: Option<Arc<DiscoveredSecrets>>,
        metrics: &Arc<Metrics<MetricId, LabelledId>>,
    ) -> Thread {
        /// The number of the next thread of a configuration. The number of a request begins with that of its thread, and
        /// is unique in the process.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        const STREAMS_BITS: u32 = 36;
        let mut gateway = Gateway::with_memory(config.clone(), memories::of);
        gateway.share_newest_tokens(memories::newest_tokens());
        Thread {
            worker: Worker::new(gateway, config),
            is_ready: AtomicBool::new(discovered.is_none()),
            discovered,
            seen: SeenSecrets::default(),
            metrics: Arc::clone(metrics),
            counts: Mutex::default(),
            next_stream: AtomicU64::new(NEXT.fetch_add(1, Ordering::Relaxed).wrapping_shl(STREAMS_BITS)),
        }
    }

    /// Takes the newest secrets, before a request. Returns whether the thread has all of them: until then
    /// every request is rejected.
    pub(crate) fn take_secrets(&self, envoy: &impl EnvoyStream) -> bool {
        let Some(discovered) = &self.discovered else {
            return true;
        };
        let change = self.seen.change(discovered, envoy);
        if let Some(config) = change.config {
            warn_of_keys(envoy, &config);
            self.worker
                .with_gateway(|gateway| gateway.replace_secrets(config, memories::of));
            self.is_ready.store(true, Ordering::Relaxed);
        }
        for error in change.errors {
            self.metrics.count_rejected_secret(envoy);
            envoy.log(
                Level::Error,
                format_args!(
                    "bff: a discovered secret is invalid, so the previous one, if there is one, stays in use: {error}"
                ),
            );
        }
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Returns what has become of requests.
    pub(crate) fn counts(&self) -> MutexGuard<'_, RequestCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a number for a request that no other has.
    pub(crate) fn next_stream(&self) -> StreamId {
        self.next_stream.fetch_add(1, Ordering::Relaxed)
    }
}

fn warn_of_keys(envoy: &impl Envoy, config: &Config) {
    for warning in &config.warnings {
        envoy.log(Level::Warn, format_args!("bff: bff_token.encryption_key: {warning}"));
    }
}

/// Returns the time since 1970. If the clock is before 1970, it is the latest time, at which everything has expired.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX)
}

/// Envoy in a tick, which belongs to no request.
struct TickHost<'a, E> {
    envoy: &'a E,
}

impl<E: Envoy> Host for TickHost<'_, E> {
    fn now(&self) -> Duration {
        now()
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        self.envoy.log(level, message);
    }

    fn call_out(&self, request: &CalloutRequest<'_>, callout: Callout) -> bool {
        match callout {
            Callout::EndedSessions => self.envoy.call_out(request).is_some(),
            // A step of the token stage is a callout on behalf of a request, on its worker thread: a tick makes none.
            Callout::Step { .. } => false,
        }
    }

    fn decide(&self, stream: StreamId, decision: Decision) {
        waiting::add_task(stream, Task::Decide(decision));
    }

    fn reset(&self, stream: StreamId) {
        waiting::add_task(stream, Task::Reset);
    }

    fn share(&self, stream: StreamId, outcome: Arc<TokenOutcome>) {
        waiting::add_task(stream, Task::Learn(outcome));
    }

    fn take_over(&self, stream: StreamId) {
        waiting::add_task(stream, Task::TakeOver);
    }
}
