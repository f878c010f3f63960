//! The connection to Redis: one for the process, made again by itself when it breaks, and never waited for long.
//! Whatever is kept there is a help and no truth: without Redis the service goes on by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, RedisError, ScriptInvocation};

use crate::clock;
use crate::telemetry::metrics::Metrics;

/// Somebody asks it every second. Where nobody had an answer for longer than this, in seconds, what lives there for a short
/// time may have run out.
const ABSENCE_SECONDS: u64 = 2;

/// Redis, if it can be reached.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
    /// Begins the names of all keys of one application.
    prefix: Arc<str>,
    metrics: Arc<Metrics>,
    /// When it last answered, in UNIX seconds.
    last_seen: Arc<AtomicU64>,
    /// When it was back after it had been away, in UNIX seconds; 0 if it never was.
    back_at: Arc<AtomicU64>,
    /// Whether the connection was lost: Redis may have begun anew since.
    is_lost: Arc<AtomicBool>,
}

/// Redis could not be used; the reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl Redis {
    /// Begins to connect to `url`, in the background; `timeout` bounds each command. `application` names whose keys these
    /// are. Must run where tokio runs.
    pub fn new(url: &str, timeout: Duration, application: &str, metrics: Arc<Metrics>) -> Result<Redis, String> {
        let unusable = |error: RedisError| {
            // Its own text may quote the URL, and that the password.
            format!("`redis.url`: invalid ({:?}): write redis://HOST:PORT", error.kind())
        };
        let client = redis::Client::open(url).map_err(unusable)?;
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
        })
    }

    /// The full name of a key.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let mut manager = self.manager.clone();
        self.judged(command.query_async(&mut manager).await)
    }

    /// Runs a script.
    pub(super) async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        let mut manager = self.manager.clone();
        self.judged(script.invoke_async(&mut manager).await)
    }

    /// When Redis last answered, in UNIX seconds; at first, when this process began.
    pub(super) fn last_seen(&self) -> u64 {
        self.last_seen.load(Relaxed)
    }

    /// Whether Redis was away until lately, for so long, or in such a way, that what had been there may be gone.
    pub(super) fn came_back_within(&self, time: Duration) -> bool {
        let until = self.back_at.load(Relaxed).saturating_add(time.as_secs());
        // For the rounding of times, that second too.
        clock::now() <= until
    }

    fn judged<T>(&self, outcome: Result<T, RedisError>) -> Result<T, Unavailable> {
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
                // One that is slow forgets nothing.
                if !error.is_timeout() {
                    self.is_lost.store(true, Relaxed);
                }
                self.metrics.redis_failed();
                log::warn!(
                    "a Redis command failed ({}); continuing without Redis",
                    error.category()
                );
                Err(Unavailable)
            }
        }
    }
}
