//! Single flight: requests with one token share one introspection, a *flight*.
//!
//! In a proxy a callout belongs to the request that made it, and ends with it. So when that request ends, the flight has lost
//! its callout, and the next tick makes it again for no request in particular.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::attributes::StreamId;
use super::cache_key::CacheKey;

/// A flight: what it is about, and a number that is not used again, so that a late answer meets no later flight.
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

/// A flight that is over.
pub(crate) struct Landed<W> {
    pub(crate) token: Zeroizing<Vec<u8>>,
    pub(crate) waiters: Vec<(StreamId, W)>,
}

/// On whose behalf a flight's callout was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callout {
    Of(StreamId),
    Nobodys,
    /// Its request is gone, and the callout with it.
    Lost,
}

/// The flights under way, and the requests that wait for them. `W` is what is kept of a waiting request.
pub(crate) struct SingleFlight<W> {
    flights: HashMap<CacheKey, Flight<W>>,
    /// Which flight a request waits for.
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

    /// A request waits. Returns the flight to begin for it, unless one is under way already.
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

    /// Ends a flight. Returns its token and who waited for it; `None`: it was over already.
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

    /// A request is over. Returns whether a flight that others wait for has lost its callout with it.
    pub(crate) fn leave(&mut self, stream: StreamId) -> bool {
        let Some(key) = self.waiting.remove(&stream) else {
            return false;
        };
        let Some(flight) = self.flights.get_mut(&key) else {
            return false;
        };
        flight.waiters.retain(|(waiting, _)| *waiting != stream);
        let lost = flight.callout == Callout::Of(stream);
        if lost {
            flight.callout = Callout::Lost;
        }
        if lost && flight.waiters.is_empty() {
            // No request waits, and no response will come. A response that does come is worth keeping all the same.
            self.flights.remove(&key);
        }
        lost && self.flights.contains_key(&key)
    }

    /// The flights that have lost their callout, and their tokens: the callout has to be made again.
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
