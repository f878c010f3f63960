//! The lock and the result of an exchange in Redis: each step is one [script](super::redis_scripts).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the types of responses of Redis are not ours"
)]

use std::time::Duration;

use redis::{Script, ScriptInvocation, Value};

use super::redis_scripts::{DISCARD, JOIN, KEEP, PUBLISH, SHORTEN};
use super::store::RefreshKey;
use crate::session::redis::{Redis, Unavailable};
use bff_core::encoding::hex;

/// Lifetime of the lock without renewal.
pub(super) const LOCK_LIFETIME: Duration = Duration::from_secs(3);
/// How long Redis stores that an exchange was begun and not completed, in seconds.
const MARK_SECONDS: u64 = 600;

/// The result of [`RedisLock::join`].
pub(super) enum Joined {
    /// The sealed result.
    Outcome(Vec<u8>),
    /// The caller has the lock.
    Acquired {
        /// Whether it replaces a holder that did not complete the exchange.
        is_replacement: bool,
    },
    /// Another replica has the lock, or the caller must not lead.
    Busy,
}

/// The locks of all exchanges. Cheap to clone.
#[derive(Clone)]
pub(super) struct RedisLock(pub(super) Redis);

impl RedisLock {
    /// Returns the result, if there is one. If there is none, the lock is free, and `may_lead` is true, takes the lock
    /// with this fencing token.
    pub(super) async fn join(&self, key: RefreshKey, token: &str, may_lead: bool) -> Result<Joined, Unavailable> {
        let script = Script::new(JOIN);
        let mut call = self.keyed(&script, key);
        call.arg(token)
            .arg(millis(LOCK_LIFETIME))
            .arg(MARK_SECONDS)
            .arg(u8::from(may_lead));
        Ok(match self.0.invoke(&call).await? {
            Value::Int(place) => Joined::Acquired {
                is_replacement: place > 1,
            },
            Value::BulkString(sealed) => Joined::Outcome(sealed),
            _ => Joined::Busy,
        })
    }

    /// Renews the lock, or takes it again if Redis has lost it. Returns whether the holder of this token has it.
    pub(super) async fn renew(&self, key: RefreshKey, token: &str) -> Result<bool, Unavailable> {
        let script = Script::new(KEEP);
        let mut call = self.keyed(&script, key);
        call.arg(token).arg(millis(LOCK_LIFETIME)).arg(MARK_SECONDS);
        let renewed: u64 = self.0.invoke(&call).await?;
        Ok(renewed == 1)
    }

    /// Publishes a result with the lifetime `window`, and releases the lock. If another replica has the lock or has
    /// completed the exchange, publishes nothing. Returns whether it published.
    pub(super) async fn publish(
        &self,
        key: RefreshKey,
        token: &str,
        sealed: &str,
        window: Duration,
    ) -> Result<bool, Unavailable> {
        let script = Script::new(PUBLISH);
        let mut call = self.keyed(&script, key);
        call.arg(token).arg(sealed).arg(millis(window));
        let published: u64 = self.0.invoke(&call).await?;
        Ok(published == 1)
    }

    /// From now on, stores a result no longer than `window`. After a failure, the result stays as long as planned.
    pub(super) async fn shorten(&self, key: RefreshKey, window: Duration) {
        let script = Script::new(SHORTEN);
        let mut call = self.keyed(&script, key);
        call.arg(millis(window));
        let _: Result<u64, Unavailable> = self.0.invoke(&call).await;
    }

    /// Removes an outdated result. A failure becomes visible at the next poll.
    pub(super) async fn discard(&self, key: RefreshKey, sealed: &[u8]) {
        let script = Script::new(DISCARD);
        let mut call = self.keyed(&script, key);
        call.arg(sealed);
        let _: Result<u64, Unavailable> = self.0.invoke(&call).await;
    }

    /// A call of `script` with its keys.
    fn keyed<'a>(&self, script: &'a Script, key: RefreshKey) -> ScriptInvocation<'a> {
        // The name contains neither the refresh token (or the code) nor the session, but a digest of both.
        let name = hex::encode(key.digest());
        let mut call = script.prepare_invoke();
        for kind in ["refreshed", "refreshing", "refresh_begun"] {
            call.key(self.0.key(&format!("{kind}:{name}")));
        }
        call
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
