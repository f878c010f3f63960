//! The connection to Redis: one for each application, which reconnects automatically, with a short time limit for each
//! command. Redis holds only coordination data: without Redis each replica continues alone, where that is safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Cmd, FromRedisValue, IntoConnectionInfo, RedisError, ScriptInvocation};

use crate::clock;
use crate::telemetry::metrics::Metrics;

/// Time without a successful command, in seconds, after which entries with a short lifetime may have expired. A task sends
/// a command every second.
const ABSENCE_SECONDS: u64 = 2;

/// The connection to Redis.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
    /// Prefix of all keys of one application.
    prefix: Arc<str>,
    metrics: Arc<Metrics>,
    /// The time of the last successful command, in seconds since 1970.
    last_seen: Arc<AtomicU64>,
    /// The time at which Redis was available again after an outage, in seconds since 1970; 0 if there was none.
    back_at: Arc<AtomicU64>,
    /// Whether the connection was lost: Redis may have restarted since.
    is_lost: Arc<AtomicBool>,
    /// Whether the last command failed.
    is_unavailable: Arc<AtomicBool>,
}

/// A Redis command failed. The reason is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl Redis {
    /// Connects to `url` at the first command. `timeout` is the time limit of each command. `application` is part
    /// of the names of all keys. Must run where tokio runs.
    ///
    /// # Errors
    /// `url` is invalid. The string has the form of a configuration error, and does not contain the URL.
    pub fn new(url: &str, timeout: Duration, application: &str, metrics: Arc<Metrics>) -> Result<Redis, String> {
        // The error's own message may quote the URL, which may contain a password.
        let unusable =
            |_: RedisError| "redis.url: invalid URL: write redis://HOST:PORT, or rediss://HOST:PORT for TLS".to_owned();
        // All requests share one connection, so a command is often sent before the response to another.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = url.into_connection_info().map_err(unusable)?.set_tcp_settings(tcp);
        let client = redis::Client::open(info).map_err(unusable)?;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(2)
            .set_max_delay(Duration::from_secs(1));
        let manager = ConnectionManager::new_lazy_with_config(client, settings).map_err(unusable)?;
        Ok(Redis {
            manager,
            prefix: format!("bff:{application}:").into(),
            metrics,
            last_seen: Arc::new(AtomicU64::new(clock::now())),
            back_at: Arc::default(),
            is_lost: Arc::default(),
            is_unavailable: Arc::default(),
        })
    }

    /// Whether the last command failed. A replica sends one every second.
    pub fn is_unavailable(&self) -> bool {
        self.is_unavailable.load(Relaxed)
    }

    /// Connects, and waits for a response.
    ///
    /// # Errors
    /// The kind of failure: the error's own message may quote the URL, which may contain a password.
    pub async fn ping(&self) -> Result<(), String> {
        let mut manager = self.manager.clone();
        let pong: Result<String, RedisError> = redis::cmd("PING").query_async(&mut manager).await;
        pong.map(drop).map_err(|error| error.category().to_owned())
    }

    /// The full name of a key.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let mut manager = self.manager.clone();
        self.record(command.query_async(&mut manager).await)
    }

    /// Runs a script.
    pub(super) async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        let mut manager = self.manager.clone();
        self.record(script.invoke_async(&mut manager).await)
    }

    /// The time of the last successful command, in seconds since 1970; initially the start of this process.
    pub(super) fn last_seen(&self) -> u64 {
        self.last_seen.load(Relaxed)
    }

    /// Whether Redis came back at most `time` ago, after an outage in which it may have lost data.
    pub(super) fn has_come_back_within(&self, time: Duration) -> bool {
        let until = self.back_at.load(Relaxed).saturating_add(time.as_secs());
        // Times are rounded, so include this second.
        clock::now() <= until
    }

    fn record<T>(&self, outcome: Result<T, RedisError>) -> Result<T, Unavailable> {
        self.is_unavailable.store(outcome.is_err(), Relaxed);
        match outcome {
            Ok(value) => {
                let now = clock::now();
                let last_seen = self.last_seen.fetch_max(now, Relaxed);
                if self.is_lost.swap(false, Relaxed) || now > last_seen.saturating_add(ABSENCE_SECONDS) {
                    self.back_at.store(now, Relaxed);
                }
                Ok(value)
            }
            Err(error) => {
                // Neither a timeout nor an error response, such as that of a full Redis, means that data was lost.
                if !error.is_timeout() && (error.is_io_error() || error.is_connection_dropped()) {
                    self.is_lost.store(true, Relaxed);
                }
                self.metrics.count_redis_failure();
                log::warn!(
                    "Redis command failed: {}; until Redis is back, replicas do not share ended sessions, and without session \
                     affinity refuse refreshes of sessions that another replica may have refreshed: check that Redis is running \
                     at `redis.url`",
                    error.category()
                );
                Err(Unavailable)
            }
        }
    }
}
