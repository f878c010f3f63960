//! The used logout tokens: each can be used once (OpenID Connect Back-Channel Logout 1.0, section 2.6).

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::oauth::logout_token::MAX_AGE_SECONDS;
use crate::session::redis::Redis;
use bff_core::encoding::hex;

/// Maximum number of stored ids. Only the authorization server can create valid tokens.
const MAX_TOKENS: usize = 100_000;
/// How long an id is stored, in seconds: until the token is refused for its age, plus one minute of clock skew in each
/// direction.
const KEEP_SECONDS: u64 = MAX_AGE_SECONDS + 120;

/// The hashed ids of recent logout tokens.
pub struct LogoutTokens {
    used: Mutex<Used>,
    redis: Option<Redis>,
}

#[derive(Default)]
struct Used {
    ids: HashSet<[u8; 32]>,
    order: VecDeque<(u64, [u8; 32])>,
}

impl LogoutTokens {
    /// Starts empty. With Redis, replicas share the ids.
    pub fn new(redis: Option<Redis>) -> LogoutTokens {
        LogoutTokens {
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
            .mark_used(digest, now)
        {
            return false;
        }
        let Some(redis) = &self.redis else { return true };
        let mut command = redis::cmd("SET");
        command
            .arg(redis.key(&format!("logout-token:{}", hex::encode(&digest))))
            .arg(1)
            .arg("NX")
            .arg("EX")
            .arg(KEEP_SECONDS);
        match redis.run::<Option<String>>(&command).await {
            Ok(set) => set.is_some(),
            // A second use at another replica only ends the same sessions again.
            Err(_) => true,
        }
    }
}

impl Used {
    fn mark_used(&mut self, id: [u8; 32], now: u64) -> bool {
        let is_old = |(at, _): &(u64, [u8; 32])| at.saturating_add(KEEP_SECONDS) < now;
        while self.order.front().is_some_and(is_old) || self.order.len() >= MAX_TOKENS {
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

    #[tokio::test]
    async fn a_token_is_good_once_and_forgotten_when_it_is_too_old_anyway() {
        let tokens = LogoutTokens::new(None);
        assert!(tokens.mark_used("a", 1000).await);
        assert!(tokens.mark_used("b", 1000).await);
        assert!(!tokens.mark_used("a", 1000 + KEEP_SECONDS).await);
        assert!(tokens.mark_used("c", 1001 + KEEP_SECONDS).await);
        assert_eq!(tokens.used.lock().unwrap().ids.len(), 1);
    }
}
