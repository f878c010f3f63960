//! `[redis]`: the state that replicas share.

use std::path::PathBuf;

use crate::config::secret::Secret;

section! {
    /// The Redis that several replicas share.
    pub struct Redis at "redis." {
        /// URL of Redis: `redis://HOST:PORT`, or `rediss://HOST:PORT` for TLS. If the URL contains a password, set
        /// `BFF_REDIS_URL`, `BFF_REDIS_URL_FILE` or `redis.url_file` instead. If there is no URL, the service runs without
        /// Redis.
        pub url: Option<Secret> = None;
        /// File that contains the URL of Redis.
        pub(in crate::config) url_file: Option<PathBuf> = None;
        /// Time limit for a Redis command, in milliseconds.
        pub timeout_ms: u64 = 250, 10..=10_000;
        /// Whether the proxy in front of the service sends all requests of a session to the same replica, as with
        /// consistent hashing. If Redis is unavailable and the value is `true`, a replica continues to refresh all
        /// its sessions. If the value is `false`, it refreshes only sessions that no other replica can have refreshed,
        /// and refuses other refreshes until Redis is available.
        pub session_affinity: bool = false;
    }
}
