//! When the newest access token of a session expires, in the host's shared data: another worker may have seen it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::cache_key::CacheKey;
use super::config::MAX_CACHE_SECONDS;
use super::newest_tokens::SessionNumber;
use super::shared_cache::{SharedCache, SharedEntry, Slot};
use super::token_info::TokenInfo;
use crate::cookie::seal::Sealer;

/// The size of the table, in bytes: room for about 40,000 sessions.
const BYTES: usize = 4 * 1024 * 1024;

/// The table, with the keys that are derived from each cookie key: the first seals, all open.
pub(crate) struct SharedNewestTokens {
    first: Arc<SharedCache>,
    others: Vec<SharedCache>,
}

impl SharedNewestTokens {
    /// Creates the table of a deployment.
    pub(crate) fn new(sealer: &Sealer) -> Option<Self> {
        let encryption = sealer.derived_keys("bff newest tokens: XChaCha20-Poly1305");
        let keys = encryption.zip(sealer.derived_keys("bff newest tokens: nonces"));
        let mut tables = keys.filter_map(|(key, nonce)| SharedCache::with_keys("newest_tokens", [key, nonce], BYTES));
        Some(Self {
            first: Arc::new(tables.next()?),
            others: tables.collect(),
        })
    }

    /// Returns the slots of a session.
    pub(crate) fn slots(&self, session: &SessionNumber) -> [Slot; 2] {
        self.first.slots(&key(session))
    }

    /// Finds the entry of a session in the value of one of its slots, at the time `now`. Returns the time up to which
    /// it counts, in seconds since 1970.
    pub(crate) fn find(&self, session: &SessionNumber, slot: Slot, value: &[u8], now: u64) -> Option<u64> {
        let tables = std::iter::once(&*self.first).chain(&self.others);
        let found = |table: &SharedCache| table.find(&key(session), slot, value, now);
        tables.filter_map(found).map(|(_, until)| until).max()
    }

    /// Makes the entry of a session that counts up to `until`, in seconds since 1970. No entry counts for longer than a day.
    pub(crate) fn entry(&self, session: &SessionNumber, until: u64, now: u64) -> SharedEntry {
        let until = until.min(now.saturating_add(MAX_CACHE_SECONDS));
        self.first.entry(key(session), &Arc::new(TokenInfo::default()), until)
    }
}

/// A hash, since others can read its start in the store, and must not learn the session's number.
fn key(session: &SessionNumber) -> CacheKey {
    Sha256::digest(session).into()
}
