//! What the gateway counts: totals since its start. A reporter reads them from time to time, so that counting costs a
//! request next to nothing.

use super::error_code::ErrorCode;
use crate::crypto::key_ring::KeyId;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A request went upstream.
    Forwarded,
    /// A request was rejected.
    Rejected(ErrorCode),
    /// A cookie opened that this key had sealed.
    CookieOpened(KeyId),
    /// A request brought a cookie that is sealed with a key which is not in the ring.
    CookieOfUnknownKey,
    /// What introspection says of the token was kept.
    CacheHit,
    /// It was not, or not any more.
    CacheMiss,
    /// A request joined the introspection of another.
    Joined,
    /// An introspection gave no usable answer.
    IntrospectionFailed,
    /// Introspection called a token active whose `exp` has passed by this clock.
    ClocksDiffer,
    /// A request with a session's cookie was rejected, since introspection calls its token inactive.
    SessionTokenInactive,
    /// The list of ended sessions was read, or had not changed.
    EndedSessionsRead,
    /// It could not be read; the previous one stays in use.
    EndedSessionsFailed,
}

/// Totals, those of zero left out.
#[derive(Clone, Debug, Default)]
pub struct Counters(Vec<(Counter, u64)>);

impl Counters {
    pub(crate) fn add(&mut self, counter: Counter) {
        match self.0.iter_mut().find(|(other, _)| *other == counter) {
            Some((_, total)) => *total = total.wrapping_add(1),
            None => self.0.push((counter, 1)),
        }
    }

    /// The total.
    pub fn of(&self, counter: Counter) -> u64 {
        self.iter()
            .find(|(other, _)| *other == counter)
            .map_or(0, |(_, total)| total)
    }

    /// How many requests brought a session's cookie that opened, whichever key had sealed it.
    pub fn cookies_opened(&self) -> u64 {
        self.iter()
            .filter(|(counter, _)| matches!(counter, Counter::CookieOpened(_)))
            .fold(0, |sum, (_, total)| sum.wrapping_add(total))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        self.0.iter().copied()
    }
}
