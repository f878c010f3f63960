//! A cache of introspection responses.

use std::sync::Arc;

use super::bounded_lru::BoundedLru;
use super::cache_key::CacheKey;
use super::token_info::TokenInfo;

/// What introspection says about a token (RFC 7662, section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The token is active. Each request checks whether it is sufficient.
    Active(Arc<TokenInfo>),
    /// The token is inactive.
    Inactive(InactiveReason),
}

/// Why a token counts as inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveReason {
    /// Introspection says so: the token is unknown, expired or revoked.
    NotActive,
    /// The authorization server does not recognize it as a token that can be introspected.
    NotIntrospectable,
    /// Introspection calls it active, but its `exp` has passed by the local clock.
    ExpiredHere {
        /// Time since `exp`, in seconds. The clocks differ by at least this much.
        seconds: u64,
    },
}

impl InactiveReason {
    /// Returns the text for the log.
    pub(crate) const fn details(self) -> &'static str {
        match self {
            Self::NotActive => "introspection: the token is inactive",
            Self::NotIntrospectable => "introspection: HTTP 400 unsupported_token_type or invalid_token for this token",
            Self::ExpiredHere { .. } => {
                "introspection: the token is active but has expired by this clock: compare the clocks"
            }
        }
    }
}

/// Time for which an inactive response is cached, in seconds; at most `token_cache_seconds`. `Cache-Control` does not
/// count: if `no-store` did, every request with an invalid token would cause an introspection.
pub(crate) const INACTIVE_SECONDS: u64 = 5;

/// The byte limit of inactive responses, which are small, is that of active responses divided by this number.
const INACTIVE_SHARE: usize = 8;

/// The cache. Times are in seconds since 1970.
///
/// Anybody can make up tokens, so inactive responses have room of their own: they evict no active response.
pub(crate) struct IntrospectionCache {
    active: BoundedLru<CacheKey, (Arc<TokenInfo>, u64)>,
    inactive: BoundedLru<CacheKey, (InactiveReason, u64)>,
}

impl IntrospectionCache {
    /// Creates an empty cache. `max_entries` applies to active and inactive responses separately; `max_bytes` applies
    /// to active ones, and an eighth of it to inactive ones.
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            active: BoundedLru::new(max_entries, max_bytes),
            inactive: BoundedLru::new(max_entries, max_bytes / INACTIVE_SHARE),
        }
    }

    /// Returns the cached state of a token at the time `now`, and when it expires.
    pub(crate) fn get(&mut self, key: &CacheKey, now: u64) -> Option<(TokenState, u64)> {
        if let Some((token, expires_at)) = self.active.get(key) {
            if *expires_at > now {
                return Some((TokenState::Active(Arc::clone(token)), *expires_at));
            }
            self.active.remove(key);
        }
        let (reason, expires_at) = self.inactive.get(key)?;
        if *expires_at > now {
            return Some((TokenState::Inactive(*reason), *expires_at));
        }
        self.inactive.remove(key);
        None
    }

    /// Caches a state until `expires_at` in place of the previous one. An expired state is not cached, but still
    /// replaces the previous one.
    pub(crate) fn put(&mut self, key: CacheKey, state: TokenState, expires_at: u64, now: u64) {
        self.active.remove(&key);
        self.inactive.remove(&key);
        if expires_at <= now {
            return;
        }
        match state {
            TokenState::Active(token) => {
                let size = token.size();
                self.active.put(key, (token, expires_at), size);
            }
            TokenState::Inactive(reason) => self.inactive.put(key, (reason, expires_at), 0),
        }
    }

    /// Returns the number of cached responses.
    pub(crate) fn len(&self) -> usize {
        self.active.len().saturating_add(self.inactive.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_with_its_second() {
        let mut cache = IntrospectionCache::new(10, 10_000);
        cache.put([1; 32], TokenState::Inactive(InactiveReason::NotActive), 100, 50);
        assert_eq!(
            cache.get(&[1; 32], 99),
            Some((TokenState::Inactive(InactiveReason::NotActive), 100))
        );
        assert_eq!(cache.get(&[1; 32], 100), None);
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn an_answer_that_may_not_be_kept_takes_the_place_of_the_one_before_all_the_same() {
        let mut cache = IntrospectionCache::new(10, 10_000);
        cache.put([1; 32], TokenState::Inactive(InactiveReason::NotActive), 100, 50);
        cache.put([1; 32], TokenState::Inactive(InactiveReason::NotActive), 50, 50);
        assert_eq!(cache.get(&[1; 32], 50), None);
    }

    #[test]
    fn a_token_that_was_good_and_is_not_any_more_is_inactive() {
        let mut cache = IntrospectionCache::new(10, 10_000);
        let (good, bad) = (
            TokenState::Active(Arc::default()),
            TokenState::Inactive(InactiveReason::NotActive),
        );
        cache.put([1; 32], good.clone(), 100, 50);
        cache.put([1; 32], bad.clone(), 60, 50);
        assert_eq!(cache.get(&[1; 32], 50), Some((bad, 60)));
        cache.put([1; 32], good.clone(), 100, 50);
        assert_eq!((cache.get(&[1; 32], 50), cache.len()), (Some((good, 100)), 1));
    }

    #[test]
    fn inactive_answers_push_no_active_one_out_and_are_bounded_themselves() {
        let mut cache = IntrospectionCache::new(5, 100_000);
        let good = TokenState::Active(Arc::default());
        cache.put([0; 32], good.clone(), 100, 50);
        for made_up in 1..=255 {
            cache.put([made_up; 32], TokenState::Inactive(InactiveReason::NotActive), 55, 50);
        }
        assert_eq!((cache.get(&[0; 32], 50), cache.len()), (Some((good, 100)), 6));
    }
}
