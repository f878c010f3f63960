//! What the gate counts. Totals since it began: who reports them asks now and then, so that counting costs a request
//! next to nothing.

use crate::crypto::key_ring::KeyId;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A request went upstream.
    Forwarded,
    /// A request was refused with this status.
    Refused(u16),
    /// A cookie was good that this key had sealed.
    CookieOpened(KeyId),
    /// A request brought a cookie that is sealed with a key which is not in the ring.
    CookieOfUnknownKey,
    /// What the token is worth was known.
    CacheHit,
    /// It was not.
    CacheMiss,
    /// A request joined the introspection of another.
    Joined,
    /// An introspection gave no usable answer.
    IntrospectionFailed,
    /// Introspection says that a token is active whose `exp` has passed by this clock.
    ClocksDiffer,
    /// A request with a session's cookie was refused since introspection says that its token is not active.
    SessionTokenInactive,
    /// The list of ended sessions was read, or had not changed.
    EndedSessionsRead,
    /// It could not be read; the one from before stays in use.
    EndedSessionsFailed,
}

/// Totals, those of zero left out.
#[derive(Clone, Debug, Default)]
pub struct Counts(Vec<(Count, u64)>);

impl Counts {
    pub(crate) fn add(&mut self, count: Count) {
        match self.0.iter_mut().find(|(other, _)| *other == count) {
            Some((_, total)) => *total = total.wrapping_add(1),
            None => self.0.push((count, 1)),
        }
    }

    /// The total.
    pub fn of(&self, count: Count) -> u64 {
        self.iter()
            .find(|(other, _)| *other == count)
            .map_or(0, |(_, total)| total)
    }

    /// How many requests brought a session's cookie that opened, whichever key had sealed it.
    pub fn cookies_opened(&self) -> u64 {
        self.iter().fold(0, |sum, (count, total)| match count {
            Count::CookieOpened(_) => sum.wrapping_add(total),
            _ => sum,
        })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Count, u64)> + '_ {
        self.0.iter().copied()
    }
}
