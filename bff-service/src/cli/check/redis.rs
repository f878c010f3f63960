//! `check`: the Redis that replicas share.

use std::sync::Arc;
use std::time::Duration;

use super::report::Report;
use crate::config::Config;
use crate::session::redis::Redis;

/// Checks whether the configured Redis responds.
pub(super) async fn check_redis(config: &Config, report: &mut Report) {
    let Some(url) = &config.redis.url else { return };
    let timeout = Duration::from_millis(config.redis.timeout_ms);
    let redis = Redis::new(url.expose(), timeout, &config.identity(), Arc::default());
    let pinged = match redis {
        Ok(redis) => redis.ping().await,
        Err(error) => return report.errors.push(error),
    };
    match pinged {
        Ok(()) => report.valid.push("Redis responds".to_owned()),
        Err(category) => report.errors.push(format!(
            "redis.url: connecting to Redis failed: {category}: check that Redis is running there, and that host, port, user and \
             password in the URL are right"
        )),
    }
}
