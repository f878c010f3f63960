//! Single flight: concurrent requests with the same token share one introspection, a *flight*.
//!
//! In a proxy, a callout belongs to the request that makes it, the leader, and ends with it. If the leader ends first,
//! the flight has lost its callout, and one of the requests that wait must repeat it, or the host on behalf of no request.

use std::collections::{BTreeSet, HashMap};

use zeroize::Zeroizing;

use super::attributes::StreamId;
use super::cache_key::CacheKey;

/// A flight: its cache key, and a number that is not used again, so that a late response cannot end a later flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId {
    pub(crate) key: CacheKey,
    number: u64,
}

/// A token, which is erased from memory when it is dropped.
pub(crate) type Token = Zeroizing<Vec<u8>>;

struct Flight {
    number: u64,
    token: Token,
    callout: Callout,
    waiters: BTreeSet<StreamId>,
}

/// The request on whose behalf a callout was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callout {
    Of(StreamId),
    OfNoRequest,
    /// The leader has ended, and the callout with it.
    Lost,
}

/// The flights in progress, and the requests that wait for them.
#[derive(Default)]
pub(crate) struct SingleFlight {
    flights: HashMap<CacheKey, Flight>,
    last: u64,
}

impl SingleFlight {
    /// Adds a request. Returns the flight to begin for it, unless one is in progress.
    pub(crate) fn join(&mut self, key: CacheKey, token: &[u8], stream: StreamId) -> Option<FlightId> {
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.waiters.insert(stream);
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let flight = Flight {
            number: self.last,
            token: Zeroizing::new(token.to_vec()),
            callout: Callout::Of(stream),
            waiters: BTreeSet::from([stream]),
        };
        self.flights.insert(key, flight);
        Some(FlightId { key, number: self.last })
    }

    /// Returns the token of a flight; `None` if it has already ended.
    pub(crate) fn token(&self, id: FlightId) -> Option<Token> {
        let flight = self.flights.get(&id.key)?;
        (flight.number == id.number).then(|| flight.token.clone())
    }

    /// Ends a flight. Returns the requests that waited; `None` if it has already ended.
    pub(crate) fn land(&mut self, id: FlightId) -> Option<Vec<StreamId>> {
        self.flights.get(&id.key).filter(|flight| flight.number == id.number)?;
        self.flights
            .remove(&id.key)
            .map(|flight| flight.waiters.into_iter().collect())
    }

    /// Removes a request that waits no longer. If its flight has lost its callout, with this request or before, returns a
    /// request that waits for it.
    pub(crate) fn leave(&mut self, key: &CacheKey, stream: StreamId) -> Option<StreamId> {
        let flight = self.flights.get_mut(key)?;
        flight.waiters.remove(&stream);
        if flight.callout == Callout::Of(stream) {
            flight.callout = Callout::Lost;
        }
        if flight.callout != Callout::Lost {
            // A flight whose response can still arrive stays, even if no request waits: that response is worth caching.
            return None;
        }
        let next = flight.waiters.first().copied();
        if next.is_none() {
            self.flights.remove(key);
        }
        next
    }

    /// If the flight of a request that waits has lost its callout, makes the request its leader. Returns the flight and its
    /// token. The caller must repeat the callout.
    pub(crate) fn take_over(&mut self, key: &CacheKey, stream: StreamId) -> Option<(FlightId, Token)> {
        let flight = self.flights.get_mut(key)?;
        if flight.callout != Callout::Lost || !flight.waiters.contains(&stream) {
            return None;
        }
        flight.callout = Callout::Of(stream);
        let id = FlightId {
            key: *key,
            number: flight.number,
        };
        Some((id, flight.token.clone()))
    }

    /// Returns the flights that have lost their callout, and their tokens. The caller must repeat the callouts.
    pub(crate) fn take_lost(&mut self) -> impl Iterator<Item = (FlightId, Token)> {
        self.flights.iter_mut().filter_map(|(key, flight)| {
            if flight.callout != Callout::Lost {
                return None;
            }
            flight.callout = Callout::OfNoRequest;
            let id = FlightId {
                key: *key,
                number: flight.number,
            };
            Some((id, flight.token.clone()))
        })
    }

    /// Removes all flights. Returns the requests that waited.
    pub(crate) fn clear(&mut self) -> Vec<StreamId> {
        self.flights.drain().flat_map(|(_, flight)| flight.waiters).collect()
    }

    /// Returns the number of flights in progress.
    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }
}
