//! What a gateway knows of the tokens that it introspects or exchanges: active ones in a memory that it may share, and inactive ones by
//! itself. Anybody can make up tokens, so inactive ones have room of their own: they evict no active one, and none of
//! another gateway.

use std::sync::Arc;

use super::attributes::StreamId;
use super::bounded_lru::BoundedLru;
use super::cache_key::{CacheKey, CacheKeys};
use super::config::PhantomToken;
use super::shared_cache::{SharedCache, SharedEntry};
use super::single_flight::FlightId;
use super::token_info::TokenInfo;
use super::token_memory::TokenMemory;
use super::token_state::TokenOutcome;
use super::token_state::{InactiveReason, TokenState};

/// The byte limit of responses about inactive tokens, which are small, is `token_cache_bytes` divided by this number.
const INACTIVE_DIVISOR: usize = 8;

/// What one gateway knows. Times are in seconds since 1970.
pub(crate) struct TokenCache {
    keys: CacheKeys,
    pub(crate) memory: Arc<TokenMemory>,
    /// `None` if the memory itself is shared, or if nothing is to be shared.
    pub(crate) shared: Option<Arc<SharedCache>>,
    inactive: BoundedLru<CacheKey, (InactiveReason, u64)>,
}

impl TokenCache {
    /// Creates the cache of a stage over this memory, with a shared cache behind it.
    pub(crate) fn new(stage: &PhantomToken, memory: Arc<TokenMemory>, shared: Option<SharedCache>) -> Self {
        Self {
            keys: CacheKeys::new(stage),
            memory,
            shared: shared.map(Arc::new),
            inactive: BoundedLru::new(stage.cache_entries, stage.cache_bytes / INACTIVE_DIVISOR),
        }
    }

    /// Returns the cache key of a token.
    pub(crate) fn key(&self, token: &[u8]) -> CacheKey {
        self.keys.key(token)
    }

    /// Returns the cached state of a token at the time `now`, and when it expires.
    pub(crate) fn get(&mut self, key: &CacheKey, now: u64) -> Option<(TokenState, u64)> {
        if let Some((token, expires_at)) = self.memory.active(key, now) {
            return Some((TokenState::Active(token), expires_at));
        }
        let (reason, expires_at) = self.inactive.get(key)?;
        if *expires_at > now {
            return Some((TokenState::Inactive(*reason), *expires_at));
        }
        self.inactive.remove(key);
        None
    }

    /// Ends a flight of this memory with its outcome. Returns the requests that waited. A state that has expired, or that may
    /// not be cached, still replaces the previous one.
    pub(crate) fn end(
        &mut self,
        memory: &TokenMemory,
        flight: FlightId,
        outcome: &TokenOutcome,
        now: u64,
    ) -> Vec<StreamId> {
        self.learn(flight.key, outcome, now);
        let active = active(outcome, now).map(|(token, expires_at)| (Arc::clone(token), expires_at));
        memory.end(flight, active)
    }

    /// Returns what the shared cache is to store of the outcome of a flight.
    pub(crate) fn shared_entry(&self, flight: FlightId, outcome: &TokenOutcome, now: u64) -> Option<SharedEntry> {
        let (token, expires_at) = active(outcome, now)?;
        Some(self.shared.as_ref()?.entry(flight.key, token, expires_at))
    }

    /// Learns from the outcome of a flight, which another gateway may have ended, whether the token is inactive.
    pub(crate) fn learn(&mut self, key: CacheKey, outcome: &TokenOutcome, now: u64) {
        let TokenOutcome::Known { state, expires_at } = outcome else {
            return;
        };
        match state {
            TokenState::Inactive(reason) if *expires_at > now => {
                self.inactive.put(key, (*reason, *expires_at), 0);
            }
            TokenState::Inactive(_) | TokenState::Active(_) => {
                self.inactive.remove(&key);
            }
        }
    }

    /// Returns the number of cached responses about inactive tokens.
    pub(crate) fn inactive(&self) -> usize {
        self.inactive.len()
    }
}

/// Returns the information about an active token that may be cached, and when it expires.
fn active(outcome: &TokenOutcome, now: u64) -> Option<(&Arc<TokenInfo>, u64)> {
    match outcome {
        TokenOutcome::Known {
            state: TokenState::Active(token),
            expires_at,
        } if *expires_at > now => Some((token, *expires_at)),
        TokenOutcome::Known { .. } | TokenOutcome::Unusable(_) | TokenOutcome::TimedOut(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::token_memory::Joined;
    use super::*;

    fn cache(entries: usize) -> TokenCache {
        let members = format!(r#""client_secret": {{"inline": "a secret"}}, "token_cache_entries": {entries}"#);
        let stage = PhantomToken::with(&members);
        TokenCache::new(&stage, TokenMemory::of_stage(&stage), None)
    }

    /// An introspection at the time `now`.
    fn put(cache: &mut TokenCache, key: CacheKey, state: TokenState, expires_at: u64, now: u64) {
        let Joined::Leads(flight) = cache.memory.join(&key, b"token", 1, now) else {
            panic!("the token is known");
        };
        let memory = Arc::clone(&cache.memory);
        cache.end(&memory, flight, &TokenOutcome::Known { state, expires_at }, now);
    }

    fn len(cache: &TokenCache) -> usize {
        cache.memory.active_responses() + cache.inactive()
    }

    const INACTIVE: TokenState = TokenState::Inactive(InactiveReason::NotActive);

    #[test]
    fn an_entry_ends_with_its_second() {
        let mut cache = cache(10);
        put(&mut cache, [1; 32], INACTIVE, 100, 50);
        assert_eq!(cache.get(&[1; 32], 99), Some((INACTIVE, 100)));
        assert_eq!(cache.get(&[1; 32], 100), None);
        assert_eq!(len(&cache), 0);
        let active = TokenState::Active(Arc::default());
        put(&mut cache, [1; 32], active.clone(), 100, 50);
        assert_eq!(cache.get(&[1; 32], 99), Some((active, 100)));
        assert_eq!(cache.get(&[1; 32], 100), None);
        assert_eq!(len(&cache), 0);
    }

    #[test]
    fn an_answer_that_may_not_be_kept_takes_the_place_of_the_one_before_all_the_same() {
        let mut cache = cache(10);
        put(&mut cache, [1; 32], INACTIVE, 100, 50);
        put(&mut cache, [1; 32], INACTIVE, 50, 50);
        assert_eq!(cache.get(&[1; 32], 50), None);
    }

    #[test]
    fn a_token_that_was_good_and_is_not_any_more_is_inactive() {
        let mut cache = cache(10);
        let active = TokenState::Active(Arc::default());
        put(&mut cache, [1; 32], active.clone(), 100, 50);
        put(&mut cache, [1; 32], INACTIVE, 110, 100);
        assert_eq!(cache.get(&[1; 32], 100), Some((INACTIVE, 110)));
        put(&mut cache, [1; 32], active.clone(), 200, 100);
        assert_eq!((cache.get(&[1; 32], 100), len(&cache)), (Some((active, 200)), 1));
    }

    #[test]
    fn inactive_answers_push_no_active_one_out_and_are_bounded_themselves() {
        let mut cache = cache(5);
        let active = TokenState::Active(Arc::default());
        put(&mut cache, [0; 32], active.clone(), 100, 50);
        for made_up in 1..=255 {
            put(&mut cache, [made_up; 32], INACTIVE, 55, 50);
        }
        assert_eq!((cache.get(&[0; 32], 50), len(&cache)), (Some((active, 100)), 6));
    }
}
