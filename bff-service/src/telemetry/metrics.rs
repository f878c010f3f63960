//! The metrics of the service, in Prometheus' text format. `docs/observability.md` has the list.
//!
//! The values of every label come from a fixed list and never from a request, so the number of series is bounded.

use super::server_endpoint::ServerEndpoint;
use crate::version::{COMMIT, VERSION};

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};
use prometheus::{Registry, TextEncoder};
use std::time::Duration;

/// Upper bounds of the histogram buckets, in seconds: up to the default time limit of a request to the authorization
/// server.
const BUCKETS_SECONDS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Declares the values of a label.
macro_rules! labels {
    ($(#[$comment:meta])* $name:ident { $($(#[$of:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$comment])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$of])* $variant,)*
        }

        impl $name {
            const ALL: &[$name] = &[$($name::$variant),*];

            fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

labels! {
    /// How a refresh ended, by a call of `/refresh` with valid cookies or by a valid registration of a device's key: the
    /// label `outcome` of `bff_refreshes_total`.
    RefreshKind {
        /// The authorization server issued new tokens, including a new refresh token.
        Rotated => "rotated",
        /// The authorization server issued a new access token, and the refresh token stays valid.
        Renewed => "renewed",
        /// The call waited for another call with the same refresh token and got its tokens.
        Coalesced => "coalesced",
        /// The call was late and got the tokens of an earlier call.
        Replayed => "replayed",
        /// The refresh failed, or the session was ended meanwhile.
        Failed => "failed",
    }
}

labels! {
    /// The party that ended sessions: the label `by` of `bff_logouts_total`.
    LogoutParty {
        /// The user.
        User => "user",
        /// The user, all sessions at once.
        UserEverywhere => "user_everywhere",
        /// An operator, by `/end-sessions` on the admin listener.
        Operator => "operator",
        /// The authorization server, by back-channel logout.
        Backchannel => "backchannel",
        /// The authorization server, by front-channel logout.
        Frontchannel => "frontchannel",
    }
}

labels! {
    /// A binding decision: the label `binding` of `bff_sessions_decided_total`.
    SessionBinding {
        /// The session is bound to a device.
        Bound => "bound",
        /// The session is unbound.
        Unbound => "unbound",
    }
}

labels! {
    /// The outcome of a registration: the label `outcome` of `bff_device_registrations_total`.
    Registration {
        /// The session is bound to the key.
        Registered => "registered",
        /// The registration or the session is invalid.
        Refused => "refused",
        /// Another key was registered before, so the session ended.
        Repeated => "repeated",
        /// Redis is unavailable, the list of binding decisions is full, or the service failed.
        Failed => "failed",
    }
}

labels! {
    /// The outcome of a request for a proof: the label `outcome` of `bff_device_proofs_total`.
    DeviceProof {
        /// The browser has a new proof.
        Proven => "proven",
        /// The browser must sign a challenge first.
        Challenged => "challenged",
        /// The request, its signature or the session is invalid.
        Refused => "refused",
        /// The cookies name a key that is not in the ring, or belong to different sessions; or the service failed.
        Failed => "failed",
    }
}

/// The service's metrics. Shared by all workers.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    rejections: IntCounterVec,
    logins_started: IntCounter,
    logins: IntCounter,
    refreshes: IntCounterVec,
    logouts: IntCounterVec,
    sessions_decided: IntCounterVec,
    device_registrations: IntCounterVec,
    device_proofs: IntCounterVec,
    server_requests: IntCounterVec,
    server_seconds: HistogramVec,
    authorization_server_failures: IntCounter,
    redis_failures: IntCounter,
    refreshes_without_redis: IntCounter,
    ended_sessions: IntGauge,
    ready: IntGauge,
    redis_unavailable: IntGauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let counter = |name: &str, help: &str| register(&registry, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(name, help));
        let times = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS_SECONDS.to_vec());
            register(&registry, HistogramVec::new(options, labels))
        };
        let build = Opts::new(
            "bff_build_info",
            "The build: always 1, with version and commit as labels.",
        );
        register(&registry, IntGaugeVec::new(build, &["version", "commit"]))
            .with_label_values(&[VERSION, COMMIT])
            .set(1);
        let metrics = Metrics {
            requests: counters(
                "bff_requests_total",
                "Requests answered, by endpoint and outcome: ok, or the error code.",
                &["endpoint", "outcome"],
            ),
            request_seconds: times(
                "bff_request_duration_seconds",
                "Time from the head of a request to its response in seconds, by endpoint.",
                &["endpoint"],
            ),
            rejections: counters(
                "bff_refusals_total",
                "Requests refused, by endpoint and reason.",
                &["endpoint", "reason"],
            ),
            logins_started: counter("bff_logins_started_total", "Logins started."),
            logins: counter("bff_logins_total", "Sessions begun."),
            refreshes: counters(
                "bff_refreshes_total",
                "Calls to refresh a session with valid cookies, by outcome.",
                &["outcome"],
            ),
            logouts: counters(
                "bff_logouts_total",
                "Logouts, by the party that requested them.",
                &["by"],
            ),
            sessions_decided: counters(
                "bff_sessions_decided_total",
                "Decisions on whether a session is bound to a device, by binding.",
                &["binding"],
            ),
            device_registrations: counters(
                "bff_device_registrations_total",
                "Registrations of a device's key, by outcome.",
                &["outcome"],
            ),
            device_proofs: counters(
                "bff_device_proofs_total",
                "Requests for a proof of a device's key, by outcome.",
                &["outcome"],
            ),
            server_requests: counters(
                "bff_authorization_server_requests_total",
                "Back-channel requests to the authorization server, by endpoint and outcome.",
                &["endpoint", "outcome"],
            ),
            server_seconds: times(
                "bff_authorization_server_request_duration_seconds",
                "Time of a back-channel request to the authorization server in seconds, from the wait for a connection to \
                 the complete response, by endpoint.",
                &["endpoint"],
            ),
            authorization_server_failures: counter(
                "bff_authorization_server_failures_total",
                "Requests answered with authorization_server_error, because the authorization server was unreachable, too \
                 slow or busy, its response could not be used, or its error means a failure.",
            ),
            redis_failures: counter("bff_redis_failures_total", "Redis commands that failed or timed out."),
            refreshes_without_redis: counter(
                "bff_refreshes_without_redis_total",
                "Refreshes and logins that could not be coordinated with other replicas, because Redis was unavailable.",
            ),
            ended_sessions: gauge(
                "bff_ended_sessions",
                "Entries in the lists of sessions that ended before their cookies expired.",
            ),
            redis_unavailable: gauge(
                "bff_redis_unavailable",
                "Whether the last command to Redis failed: 1 or 0. Without Redis: 0.",
            ),
            ready: gauge(
                "bff_ready",
                "Whether the service has loaded the authorization server's metadata and JWKS: 1 or 0.",
            ),
            registry,
        };
        // Create the series at startup, so that the first event is visible as an increase.
        for outcome in RefreshKind::ALL {
            metrics.refreshes.with_label_values(&[outcome.name()]);
        }
        for by in LogoutParty::ALL {
            metrics.logouts.with_label_values(&[by.name()]);
        }
        for binding in SessionBinding::ALL {
            metrics.sessions_decided.with_label_values(&[binding.name()]);
        }
        for outcome in Registration::ALL {
            metrics.device_registrations.with_label_values(&[outcome.name()]);
        }
        for outcome in DeviceProof::ALL {
            metrics.device_proofs.with_label_values(&[outcome.name()]);
        }
        metrics
    }
}

/// Registers a metric. This cannot fail: names and labels are constants in this file, and a test registers all of them.
fn register<T: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<T>) -> T {
    let registered = metric.and_then(|metric| {
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    });
    registered.unwrap_or_else(|error| unreachable!("invalid metric definition: {error}"))
}

impl Metrics {
    /// Counts a request. `outcome` is `ok` or an error code.
    pub fn count_request(&self, endpoint: &'static str, outcome: &'static str, time: Duration) {
        self.requests.with_label_values(&[endpoint, outcome]).inc();
        observe(&self.request_seconds.with_label_values(&[endpoint]), time);
    }

    /// Counts a rejection.
    pub fn count_rejection(&self, endpoint: &'static str, reason: &'static str) {
        self.rejections.with_label_values(&[endpoint, reason]).inc();
    }

    /// Counts a started login.
    pub fn count_login_start(&self) {
        self.logins_started.inc();
    }

    /// Counts a begun session.
    pub fn count_login(&self) {
        self.logins.inc();
    }

    /// Counts a call to refresh a session.
    pub fn count_refresh(&self, outcome: RefreshKind) {
        self.refreshes.with_label_values(&[outcome.name()]).inc();
    }

    /// Counts a logout.
    pub fn count_logout(&self, by: LogoutParty) {
        self.logouts.with_label_values(&[by.name()]).inc();
    }

    /// Counts a binding decision.
    pub fn count_session_binding(&self, binding: SessionBinding) {
        self.sessions_decided.with_label_values(&[binding.name()]).inc();
    }

    /// Counts a registration of a device's key.
    pub fn count_registration(&self, outcome: Registration) {
        self.device_registrations.with_label_values(&[outcome.name()]).inc();
    }

    /// Counts a request for a proof of a device's key.
    pub fn count_device_proof(&self, outcome: DeviceProof) {
        self.device_proofs.with_label_values(&[outcome.name()]).inc();
    }

    /// Counts a request to the authorization server. `outcome` is `ok`, `rejected`, or the name of an HTTP error.
    pub fn count_server_request(&self, endpoint: ServerEndpoint, outcome: &'static str, time: Duration) {
        let endpoint = endpoint.name();
        self.server_requests.with_label_values(&[endpoint, outcome]).inc();
        observe(&self.server_seconds.with_label_values(&[endpoint]), time);
    }

    /// Counts a request that the service answered with `authorization_server_error`.
    pub fn count_authorization_server_failure(&self) {
        self.authorization_server_failures.inc();
    }

    /// Counts a failed Redis command.
    pub fn count_redis_failure(&self) {
        self.redis_failures.inc();
    }

    /// Counts a refresh or a login that could not be coordinated, because Redis was unavailable.
    pub fn count_refresh_without_redis(&self) {
        self.refreshes_without_redis.inc();
    }

    /// The metrics of this module as `text/plain; version=0.0.4`, with the current values of these three gauges: the number
    /// of entries in the lists of ended sessions, whether the service is ready, and whether Redis is unavailable.
    pub fn to_text(&self, ended_sessions: usize, is_ready: bool, is_redis_unavailable: bool) -> String {
        self.ended_sessions
            .set(i64::try_from(ended_sessions).unwrap_or(i64::MAX));
        self.ready.set(i64::from(is_ready));
        self.redis_unavailable.set(i64::from(is_redis_unavailable));
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            log::error!("encoding the metrics failed: {error}");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn observe(histogram: &Histogram, time: Duration) {
    histogram.observe(time.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_comes_out_as_prometheus_text() {
        let metrics = Metrics::default();
        metrics.count_request("refresh", "ok", Duration::from_millis(3));
        metrics.count_request("refresh", "ok", Duration::from_secs(60));
        metrics.count_request("login_end", "invalid_request", Duration::ZERO);
        metrics.count_refresh(RefreshKind::Coalesced);
        metrics.count_server_request(ServerEndpoint::Token, "timeout", Duration::from_secs(1));
        let text = metrics.to_text(7, true, false);
        for line in [
            r#"bff_requests_total{endpoint="refresh",outcome="ok"} 2"#,
            r#"bff_requests_total{endpoint="login_end",outcome="invalid_request"} 1"#,
            r#"bff_request_duration_seconds_bucket{endpoint="refresh",le="0.0025"} 0"#,
            r#"bff_request_duration_seconds_bucket{endpoint="refresh",le="0.005"} 1"#,
            r#"bff_request_duration_seconds_count{endpoint="refresh"} 2"#,
            r#"bff_refreshes_total{outcome="coalesced"} 1"#,
            r#"bff_refreshes_total{outcome="failed"} 0"#,
            r#"bff_authorization_server_requests_total{endpoint="token",outcome="timeout"} 1"#,
            "bff_authorization_server_failures_total 0",
            &format!("bff_build_info{{commit=\"{COMMIT}\",version=\"{VERSION}\"}} 1"),
            "bff_ended_sessions 7",
            "bff_ready 1",
            "bff_redis_unavailable 0",
            "# TYPE bff_request_duration_seconds histogram",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
