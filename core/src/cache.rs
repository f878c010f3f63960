//! What the authorization server said of a token, kept for a while.

use std::rc::Rc;

use crate::bounded::Bounded;
use crate::grant::Grant;

/// A full hash over everything that an answer depends on.
pub type Key = [u8; 32];

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good. Whether it is good enough for a request is asked of the grant each time.
    Active(Rc<Grant>),
    /// Unknown, expired or revoked.
    Inactive,
}

/// The cache. Times are seconds since 1970.
pub struct Cache {
    entries: Bounded<Key, (Verdict, u64)>,
}

impl Cache {
    /// An empty cache with its bounds.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            entries: Bounded::new(max_entries, max_bytes),
        }
    }

    /// What is known now, and until when.
    pub fn get(&mut self, key: &Key, now: u64) -> Option<(Verdict, u64)> {
        let (verdict, expires_at) = self.entries.get(key)?;
        if *expires_at > now {
            return Some((verdict.clone(), *expires_at));
        }
        self.entries.remove(key);
        None
    }

    /// Keeps an answer until `expires_at`, in place of the one before; one that has expired already is not kept.
    pub fn put(&mut self, key: Key, verdict: Verdict, expires_at: u64, now: u64) {
        if expires_at <= now {
            self.entries.remove(&key);
            return;
        }
        let size = match &verdict {
            Verdict::Active(grant) => grant.size(),
            Verdict::Inactive => 0,
        };
        self.entries.put(key, (verdict, expires_at), size);
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_with_its_second() {
        let mut cache = Cache::new(10, 10_000);
        cache.put([1; 32], Verdict::Inactive, 100, 50);
        assert_eq!(cache.get(&[1; 32], 99), Some((Verdict::Inactive, 100)));
        assert_eq!(cache.get(&[1; 32], 100), None);
        assert!(cache.is_empty());
    }

    #[test]
    fn an_answer_that_may_not_be_kept_takes_the_place_of_the_one_before_all_the_same() {
        let mut cache = Cache::new(10, 10_000);
        cache.put([1; 32], Verdict::Inactive, 100, 50);
        cache.put([1; 32], Verdict::Inactive, 50, 50);
        assert_eq!(cache.get(&[1; 32], 50), None);
    }
}
