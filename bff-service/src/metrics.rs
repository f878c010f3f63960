//! Counters, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// What the service counts. Shared by all workers.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    refreshes_coalesced: AtomicU64,
    authorization_server_failures: AtomicU64,
    redis_failures: AtomicU64,
    refreshes_without_redis: AtomicU64,
}

impl Metrics {
    /// A request was answered. Both labels are from fixed lists, so the number of series is bounded.
    pub fn request(&self, endpoint: &'static str, outcome: &'static str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((endpoint, outcome)).or_default() += 1;
    }

    /// A refresh was answered with the tokens of another one.
    pub fn refresh_coalesced(&self) {
        self.refreshes_coalesced.fetch_add(1, Relaxed);
    }

    /// The authorization server was unreachable, too slow, or answered nonsense.
    pub fn authorization_server_failed(&self) {
        self.authorization_server_failures.fetch_add(1, Relaxed);
    }

    /// A command to Redis failed.
    pub fn redis_failed(&self) {
        self.redis_failures.fetch_add(1, Relaxed);
    }

    /// A refresh had to do without Redis.
    pub fn refresh_without_redis(&self) {
        self.refreshes_without_redis.fetch_add(1, Relaxed);
    }

    /// All of it, as `text/plain; version=0.0.4`.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# HELP bff_requests_total Requests answered, by endpoint and outcome (`ok` or the error code).\n\
             # TYPE bff_requests_total counter\n",
        );
        for ((endpoint, outcome), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "bff_requests_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}} {count}"
            );
        }
        let mut counter = |name: &str, help: &str, value: &AtomicU64| {
            let _ = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}\n",
                value.load(Relaxed)
            );
        };
        counter(
            "bff_refreshes_coalesced_total",
            "Refreshes answered with the tokens of a refresh by another request.",
            &self.refreshes_coalesced,
        );
        counter(
            "bff_authorization_server_failures_total",
            "Requests that failed since the authorization server was unreachable, too slow or answered nonsense.",
            &self.authorization_server_failures,
        );
        counter(
            "bff_redis_failures_total",
            "Commands that Redis did not answer, or not in time.",
            &self.redis_failures,
        );
        counter(
            "bff_refreshes_without_redis_total",
            "Refreshes that could not be coordinated with other replicas.",
            &self.refreshes_without_redis,
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_come_out_as_prometheus_text() {
        let metrics = Metrics::default();
        metrics.request("refresh", "ok");
        metrics.request("refresh", "ok");
        metrics.request("login_end", "invalid_request");
        metrics.refresh_coalesced();
        let text = metrics.to_text();
        assert!(
            text.contains("bff_requests_total{endpoint=\"refresh\",outcome=\"ok\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains("bff_requests_total{endpoint=\"login_end\",outcome=\"invalid_request\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("\nbff_refreshes_coalesced_total 1\n"), "{text}");
        assert!(text.contains("\nbff_authorization_server_failures_total 0\n"), "{text}");
    }
}
