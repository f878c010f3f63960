//! What the authorization server said of a token, kept for a while.

use std::rc::Rc;

use crate::gateway::bounded_lru::Bounded;
use crate::gateway::token_info::Grant;

/// A full hash over everything that an answer depends on.
pub type Key = [u8; 32];

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Good. Whether it is good enough for a request is asked of the grant each time.
    Active(Rc<Grant>),
    /// Worth nothing.
    Inactive(Inactive),
}

/// Why a token is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inactive {
    /// Introspection says so: it is unknown, expired or revoked.
    SaidSo,
    /// The authorization server does not know it for a token that can be introspected.
    NotIntrospectable,
    /// Introspection says that it is active, but its `exp` has passed by this clock.
    ExpiredHere {
        /// By how many seconds: the clocks differ by as much at least.
        seconds: u64,
    },
}

impl Inactive {
    /// For the log.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::SaidSo => "introspection says that the token is not active",
            Self::NotIntrospectable => {
                "introspection was refused for this token: HTTP 400 unsupported_token_type or invalid_token"
            }
            Self::ExpiredHere { .. } => {
                "introspection says that the token is active, but its exp has passed by this clock: compare the clocks"
            }
        }
    }
}

/// What share of the bytes inactive answers have for themselves besides: they are small.
const INACTIVE_SHARE: usize = 8;

/// The cache. Times are seconds since 1970.
///
/// Anybody can make up tokens, so what is known of inactive ones has room of its own: it pushes no good answer out.
pub struct Cache {
    active: Bounded<Key, (Rc<Grant>, u64)>,
    inactive: Bounded<Key, (Inactive, u64)>,
}

impl Cache {
    /// An empty cache with its bounds: so many entries of either kind, so many bytes of active ones, and an eighth as many of
    /// inactive ones.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            active: Bounded::new(max_entries, max_bytes),
            inactive: Bounded::new(max_entries, max_bytes / INACTIVE_SHARE),
        }
    }

    /// What is known now, and until when.
    pub fn get(&mut self, key: &Key, now: u64) -> Option<(Verdict, u64)> {
        if let Some((grant, expires_at)) = self.active.get(key) {
            if *expires_at > now {
                return Some((Verdict::Active(Rc::clone(grant)), *expires_at));
            }
            self.active.remove(key);
        }
        let (why, expires_at) = self.inactive.get(key)?;
        if *expires_at > now {
            return Some((Verdict::Inactive(*why), *expires_at));
        }
        self.inactive.remove(key);
        None
    }

    /// Keeps an answer until `expires_at`, in place of the one before; one that has expired already is not kept.
    pub fn put(&mut self, key: Key, verdict: Verdict, expires_at: u64, now: u64) {
        self.active.remove(&key);
        self.inactive.remove(&key);
        if expires_at <= now {
            return;
        }
        match verdict {
            Verdict::Active(grant) => {
                let size = grant.size();
                self.active.put(key, (grant, expires_at), size);
            }
            Verdict::Inactive(why) => self.inactive.put(key, (why, expires_at), 0),
        }
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.active.len().saturating_add(self.inactive.len())
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
        cache.put([1; 32], Verdict::Inactive(Inactive::SaidSo), 100, 50);
        assert_eq!(
            cache.get(&[1; 32], 99),
            Some((Verdict::Inactive(Inactive::SaidSo), 100))
        );
        assert_eq!(cache.get(&[1; 32], 100), None);
        assert!(cache.is_empty());
    }

    #[test]
    fn an_answer_that_may_not_be_kept_takes_the_place_of_the_one_before_all_the_same() {
        let mut cache = Cache::new(10, 10_000);
        cache.put([1; 32], Verdict::Inactive(Inactive::SaidSo), 100, 50);
        cache.put([1; 32], Verdict::Inactive(Inactive::SaidSo), 50, 50);
        assert_eq!(cache.get(&[1; 32], 50), None);
    }

    #[test]
    fn a_token_that_was_good_and_is_not_any_more_is_inactive() {
        let mut cache = Cache::new(10, 10_000);
        let (good, bad) = (Verdict::Active(Rc::default()), Verdict::Inactive(Inactive::SaidSo));
        cache.put([1; 32], good.clone(), 100, 50);
        cache.put([1; 32], bad.clone(), 60, 50);
        assert_eq!(cache.get(&[1; 32], 50), Some((bad, 60)));
        cache.put([1; 32], good.clone(), 100, 50);
        assert_eq!((cache.get(&[1; 32], 50), cache.len()), (Some((good, 100)), 1));
    }

    #[test]
    fn inactive_answers_push_no_active_one_out_and_are_bounded_themselves() {
        let mut cache = Cache::new(5, 100_000);
        let good = Verdict::Active(Rc::default());
        cache.put([0; 32], good.clone(), 100, 50);
        for made_up in 1..=255 {
            cache.put([made_up; 32], Verdict::Inactive(Inactive::SaidSo), 55, 50);
        }
        assert_eq!((cache.get(&[0; 32], 50), cache.len()), (Some((good, 100)), 6));
    }
}
