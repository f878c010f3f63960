//! What a gateway knows of the tokens that it introspects: active ones in a memory that it may share, and inactive ones by
//! itself. Anybody can make up tokens, so inactive ones have room of their own: they evict no active one, and none of
//! another gateway.

use std::sync::Arc;

use super::attributes::StreamId;
use super::bounded_lru::BoundedLru;
use super::cache_key::{CacheKey, CacheKeys};
use super::config::PhantomToken;
use super::introspection::IntrospectionOutcome;
use super::shared_cache::{SharedCache, SharedEntry};
use super::single_flight::FlightId;
use super::token_info::TokenInfo;
use super::token_memory::TokenMemory;
use super::token_state::{InactiveReason, TokenState};

/// The byte limit of inactive responses, which are small, is that of active responses divided by this number.
const INACTIVE_SHARE: usize = 8;

/// Times are in seconds since 1970.
pub(crate) struct IntrospectionCache {
    keys: CacheKeys,
    pub(crate) memory: Arc<TokenMemory>,
    /// `None` if the memory is shared itself, or if nothing is to be shared.
    pub(crate) shared: Option<SharedCache>,
    inactive: BoundedLru<CacheKey, (InactiveReason, u64)>,
}

impl IntrospectionCache {
    /// Creates the cache of a stage over this memory, with a shared cache behind it.
    pub(crate) fn new(stage: &PhantomToken, memory: Arc<TokenMemory>, shared: Option<SharedCache>) -> Self {
        Self {
            keys: CacheKeys::new(stage),
            memory,
            shared,
            inactive: BoundedLru::new(stage.cache_entries, stage.cache_bytes / INACTIVE_SHARE),
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

    /// Ends a flight with its outcome. Returns the requests that waited. A state that has expired, or that may not be cached,
    /// still replaces the previous one.
    pub(crate) fn land(&mut self, flight: FlightId, outcome: &IntrospectionOutcome, now: u64) -> Vec<StreamId> {
        self.learn(flight.key, outcome, now);
        let active = active(outcome, now).map(|(token, expires_at)| (Arc::clone(token), expires_at));
        self.memory.land(flight, active)
    }

    /// Returns what the shared cache is to store of the outcome of a flight.
    pub(crate) fn shared_entry(
        &self,
        flight: FlightId,
        outcome: &IntrospectionOutcome,
        now: u64,
    ) -> Option<SharedEntry> {
        let (token, expires_at) = active(outcome, now)?;
        self.shared.as_ref()?.seal(flight.key, token, expires_at)
    }

    /// Learns from the outcome of a flight, which another gateway may have ended, whether the token is inactive.
    pub(crate) fn learn(&mut self, key: CacheKey, outcome: &IntrospectionOutcome, now: u64) {
        let IntrospectionOutcome::Introspected { state, expires_at } = outcome else {
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

    /// Returns the number of cached inactive responses.
    pub(crate) fn inactive(&self) -> usize {
        self.inactive.len()
    }
}

/// Returns the information about an active token that may be cached, and when it expires.
fn active(outcome: &IntrospectionOutcome, now: u64) -> Option<(&Arc<TokenInfo>, u64)> {
    match outcome {
        IntrospectionOutcome::Introspected {
            state: TokenState::Active(token),
            expires_at,
        } if *expires_at > now => Some((token, *expires_at)),
        IntrospectionOutcome::Introspected { .. }
        | IntrospectionOutcome::Unusable(_)
        | IntrospectionOutcome::TimedOut => None,
    }
}
