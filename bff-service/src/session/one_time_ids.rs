//! Ids that are valid for one use each: of logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.6), and of the
//! challenges that devices sign.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::session::redis::Redis;
use bff_core::encoding::hex;

/// Maximum number of ids that a process stores. If there are more, the oldest are dropped, and without Redis can be used
/// again: a signed challenge then gives one more proof, and a logout token ends the same sessions again.
const MAX_IDS: usize = 100_000;

/// The hashed ids of one kind that were used recently.
pub struct OneTimeIds {
    kind: &'static str,
    keep_seconds: u64,
    used: Mutex<Used>,
    redis: Option<Redis>,
}

impl OneTimeIds {
    /// Starts empty. `kind` is part of the names of the keys in Redis, with which replicas share the ids. An id is stored for
    /// `keep_seconds`: set at least the time for which it is valid.
    pub fn new(kind: &'static str, keep_seconds: u64, redis: Option<Redis>) -> OneTimeIds {
        OneTimeIds {
            kind,
            keep_seconds,
            used: Mutex::default(),
            redis,
        }
    }

    /// Marks this id as used at `now` (seconds since 1970). Returns whether this is its first use.
    pub async fn mark_used(&self, id: &str, now: u64) -> bool {
        let digest: [u8; 32] = Sha256::digest(id).into();
        if !self
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .mark_used(digest, now, self.keep_seconds)
        {
            return false;
        }
        let Some(redis) = &self.redis else { return true };
        let mut command = redis::cmd("SET");
        command
            .arg(redis.key(&format!("{}:{}", self.kind, hex::encode(&digest))))
            .arg(1)
            .arg("NX")
            .arg("EX")
            .arg(self.keep_seconds);
        match redis.run::<Option<String>>(&command).await {
            Ok(set) => set.is_some(),
            // A second use at another replica is then possible: it gives one more proof, or ends the same sessions
            // again.
            Err(_) => true,
        }
    }
}

#[derive(Default)]
struct Used {
    ids: HashSet<[u8; 32]>,
    order: VecDeque<(u64, [u8; 32])>,
}

impl Used {
    fn mark_used(&mut self, id: [u8; 32], now: u64, keep_seconds: u64) -> bool {
        let is_old = |(at, _): &(u64, [u8; 32])| at.saturating_add(keep_seconds) < now;
        while self.order.front().is_some_and(is_old) || self.order.len() >= MAX_IDS {
            if let Some((_, id)) = self.order.pop_front() {
                self.ids.remove(&id);
            }
        }
        let first = self.ids.insert(id);
        if first {
            self.order.push_back((now, id));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_SECONDS: u64 = 600;

    #[tokio::test]
    async fn a_token_is_good_once_and_forgotten_when_it_is_too_old_anyway() {
        let tokens = OneTimeIds::new("logout-token", KEEP_SECONDS, None);
        assert!(tokens.mark_used("a", 1000).await);
        assert!(tokens.mark_used("b", 1000).await);
        assert!(!tokens.mark_used("a", 1000 + KEEP_SECONDS).await);
        assert!(tokens.mark_used("c", 1001 + KEEP_SECONDS).await);
        assert_eq!(tokens.used.lock().unwrap().ids.len(), 1);
    }
}
