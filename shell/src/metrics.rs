//! Metrics as Envoy stats. Envoy's Prometheus endpoint shows the names that are written here.

use std::collections::HashMap;
use std::time::Duration;

use bff_core::crypto::key_ring::KeyId;
use bff_core::gateway::Gateway;
use bff_core::gateway::authorization_server::Step;
use bff_core::gateway::counters::{Counter, Counters};
use bff_core::gateway::error_code::ErrorCode;

/// What a host must offer to define metrics. `None` if the host rejects one.
pub trait MetricRegistry {
    /// How the host names a metric.
    type Id: Copy;
    /// How the host names a counter with labels.
    type LabelledId: Copy;

    /// Defines a counter.
    fn counter(&self, name: &str) -> Option<Self::Id>;
    /// Defines a gauge.
    fn gauge(&self, name: &str) -> Option<Self::Id>;
    /// Defines a histogram.
    fn histogram(&self, name: &str) -> Option<Self::Id>;
    /// Defines a counter with labels of these names, if the host has labels.
    fn labelled_counter(&self, name: &str, labels: &[&str]) -> Option<Self::LabelledId>;
}

/// What a host must offer to change metrics.
pub trait Meter {
    /// How the host names a metric.
    type Id: Copy;
    /// How the host names a counter with labels.
    type LabelledId: Copy;

    /// Adds to a counter.
    fn count(&self, id: Self::Id, increment: u64);
    /// Adds to a counter with labels. `values`: one for each label, in the order of their names.
    fn count_labelled(&self, id: Self::LabelledId, values: &[&str], increment: u64);
    /// Adds to a gauge.
    fn change(&self, id: Self::Id, change: i64);
    /// Records a value in a histogram.
    fn record(&self, id: Self::Id, value: u64);
}

/// The metrics of a configuration. Envoy adds up those of all workers and configurations.
pub struct Metrics<Id, LabelledId> {
    forwarded: Option<Id>,
    /// By HTTP status, since error codes may share one.
    rejected: HashMap<u16, Option<Id>>,
    cache_hits: Option<Id>,
    cache_misses: Option<Id>,
    shared_cache_hits: Option<Id>,
    cache_entries: Option<Id>,
    introspections: Option<Id>,
    introspections_joined: Option<Id>,
    introspection_failures: Option<Id>,
    introspection_ms: Option<Id>,
    exchanges: Option<Id>,
    exchange_failures: Option<Id>,
    exchange_ms: Option<Id>,
    clocks_differ: Option<Id>,
    session_tokens_inactive: Option<Id>,
    streams_ended: Option<Id>,
    ended_sessions_read: Option<Id>,
    ended_sessions_failures: Option<Id>,
    opened_by: HashMap<KeyId, Option<Id>>,
    /// With the key as a label, which need not be known when the metrics are defined.
    opened_by_key: Option<LabelledId>,
    opened: Option<Id>,
    unknown_keys: Option<Id>,
    untrusted_origins: Option<Id>,
    device_binding_missing: Option<Id>,
    device_binding_skipped: Option<Id>,
    secrets_rejected: Option<Id>,
}

/// What a gateway has counted: taken while the gateway is locked, and reported when it is not.
pub struct Counted {
    totals: Counters,
    cached_inactive: usize,
    /// The change in the number of cached responses about active tokens that was not reported yet.
    active_change: i64,
}

impl Counted {
    /// Takes what a gateway has counted.
    pub fn of(gateway: &Gateway) -> Self {
        Self {
            totals: gateway.counters().clone(),
            cached_inactive: gateway.cached_inactive(),
            // Several gateways may have one memory: whichever reports first reports its change.
            active_change: gateway.memory().map_or(0, |memory| memory.unreported()),
        }
    }
}

/// What was last reported of a worker.
#[derive(Default)]
pub struct Reported {
    totals: Counters,
    cached_inactive: usize,
}

impl<Id: Copy, LabelledId: Copy> Metrics<Id, LabelledId> {
    /// Defines the metrics, with one for each of these cookie keys.
    pub fn define(
        registry: &impl MetricRegistry<Id = Id, LabelledId = LabelledId>,
        keys: impl Iterator<Item = KeyId>,
    ) -> Self {
        let counter = |name: &str| registry.counter(&format!("bff_filter_{name}"));
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
            shared_cache_hits: counter("shared_cache_hits"),
            cache_entries: registry.gauge("bff_filter_cache_entries"),
            introspections: counter("introspections"),
            introspections_joined: counter("introspections_joined"),
            introspection_failures: counter("introspection_failures"),
            introspection_ms: registry.histogram("bff_filter_introspection_ms"),
            exchanges: counter("token_exchanges"),
            exchange_failures: counter("token_exchange_failures"),
            exchange_ms: registry.histogram("bff_filter_token_exchange_ms"),
            clocks_differ: counter("introspection_clocks_differ"),
            session_tokens_inactive: counter("session_tokens_inactive"),
            streams_ended: counter("streams_ended"),
            ended_sessions_read: counter("ended_sessions_read"),
            ended_sessions_failures: counter("ended_sessions_failures"),
            opened_by: keys
                .map(|key| (key, counter(&format!("cookies_opened_by_{key}"))))
                .collect(),
            opened_by_key: registry.labelled_counter("bff_filter_cookies_opened_by", &["key"]),
            opened: counter("cookies_opened"),
            unknown_keys: counter("cookies_of_unknown_keys"),
            untrusted_origins: counter("untrusted_origins"),
            device_binding_missing: counter("device_binding_missing"),
            device_binding_skipped: counter("device_binding_skipped"),
            secrets_rejected: counter("secrets_rejected"),
        }
    }

    /// Counts a new value of a discovered secret that is invalid.
    pub fn count_rejected_secret(&self, meter: &impl Meter<Id = Id>) {
        count(meter, self.secrets_rejected, 1);
    }

    /// Counts a request that the shell rejects. The gateway counts those that it rejects itself.
    pub fn count_rejected(&self, meter: &impl Meter<Id = Id>, code: ErrorCode) {
        count(meter, self.id(Counter::Rejected(code)), 1);
    }

    /// Counts a step of the token stage that begins.
    pub fn count_step(&self, meter: &impl Meter<Id = Id>, step: Step) {
        let id = match step {
            Step::Introspection => self.introspections,
            Step::Exchange => self.exchanges,
        };
        count(meter, id, 1);
    }

    /// Records the duration of a step of the token stage.
    pub fn record_step(&self, meter: &impl Meter<Id = Id>, step: Step, time: Duration) {
        let id = match step {
            Step::Introspection => self.introspection_ms,
            Step::Exchange => self.exchange_ms,
        };
        if let Some(id) = id {
            meter.record(id, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// Reports what has changed in a worker's gateway since the last report. The workers share each metric, so each adds
    /// its changes.
    pub fn report(
        &self,
        meter: &impl Meter<Id = Id, LabelledId = LabelledId>,
        reported: &mut Reported,
        counted: &Counted,
    ) {
        let counters = &counted.totals;
        for (counter, total) in counters.iter() {
            let increment = total.wrapping_sub(reported.totals.of(counter));
            count(meter, self.id(counter), increment);
            if let Counter::CookieOpened(key) = counter
                && let Some(id) = self.opened_by_key
                && increment > 0
            {
                meter.count_labelled(id, &[&key.to_string()], increment);
            }
        }
        let opened = counters.cookies_opened().wrapping_sub(reported.totals.cookies_opened());
        count(meter, self.opened, opened);
        reported.totals.clone_from(counters);

        let inactive = counted.cached_inactive;
        let before = std::mem::replace(&mut reported.cached_inactive, inactive);
        let signed = |entries: usize| i64::try_from(entries).unwrap_or(0);
        let change = signed(inactive)
            .saturating_sub(signed(before))
            .saturating_add(counted.active_change);
        if let Some(id) = self.cache_entries
            && change != 0
        {
            meter.change(id, change);
        }
    }

    fn id(&self, counter: Counter) -> Option<Id> {
        match counter {
            Counter::Forwarded => self.forwarded,
            Counter::Rejected(code) => self.rejected.get(&code.status()).copied().flatten(),
            Counter::CookieOpened(key) => self.opened_by.get(&key).copied().flatten(),
            Counter::CookieOfUnknownKey => self.unknown_keys,
            Counter::UntrustedOrigin => self.untrusted_origins,
            Counter::DeviceBindingMissing => self.device_binding_missing,
            Counter::DeviceBindingSkipped => self.device_binding_skipped,
            Counter::CacheHit => self.cache_hits,
            Counter::CacheMiss => self.cache_misses,
            Counter::SharedCacheHit => self.shared_cache_hits,
            Counter::Joined => self.introspections_joined,
            Counter::IntrospectionFailed => self.introspection_failures,
            Counter::ExchangeFailed => self.exchange_failures,
            Counter::ClocksDiffer => self.clocks_differ,
            Counter::SessionTokenInactive => self.session_tokens_inactive,
            Counter::StreamEnded => self.streams_ended,
            Counter::EndedSessionsPolled => self.ended_sessions_read,
            Counter::EndedSessionsFailed => self.ended_sessions_failures,
        }
    }
}

fn count<M: Meter>(meter: &M, id: Option<M::Id>, increment: u64) {
    if let Some(id) = id
        && increment > 0
    {
        meter.count(id, increment);
    }
}
