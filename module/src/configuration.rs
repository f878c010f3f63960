//! A configuration of the filter: its workers, metrics and ticks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bff_core::gateway::attributes::{RequestAttributes, StreamId};
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::Decision;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_shell::host::{Callout, CalloutRequest, Host, Level};
use bff_shell::local_reply::LocalReply;
use bff_shell::metrics::{Metrics, Reported};
use bff_shell::worker::{MAX_LIST_BYTES, Worker};

use crate::envoy::{Envoy, MetricId};
use crate::ticker::Ticks;
use crate::waiting::Waiting;

/// There is one for each place at which Envoy has the filter, and each version of its settings there.
pub(crate) struct Configuration {
    /// By Envoy's number of the worker thread.
    workers: Vec<Worker>,
    pub(crate) waiting: Waiting,
    pub(crate) metrics: Metrics<MetricId>,
    /// By worker.
    reported: Mutex<Vec<Reported>>,
    last_stream: AtomicU64,
    /// `None` when Envoy only validates its configuration.
    _ticks: Option<Ticks>,
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
    /// Reads a configuration and begins to tick. Must be called when Envoy creates the configuration.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub(crate) fn new(json: &[u8], mode: Mode, envoy: &impl Envoy) -> Result<Configuration, String> {
        let env = |name: &str| std::env::var(name).ok();
        let config = Config::parse(json, env).map_err(|error| format!("invalid configuration: {error}"))?;
        for warning in &config.warnings {
            envoy.log(Level::Warn, format_args!("bff: bff_token.encryption_key: {warning}"));
        }
        let count = match mode {
            Mode::Serve(count) => count.max(1),
            Mode::Validate => 1,
        };
        let keys = config.bff_token.iter().flat_map(|stage| stage.sealer.key_ids());
        let metrics = Metrics::define(envoy, keys);
        let ticks = match mode {
            Mode::Serve(_) => Some(Ticks::start(envoy.wake()).ok_or("starting a thread failed")?),
            Mode::Validate => None,
        };
        let configuration = Configuration {
            workers: (0..count).map(|_| Worker::new(config.clone())).collect(),
            waiting: Waiting::default(),
            metrics,
            reported: Mutex::new((0..count).map(|_| Reported::default()).collect()),
            last_stream: AtomicU64::new(0),
            _ticks: ticks,
        };
        configuration.share_ended_sessions();
        Ok(configuration)
    }

    /// Returns the worker of a thread of Envoy.
    pub(crate) fn worker(&self, index: usize) -> Option<&Worker> {
        self.workers.get(index)
    }

    /// Returns a number for a request that no other has.
    pub(crate) fn next_stream(&self) -> StreamId {
        self.last_stream.fetch_add(1, Ordering::Relaxed)
    }

    /// Handles a tick, on the main thread.
    pub(crate) fn on_tick(&self, envoy: &impl Envoy) {
        let host = TickHost { envoy };
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for (worker, reported) in self.workers.iter().zip(reported.iter_mut()) {
            worker.on_tick(&host);
            worker.with_gateway(|gateway| self.metrics.report(envoy, reported, gateway));
        }
    }

    /// Handles the response to a poll of the list of ended sessions, on the main thread. `response`: its status and body;
    /// `None` if there is none.
    pub(crate) fn on_ended_sessions(&self, response: Option<(u16, &[u8])>) {
        let Some(first) = self.workers.first() else { return };
        let (status, body) = response.unwrap_or((0, &[]));
        first.on_ended_sessions(status, (body.len() <= MAX_LIST_BYTES).then_some(body));
        self.share_ended_sessions();
    }

    /// Only the first worker's gateway polls the list of ended sessions. The others get its list.
    fn share_ended_sessions(&self) {
        let Some((first, others)) = self.workers.split_first() else {
            return;
        };
        let list = first.with_gateway(|gateway| gateway.ended_sessions().clone());
        for worker in others {
            worker.with_gateway(|gateway| gateway.share_ended_sessions(&list));
        }
    }
}

/// Returns the time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Envoy in a tick, which is of no request: the gateway polls, warns and counts.
struct TickHost<'a, E> {
    envoy: &'a E,
}

impl<E> RequestAttributes for TickHost<'_, E> {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    fn route_metadata(&self, _: &str, _: &str) -> Option<Vec<u8>> {
        None
    }
}

impl<E: Envoy> Host for TickHost<'_, E> {
    fn now(&self) -> Duration {
        now()
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        self.envoy.log(level, message);
    }

    fn mutate_request_headers(&self, _: &HeaderMutations) {}

    fn reply(&self, _: &LocalReply<'_>) {}

    fn add_private(&self) {}

    fn call_out(&self, request: &CalloutRequest<'_>, callout: Callout) -> bool {
        match callout {
            Callout::EndedSessions => self.envoy.call_out(request).is_some(),
            // An introspection belongs to a request, on a worker thread: here it would be one for all of them.
            Callout::Introspection { .. } => false,
        }
    }

    fn decide(&self, _: StreamId, _: Decision) {}
}
