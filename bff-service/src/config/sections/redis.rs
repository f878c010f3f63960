//! `[redis]`: what replicas share.

use std::path::PathBuf;

use crate::config::secret::Secret;

section! {
    /// The Redis that several replicas share.
    pub struct Redis at "redis." {
        /// `redis://host:port`, or `rediss://` over TLS. With a password in it, it belongs into `BFF_REDIS_URL`, or
        /// into a file that `BFF_REDIS_URL_FILE` or `redis.url_file` names. Default: none.
        pub url: Option<Secret> = None;
        /// File that holds the URL of Redis.
        pub(in crate::config) url_file: Option<PathBuf> = None;
        /// How long a command may take, in milliseconds.
        pub timeout_ms: u64 = 250, 10..=10_000;
        /// Whether the proxy in front sends all of a session's requests to the same replica, as consistent hashing
        /// does. When Redis is away each replica then goes on by itself; else it refreshes only what nobody else can
        /// have refreshed.
        pub session_affinity: bool = false;
    }
}
