//! The lock of an exchange, and its outcome, in Redis: each step is one [script](super::redis_scripts).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the types of answers of Redis are not ours"
)]

use std::time::Duration;

use redis::{Script, ScriptInvocation, Value};

use super::redis_scripts::{DISCARD, JOIN, KEEP, PUBLISH};
use super::store::RefreshKey;
use crate::session::redis::{Redis, Unavailable};
use bff_core::encoding::hex;

/// How long the lock outlives its holder.
pub(super) const LOCK_LIFETIME: Duration = Duration::from_secs(3);
/// How long it is remembered who began a refresh and did not finish it, in seconds.
const MARK_SECONDS: u64 = 600;

/// What [`RedisLock::join`] found.
pub(super) enum Joined {
    /// The outcome, sealed.
    Outcome(Vec<u8>),
    /// The caller holds the lock now.
    Acquired {
        /// In the place of another one that did not finish.
        instead: bool,
    },
    /// Somebody else holds it.
    Busy,
}

/// The locks of all exchanges. Cheap to clone.
#[derive(Clone)]
pub(super) struct RedisLock(pub(super) Redis);

impl RedisLock {
    /// Takes the lock with this fencing token, if it is free and `may_lead`; or finds the outcome.
    pub(super) async fn join(&self, key: RefreshKey, token: &str, may_lead: bool) -> Result<Joined, Unavailable> {
        let script = Script::new(JOIN);
        let mut call = self.keyed(&script, key);
        call.arg(token)
            .arg(millis(LOCK_LIFETIME))
            .arg(MARK_SECONDS)
            .arg(u8::from(may_lead));
        Ok(match self.0.invoke(&call).await? {
            Value::Int(place) => Joined::Acquired { instead: place > 1 },
            Value::BulkString(sealed) => Joined::Outcome(sealed),
            _ => Joined::Busy,
        })
    }

    /// Renews the lock. Returns whether it is still the holder's of this token.
    pub(super) async fn keep(&self, key: RefreshKey, token: &str) -> Result<bool, Unavailable> {
        let script = Script::new(KEEP);
        let mut call = self.keyed(&script, key);
        call.arg(token).arg(millis(LOCK_LIFETIME)).arg(MARK_SECONDS);
        let kept: u64 = self.0.invoke(&call).await?;
        Ok(kept == 1)
    }

    /// Publishes an outcome for so long, and gives the lock back. Returns whether it was published: not where another replica
    /// has taken the place of this one.
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

    /// Takes away an outcome that is for nobody who comes now. A failure shows with the next look.
    pub(super) async fn discard(&self, key: RefreshKey, sealed: &[u8]) {
        let script = Script::new(DISCARD);
        let mut call = self.keyed(&script, key);
        call.arg(sealed);
        let _: Result<u64, Unavailable> = self.0.invoke(&call).await;
    }

    /// A call of `script` with the keys that it takes.
    fn keyed<'a>(&self, script: &'a Script, key: RefreshKey) -> ScriptInvocation<'a> {
        // Neither the token nor the session, but what both lead to.
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
