//! What is known about the tokens of a stage: responses about active tokens, and the flights in progress. One gateway
//! has this memory alone, or several share it, on any threads: then one flight serves all of them.

#[cfg(test)]
mod interleavings;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::attributes::StreamId;
use super::bounded_lru::BoundedLru;
use super::cache_key::CacheKey;
use super::config::PhantomToken;
use super::single_flight::{FlightContent, FlightId, Introspected, SingleFlight};
use super::token_info::TokenInfo;

/// The maximum number of parts with a lock of their own in a memory that several threads use.
const MAX_SHARDS: usize = 16;
/// The minimum size of such a part, in bytes, unless there is only one.
const MIN_SHARD_BYTES: usize = 1024 * 1024;

/// What is known about the tokens of a stage. Times are in seconds since 1970.
pub struct TokenMemory {
    first: Mutex<Shard>,
    others: Box<[Mutex<Shard>]>,
    /// Requests whose flights were lost by a panic, and that wait for a decision.
    abandoned: Mutex<Vec<StreamId>>,
    /// The number of responses that was last reported.
    reported: AtomicI64,
}

struct Shard {
    active: BoundedLru<CacheKey, (Arc<TokenInfo>, u64)>,
    flights: SingleFlight,
    max_entries: usize,
    max_bytes: usize,
}

/// What became of a request for a token that is not known.
pub(crate) enum Joined {
    /// The token has become known in the meantime: its information, and when that expires.
    Active(Arc<TokenInfo>, u64),
    /// The request is the leader of this flight: it must make the callout.
    Leads(FlightId),
    /// The request waits for another one's flight.
    Waits,
}

impl Shard {
    fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            active: BoundedLru::new(max_entries, max_bytes),
            flights: SingleFlight::default(),
            max_entries,
            max_bytes,
        }
    }

    fn active(&mut self, key: &CacheKey, now: u64) -> Option<(Arc<TokenInfo>, u64)> {
        let (token, expires_at) = self.active.get(key)?;
        if *expires_at > now {
            return Some((Arc::clone(token), *expires_at));
        }
        self.active.remove(key);
        None
    }
}

impl TokenMemory {
    /// Creates the memory of one gateway.
    pub fn of_stage(stage: &PhantomToken) -> Arc<Self> {
        Self::with_shards(1, stage.cache_entries, stage.cache_bytes)
    }

    /// Creates a memory for the gateways of several threads.
    pub fn of_process(stage: &PhantomToken) -> Arc<Self> {
        // A small memory has few shards, so that each has room for responses.
        let shards = (stage.shared_cache_bytes / MIN_SHARD_BYTES).clamp(1, MAX_SHARDS);
        let max_bytes = stage.shared_cache_bytes.checked_div(shards).unwrap_or(0);
        Self::with_shards(shards, usize::MAX, max_bytes)
    }

    /// The limits are those of each shard.
    fn with_shards(count: usize, max_entries: usize, max_bytes: usize) -> Arc<Self> {
        let shard = || Mutex::new(Shard::new(max_entries, max_bytes));
        Arc::new(Self {
            first: shard(),
            others: (1..count).map(|_| shard()).collect(),
            abandoned: Mutex::default(),
            reported: AtomicI64::new(0),
        })
    }

    fn shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Works on the shard of a key. No code of a host runs under its lock.
    fn with_shard<T>(&self, key: &CacheKey, work: impl FnOnce(&mut Shard) -> T) -> T {
        // A key is a hash, so its first byte spreads the keys evenly.
        let [byte, ..] = key;
        let count = self.others.len().saturating_add(1);
        let index = usize::from(*byte).checked_rem(count).unwrap_or(0);
        self.with(self.others.get(index).unwrap_or(&self.first), work)
    }

    fn with<T>(&self, shard: &Mutex<Shard>, work: impl FnOnce(&mut Shard) -> T) -> T {
        let mut locked = shard.lock().unwrap_or_else(|poisoned| {
            // After a panic under the lock, the shard may be inconsistent.
            let mut locked = poisoned.into_inner();
            self.lock_abandoned().extend(locked.flights.clear());
            locked.active = BoundedLru::new(locked.max_entries, locked.max_bytes);
            shard.clear_poison();
            locked
        });
        work(&mut locked)
    }

    fn lock_abandoned(&self) -> std::sync::MutexGuard<'_, Vec<StreamId>> {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the information about an active token at the time `now`, and when it expires.
    pub(crate) fn active(&self, key: &CacheKey, now: u64) -> Option<(Arc<TokenInfo>, u64)> {
        self.with_shard(key, |shard| shard.active(key, now))
    }

    /// Adds a request for a token that is not known.
    pub(crate) fn join(&self, key: &CacheKey, token: &[u8], stream: StreamId, now: u64) -> Joined {
        self.with_shard(key, |shard| match shard.active(key, now) {
            Some((info, expires_at)) => Joined::Active(info, expires_at),
            None => shard
                .flights
                .join(*key, token, stream)
                .map_or(Joined::Waits, Joined::Leads),
        })
    }

    /// Returns what a flight has; `None` if it has already ended.
    pub(crate) fn content(&self, flight: FlightId) -> Option<FlightContent> {
        self.with_shard(&flight.key, |shard| shard.flights.content(flight))
    }

    /// Continues a flight after introspection with its second callout, which must then be made; `None` if that is up to
    /// another request.
    pub(crate) fn advance(&self, flight: FlightId, introspected: Introspected) -> Option<FlightId> {
        self.with_shard(&flight.key, |shard| shard.flights.advance(flight, introspected))
    }

    /// Gives up the callout of a flight. Returns a request that waits for it, and must take over.
    pub(crate) fn lose(&self, flight: FlightId) -> Option<StreamId> {
        self.with_shard(&flight.key, |shard| shard.flights.lose(flight))
    }

    /// Ends a flight, and stores what its response says in place of what was known: `state` is the information about an
    /// active token and when that expires, and `None` if the token is inactive or nothing may be stored. Returns the
    /// requests that waited.
    pub(crate) fn end(&self, flight: FlightId, state: Option<(Arc<TokenInfo>, u64)>) -> Vec<StreamId> {
        self.with_shard(&flight.key, |shard| {
            let Some(waiters) = shard.flights.end(flight) else {
                return Vec::new();
            };
            match state {
                Some(active) => {
                    let size = active.0.size();
                    shard.active.put(flight.key, active, size);
                }
                None => {
                    shard.active.remove(&flight.key);
                }
            }
            waiters
        })
    }

    /// Stores the information about an active token, and when that expires.
    pub(crate) fn put(&self, key: CacheKey, token: Arc<TokenInfo>, expires_at: u64) {
        self.with_shard(&key, |shard| {
            let size = token.size();
            shard.active.put(key, (token, expires_at), size);
        });
    }

    /// Removes a request that waits no longer. `Some`: its flight has lost its callout, and the returned request
    /// waits for it.
    pub(crate) fn leave(&self, key: &CacheKey, stream: StreamId) -> Option<StreamId> {
        self.with_shard(key, |shard| shard.flights.leave(key, stream))
    }

    /// If the flight of a request that waits has lost its callout, makes the request its leader.
    pub(crate) fn take_over(&self, key: &CacheKey, stream: StreamId) -> Option<(FlightId, FlightContent)> {
        self.with_shard(key, |shard| shard.flights.take_over(key, stream))
    }

    /// Returns the flights that have lost their callout, and what they have. The callouts must then be repeated.
    pub(crate) fn take_lost(&self) -> Vec<(FlightId, FlightContent)> {
        let lost = |shard| self.with(shard, |shard| shard.flights.take_lost().collect::<Vec<_>>());
        self.shards().flat_map(lost).collect()
    }

    /// Returns the requests whose flights were lost by a panic. They need a decision.
    pub fn take_abandoned(&self) -> Vec<StreamId> {
        // This locks every shard, which finds those that a panic has poisoned.
        self.in_flight();
        std::mem::take(&mut self.lock_abandoned())
    }

    /// Returns the number of cached responses about active tokens.
    pub(crate) fn active_responses(&self) -> usize {
        let len = |shard| self.with(shard, |shard| shard.active.len());
        self.shards().map(len).fold(0, usize::saturating_add)
    }

    /// Returns the number of flights in progress.
    pub(crate) fn in_flight(&self) -> usize {
        let len = |shard| self.with(shard, |shard| shard.flights.len());
        self.shards().map(len).fold(0, usize::saturating_add)
    }

    /// Returns by how much the number of responses has changed since the last call, whichever gateway made that call.
    pub fn unreported(&self) -> i64 {
        let len = i64::try_from(self.active_responses()).unwrap_or(i64::MAX);
        len.saturating_sub(self.reported.swap(len, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_panic_nothing_is_known_and_those_who_waited_are_named() {
        let memory = TokenMemory::with_shards(MAX_SHARDS, 10, 10_000);
        let (key, other) = ([1; 32], [2; 32]);
        memory.put(key, Arc::default(), 100);
        memory.put(other, Arc::default(), 100);
        memory.join(&[17; 32], b"token", 5, 50);
        memory.join(&[17; 32], b"token", 6, 50);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            memory.with_shard(&key, |_| panic!("a fault"));
        }));
        assert!(panicked.is_err());
        assert!(memory.active(&key, 50).is_none());
        assert!(memory.active(&other, 50).is_some(), "another shard");
        assert_eq!(memory.take_abandoned(), [5, 6]);
        assert_eq!((memory.take_abandoned().len(), memory.in_flight()), (0, 0));
        memory.put(key, Arc::default(), 100);
        assert!(memory.active(&key, 50).is_some(), "it goes on");
    }

    #[test]
    fn a_change_of_its_size_is_reported_once() {
        let memory = TokenMemory::with_shards(MAX_SHARDS, 10, 10_000);
        memory.put([1; 32], Arc::default(), 100);
        memory.put([2; 32], Arc::default(), 100);
        assert_eq!((memory.unreported(), memory.unreported()), (2, 0));
        memory.active(&[1; 32], 100);
        assert_eq!(memory.unreported(), -1);
    }
}
