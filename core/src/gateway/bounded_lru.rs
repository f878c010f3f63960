//! A map with a maximum number of entries and a maximum size. It evicts the least recently used entries first.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// Approximate size of an entry in addition to its stated size, in bytes: key, links and counters.
const ENTRY_OVERHEAD_BYTES: usize = 128;

pub(crate) struct BoundedLru<K: Hash + Eq, V> {
    entries: LruCache<K, Entry<V>>,
    bytes: usize,
    max_bytes: usize,
}

struct Entry<V> {
    value: V,
    /// In bytes, with the overhead.
    size: usize,
}

impl<K: Hash + Eq, V> BoundedLru<K, V> {
    /// Creates an empty map. A `max_entries` of 0 counts as 1.
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        // `LruCache::new` would allocate the whole capacity at once.
        let mut entries = LruCache::unbounded();
        entries.resize(NonZeroUsize::new(max_entries).unwrap_or(NonZeroUsize::MIN));
        Self {
            entries,
            bytes: 0,
            max_bytes,
        }
    }

    /// Returns the value of a key, and marks it as recently used.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Stores a value of `size` bytes in place of the previous one. A value that is larger than the maximum size is
    /// not stored.
    pub(crate) fn put(&mut self, key: K, value: V, size: usize) {
        self.remove(&key);
        let size = size.saturating_add(ENTRY_OVERHEAD_BYTES);
        if size > self.max_bytes {
            return;
        }
        if let Some((_, old)) = self.entries.push(key, Entry { value, size }) {
            self.bytes = self.bytes.saturating_sub(old.size);
        }
        self.bytes = self.bytes.saturating_add(size);
        while self.bytes > self.max_bytes {
            let Some((_, old)) = self.entries.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(old.size);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.entries.pop(key)?;
        self.bytes = self.bytes.saturating_sub(old.size);
        Some(old.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut map = BoundedLru::new(2, 10_000);
        map.put(1, 'a', 1);
        map.put(2, 'b', 1);
        assert!(map.get(&1).is_some());
        map.put(3, 'c', 1);
        assert_eq!((map.get(&2).copied(), map.len()), (None, 2));
    }

    #[test]
    fn what_is_larger_than_the_whole_map_is_not_kept_and_nothing_goes_for_it() {
        let mut map = BoundedLru::new(5, 1000);
        map.put(1, 'a', 1);
        map.put(2, 'b', 1000);
        assert_eq!((map.get(&2).copied(), map.get(&1).copied()), (None, Some('a')));
    }

    proptest! {
        #[test]
        fn both_bounds_hold_whatever_is_put(puts in proptest::collection::vec((0u8..20, 0usize..900), 0..200)) {
            let mut map = BoundedLru::new(5, 2000);
            for (key, size) in puts {
                map.put(key, size, size);
                map.get(&(key / 2));
                if key % 7 == 0 {
                    map.remove(&(key / 3));
                }
                let counted: usize = map.entries.iter().map(|(_, entry)| entry.value + ENTRY_OVERHEAD_BYTES).sum();
                prop_assert_eq!(counted, map.bytes);
                prop_assert!(map.len() <= 5 && map.bytes <= 2000);
            }
        }
    }
}
