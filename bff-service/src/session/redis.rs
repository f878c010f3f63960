//! The connection to Redis: one for the process, made again by itself when it breaks, and never waited for long.
//! Whatever is kept there is a help and no truth: without Redis the service goes on by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, RedisError, ScriptInvocation};

use crate::clock;
use crate::metrics::Metrics;

/// Redis, if it can be reached.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
    /// Begins the names of all keys of one application.
    prefix: Arc<str>,
    metrics: Arc<Metrics>,
    /// When it last answered, in UNIX seconds.
    last_seen: Arc<AtomicU64>,
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
            format!(
                "`redis.url`: this is not the URL of a Redis server ({:?}); write redis://host:port",
                error.kind()
            )
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

    fn judged<T>(&self, outcome: Result<T, RedisError>) -> Result<T, Unavailable> {
        if outcome.is_ok() {
            self.last_seen.fetch_max(clock::now(), Relaxed);
        }
        outcome.map_err(|error| {
            self.metrics.redis_failed();
            log::warn!("Redis cannot be used ({:?}); going on without it", error.kind());
            Unavailable
        })
    }
}
