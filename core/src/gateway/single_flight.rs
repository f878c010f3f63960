//! Single flight: concurrent requests with the same token share one introspection, a *flight*.
//!
//! In a proxy, a callout belongs to the request that makes it, the leader, and ends with it. If the leader ends first,
//! the flight has lost its callout, and the next tick repeats it for the followers, on behalf of no request.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::attributes::StreamId;
use super::cache_key::CacheKey;

/// A flight: its cache key, and a number that is not used again, so that a late response cannot end a later flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId {
    pub(crate) key: CacheKey,
    number: u64,
}

struct Flight<W> {
    number: u64,
    token: Zeroizing<Vec<u8>>,
    callout: Callout,
    waiters: Vec<(StreamId, W)>,
}

/// A flight that has ended.
pub(crate) struct Landed<W> {
    pub(crate) token: Zeroizing<Vec<u8>>,
    pub(crate) waiters: Vec<(StreamId, W)>,
}

/// The request on whose behalf a callout was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callout {
    Of(StreamId),
    Nobodys,
    /// The leader has ended, and the callout with it.
    Lost,
}

/// The flights in progress, and the requests that wait for them. `W` is the state of a waiting request.
pub(crate) struct SingleFlight<W> {
    flights: HashMap<CacheKey, Flight<W>>,
    /// The flight that each request waits for.
    waiting: HashMap<StreamId, CacheKey>,
    last: u64,
}

impl<W> SingleFlight<W> {
    pub(crate) fn new() -> Self {
        Self {
            flights: HashMap::new(),
            waiting: HashMap::new(),
            last: 0,
        }
    }

    /// Adds a request. Returns the flight to begin for it, unless one is in progress.
    pub(crate) fn join(
        &mut self,
        key: CacheKey,
        token: Zeroizing<Vec<u8>>,
        stream: StreamId,
        waiter: W,
    ) -> Option<FlightId> {
        self.waiting.insert(stream, key);
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.waiters.push((stream, waiter));
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let flight = Flight {
            number: self.last,
            token,
            callout: Callout::Of(stream),
            waiters: vec![(stream, waiter)],
        };
        self.flights.insert(key, flight);
        Some(FlightId { key, number: self.last })
    }

    /// Ends a flight. Returns its token and the requests that waited; `None` if it has already ended.
    pub(crate) fn land(&mut self, id: FlightId) -> Option<Landed<W>> {
        self.flights.get(&id.key).filter(|flight| flight.number == id.number)?;
        let flight = self.flights.remove(&id.key)?;
        for (stream, _) in &flight.waiters {
            self.waiting.remove(stream);
        }
        Some(Landed {
            token: flight.token,
            waiters: flight.waiters,
        })
    }

    /// Removes a request that has ended. If its flight has lost its callout, with this request or before, returns a request
    /// that waits for it.
    pub(crate) fn leave(&mut self, stream: StreamId) -> Option<StreamId> {
        let key = self.waiting.remove(&stream)?;
        let flight = self.flights.get_mut(&key)?;
        flight.waiters.retain(|(waiting, _)| *waiting != stream);
        if flight.callout == Callout::Of(stream) {
            flight.callout = Callout::Lost;
        }
        if flight.callout != Callout::Lost {
            // A flight whose response will arrive stays, even if no request waits: that response is worth caching.
            return None;
        }
        let next = flight.waiters.first().map(|(waiting, _)| *waiting);
        if next.is_none() {
            self.flights.remove(&key);
        }
        next
    }

    /// Makes this request the leader of the flight that it waits for, if that flight has lost its callout. Returns the flight
    /// and its token. The caller must repeat the callout.
    pub(crate) fn take_over(&mut self, stream: StreamId) -> Option<(FlightId, &[u8])> {
        let key = self.waiting.get(&stream)?;
        let flight = self.flights.get_mut(key)?;
        if flight.callout != Callout::Lost {
            return None;
        }
        flight.callout = Callout::Of(stream);
        let id = FlightId {
            key: *key,
            number: flight.number,
        };
        Some((id, flight.token.as_slice()))
    }

    /// Returns the flights that have lost their callout, and their tokens. The caller must repeat the callouts.
    pub(crate) fn lost(&mut self) -> impl Iterator<Item = (FlightId, &[u8])> {
        self.flights.iter_mut().filter_map(|(key, flight)| {
            if flight.callout != Callout::Lost {
                return None;
            }
            flight.callout = Callout::Nobodys;
            let id = FlightId {
                key: *key,
                number: flight.number,
            };
            Some((id, flight.token.as_slice()))
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }
}
