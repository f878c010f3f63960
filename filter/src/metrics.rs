//! Metrics as Envoy stats. Envoy's Prometheus endpoint shows the names that are written here.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use bff_core::crypto::key_ring::KeyId;
use bff_core::gateway::counters::{Counter, Counters};
use bff_core::gateway::error_code::ErrorCode;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// The number of a metric; `None` if the host rejected its definition.
type Id = Option<u32>;

/// The metrics of one worker. Envoy adds up those of all workers.
pub(crate) struct Metrics {
    forwarded: Id,
    /// By HTTP status, since error codes may share one.
    rejected: HashMap<u16, Id>,
    cache_hits: Id,
    cache_misses: Id,
    cache_entries: Id,
    reported_entries: Cell<usize>,
    /// The totals of the gateway that were reported to Envoy last.
    reported: RefCell<Counters>,
    introspections: Id,
    introspections_joined: Id,
    introspection_failures: Id,
    introspection_ms: Id,
    clocks_differ: Id,
    session_tokens_inactive: Id,
    ended_sessions_read: Id,
    ended_sessions_failures: Id,
    opened_by: HashMap<KeyId, Id>,
    opened: Id,
    unknown_keys: Id,
    untrusted_origins: Id,
}

impl Metrics {
    /// Defines the metrics. Must be called once, by the root context.
    pub(crate) fn define(keys: impl Iterator<Item = KeyId>) -> Self {
        let counter = |name: &str| hostcalls::define_metric(MetricType::Counter, &format!("bff_filter_{name}")).ok();
        let mut rejected = HashMap::new();
        for status in ErrorCode::ALL.map(ErrorCode::status) {
            let name = || format!("requests_refused_{status}");
            rejected.entry(status).or_insert_with(|| counter(&name()));
        }
        Self {
            forwarded: counter("requests_forwarded"),
            rejected,
            cache_hits: counter("cache_hits"),
            cache_misses: counter("cache_misses"),
            cache_entries: hostcalls::define_metric(MetricType::Gauge, "bff_filter_cache_entries").ok(),
            reported_entries: Cell::new(0),
            reported: RefCell::default(),
            introspections: counter("introspections"),
            introspections_joined: counter("introspections_joined"),
            introspection_failures: counter("introspection_failures"),
            introspection_ms: hostcalls::define_metric(MetricType::Histogram, "bff_filter_introspection_ms").ok(),
            clocks_differ: counter("introspection_clocks_differ"),
            session_tokens_inactive: counter("session_tokens_inactive"),
            ended_sessions_read: counter("ended_sessions_read"),
            ended_sessions_failures: counter("ended_sessions_failures"),
            opened_by: keys
                .map(|key| (key, counter(&format!("cookies_opened_by_{key}"))))
                .collect(),
            opened: counter("cookies_opened"),
            unknown_keys: counter("cookies_of_unknown_keys"),
            untrusted_origins: counter("untrusted_origins"),
        }
    }

    /// Counts an introspection that begins.
    pub(crate) fn introspection(&self) {
        add(self.introspections, 1);
    }

    /// Records the duration of an introspection.
    pub(crate) fn introspected(&self, time: Duration) {
        if let Some(id) = self.introspection_ms {
            let _ = hostcalls::record_metric(id, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// Reports the totals since the start of the gateway.
    pub(crate) fn report(&self, counters: &Counters) {
        let Ok(mut reported) = self.reported.try_borrow_mut() else {
            return;
        };
        for (counter, total) in counters.iter() {
            let new = total.wrapping_sub(reported.of(counter));
            if new > 0 {
                add(self.id(counter), i64::try_from(new).unwrap_or(i64::MAX));
            }
        }
        let new = counters.cookies_opened().wrapping_sub(reported.cookies_opened());
        if new > 0 {
            add(self.opened, i64::try_from(new).unwrap_or(i64::MAX));
        }
        reported.clone_from(counters);
    }

    fn id(&self, counter: Counter) -> Id {
        match counter {
            Counter::Forwarded => self.forwarded,
            Counter::Rejected(code) => self.rejected.get(&code.status()).copied().flatten(),
            Counter::CookieOpened(key) => self.opened_by.get(&key).copied().flatten(),
            Counter::CookieOfUnknownKey => self.unknown_keys,
            Counter::UntrustedOrigin => self.untrusted_origins,
            Counter::CacheHit => self.cache_hits,
            Counter::CacheMiss => self.cache_misses,
            Counter::Joined => self.introspections_joined,
            Counter::IntrospectionFailed => self.introspection_failures,
            Counter::ClocksDiffer => self.clocks_differ,
            Counter::SessionTokenInactive => self.session_tokens_inactive,
            Counter::EndedSessionsRead => self.ended_sessions_read,
            Counter::EndedSessionsFailed => self.ended_sessions_failures,
        }
    }

    /// Reports the number of introspection responses that this worker caches. The workers share the gauge, so each adds
    /// its change.
    pub(crate) fn cache_entries(&self, entries: usize) {
        let before = self.reported_entries.replace(entries);
        let change = i64::try_from(entries)
            .unwrap_or(0)
            .saturating_sub(i64::try_from(before).unwrap_or(0));
        if change != 0 {
            add(self.cache_entries, change);
        }
    }
}

fn add(id: Id, offset: i64) {
    if let Some(id) = id {
        let _ = hostcalls::increment_metric(id, offset);
    }
}
