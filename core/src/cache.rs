//! What the authorization server said of a token, kept for a while: bounded in entries and in bytes, the least recently
//! used go first.

use std::num::NonZeroUsize;
use std::rc::Rc;

use lru::LruCache;

/// A full hash over everything that an answer depends on.
pub type Key = [u8; 32];

/// What an entry takes besides the JWT, roughly: key, links, times.
const ENTRY_OVERHEAD: usize = 160;

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good: this JWT goes upstream in its place.
    Active(Rc<[u8]>),
    /// Good, but it lacks a scope that is required here.
    Forbidden,
    /// Unknown, expired, revoked, or for another audience.
    Inactive,
}

struct Entry {
    verdict: Verdict,
    expires_at: u64,
}

/// The cache. Times are seconds since 1970.
pub struct Cache {
    entries: LruCache<Key, Entry>,
    bytes: usize,
    max_bytes: usize,
}

impl Cache {
    /// An empty cache with its bounds; no entries at all is one entry.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        // The map grows as it is filled, not now.
        let mut entries = LruCache::unbounded();
        entries.resize(NonZeroUsize::new(max_entries).unwrap_or(NonZeroUsize::MIN));
        Self {
            entries,
            bytes: 0,
            max_bytes,
        }
    }

    /// What is known now.
    pub fn get(&mut self, key: &Key, now: u64) -> Option<Verdict> {
        let entry = self.entries.get(key)?;
        if entry.expires_at > now {
            return Some(entry.verdict.clone());
        }
        self.remove(key);
        None
    }

    /// Keeps an answer until `expires_at`; one that has expired already, or is larger than the whole cache, is not kept.
    pub fn put(&mut self, key: Key, verdict: Verdict, expires_at: u64, now: u64) {
        self.remove(&key);
        let size = size(&verdict);
        if expires_at <= now || size > self.max_bytes {
            return;
        }
        if let Some((_, old)) = self.entries.push(key, Entry { verdict, expires_at }) {
            self.bytes = self.bytes.saturating_sub(size_of_entry(&old));
        }
        self.bytes = self.bytes.saturating_add(size);
        while self.bytes > self.max_bytes {
            let Some((_, old)) = self.entries.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(size_of_entry(&old));
        }
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn remove(&mut self, key: &Key) {
        if let Some(old) = self.entries.pop(key) {
            self.bytes = self.bytes.saturating_sub(size_of_entry(&old));
        }
    }
}

fn size_of_entry(entry: &Entry) -> usize {
    size(&entry.verdict)
}

fn size(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Active(jwt) => jwt.len().saturating_add(ENTRY_OVERHEAD),
        Verdict::Forbidden | Verdict::Inactive => ENTRY_OVERHEAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn active(len: usize) -> Verdict {
        Verdict::Active(vec![b'x'; len].into())
    }

    #[test]
    fn an_entry_ends_with_its_second() {
        let mut cache = Cache::new(10, 10_000);
        cache.put([1; 32], active(10), 100, 50);
        assert_eq!(cache.get(&[1; 32], 99), Some(active(10)));
        assert_eq!(cache.get(&[1; 32], 100), None);
        assert!(cache.is_empty() && cache.bytes == 0);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new(2, 10_000);
        cache.put([1; 32], active(1), 100, 0);
        cache.put([2; 32], active(2), 100, 0);
        assert!(cache.get(&[1; 32], 0).is_some());
        cache.put([3; 32], active(3), 100, 0);
        assert_eq!((cache.get(&[2; 32], 0), cache.len()), (None, 2));
    }

    #[test]
    fn what_has_expired_or_is_larger_than_the_cache_is_not_kept() {
        let mut cache = Cache::new(2, 1000);
        cache.put([1; 32], active(1), 50, 50);
        cache.put([2; 32], active(1000), 100, 50);
        assert!(cache.is_empty());
    }

    proptest! {
        #[test]
        fn both_bounds_hold_whatever_is_put(puts in proptest::collection::vec((0u8..20, 0usize..600, 0u64..20), 0..200)) {
            let mut cache = Cache::new(5, 2000);
            for (now, (key, len, life)) in (0..).zip(puts) {
                cache.put([key; 32], active(len), now + life, now);
                cache.get(&[key / 2; 32], now);
                let counted: usize = cache.entries.iter().map(|(_, entry)| size(&entry.verdict)).sum();
                prop_assert_eq!(counted, cache.bytes);
                prop_assert!(cache.len() <= 5 && cache.bytes <= 2000);
            }
        }
    }
}
