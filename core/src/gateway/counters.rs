//! The gateway's counters: totals since its start. A reporter reads them periodically, so that counting adds almost no
//! cost to a request.

use super::error_code::ErrorCode;
use crate::crypto::key_ring::KeyId;

/// An event that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A request was forwarded.
    Forwarded,
    /// A request was rejected with this error code.
    Rejected(ErrorCode),
    /// An access token cookie that was sealed with this key was opened, and its request passed all checks before the token
    /// stage.
    CookieOpened(KeyId),
    /// A request was rejected, and had a cookie that was sealed with a key which is not in the ring.
    CookieOfUnknownKey,
    /// A request was rejected because its Origin is not trusted.
    UntrustedOrigin,
    /// A request of a session that is bound to a device was rejected, since it has no valid proof of the device's key.
    DeviceBindingMissing,
    /// Such a request, instead of [`Counter::DeviceBindingMissing`], if it says that the browser could not get a proof
    /// (`Secure-Session-Skipped`).
    DeviceBindingSkipped,
    /// The state of the access token was cached.
    CacheHit,
    /// The state of the access token was not cached, or had expired.
    CacheMiss,
    /// The state of the access token was in the shared cache, after a miss of the gateway's own cache.
    SharedCacheHit,
    /// A request joined the flight of another request.
    Joined,
    /// An introspection had no usable response, or none in time.
    IntrospectionFailed,
    /// A token exchange had no usable response, or none in time.
    ExchangeFailed,
    /// Introspection called a token active, or a token exchange returned one, whose `exp` has passed by the local
    /// clock.
    ClocksDiffer,
    /// A request with an access token cookie was rejected because the authorization server calls the token inactive or
    /// does not accept it, or because the token has expired by the local clock.
    SessionTokenInactive,
    /// A stream was ended, with its session or its access token.
    StreamEnded,
    /// A poll of the list of ended sessions succeeded. The list may be unchanged.
    EndedSessionsPolled,
    /// A poll of the list of ended sessions failed. The previous list stays in use.
    EndedSessionsFailed,
}

/// The totals of all counters that are not zero.
#[derive(Clone, Debug, Default)]
pub struct Counters(Vec<(Counter, u64)>);

impl Counters {
    pub(crate) fn add(&mut self, counter: Counter) {
        match self.0.iter_mut().find(|(other, _)| *other == counter) {
            Some((_, total)) => *total = total.wrapping_add(1),
            None => self.0.push((counter, 1)),
        }
    }

    /// Returns the total of a counter.
    pub fn of(&self, counter: Counter) -> u64 {
        self.iter()
            .find(|(other, _)| *other == counter)
            .map_or(0, |(_, total)| total)
    }

    /// Returns the sum of [`Counter::CookieOpened`] over all keys.
    pub fn cookies_opened(&self) -> u64 {
        self.iter()
            .filter(|(counter, _)| matches!(counter, Counter::CookieOpened(_)))
            .fold(0, |sum, (_, total)| sum.wrapping_add(total))
    }

    /// Returns the counters that are not zero, and their totals.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        self.0.iter().copied()
    }
}
