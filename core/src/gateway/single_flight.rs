//! Single flight: concurrent requests with the same token share what the token stage does with it, a *flight* of one or two
//! callouts: introspection, token exchange, or one after the other.
//!
//! In a proxy, a callout belongs to the request that makes it, the leader, and ends with it. If the leader ends first,
//! the flight has lost its callout, and one of the requests that wait must repeat it, or the host on behalf of no request.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::attributes::StreamId;
use super::cache_key::CacheKey;
use super::token_info::TokenInfo;

/// A callout of a flight: its cache key, and a number that is not used again, so that a late response cannot end a later
/// flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId {
    pub(crate) key: CacheKey,
    number: u64,
    leader: Option<StreamId>,
}

impl FlightId {
    /// Returns the request on whose behalf the callout is made; `None` if that request has ended.
    #[must_use]
    pub const fn leader(&self) -> Option<StreamId> {
        self.leader
    }
}

/// What a flight has: the token, and after the first of two callouts, what introspection has said.
#[derive(Clone)]
pub(crate) struct FlightContent {
    pub(crate) token: Token,
    pub(crate) introspected: Option<Introspected>,
}

/// What introspection has said about an active token, and until when that may be cached, in seconds since 1970.
pub(crate) type Introspected = (Arc<TokenInfo>, u64);

/// A token, which is erased from memory when it is dropped.
pub(crate) type Token = Zeroizing<Vec<u8>>;

struct Flight {
    number: u64,
    content: FlightContent,
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
            content: FlightContent {
                token: Zeroizing::new(token.to_vec()),
                introspected: None,
            },
            callout: Callout::Of(stream),
            waiters: BTreeSet::from([stream]),
        };
        self.flights.insert(key, flight);
        Some(FlightId {
            key,
            number: self.last,
            leader: Some(stream),
        })
    }

    /// Returns what a flight has; `None` if it has already ended.
    pub(crate) fn content(&self, id: FlightId) -> Option<FlightContent> {
        let flight = self.flights.get(&id.key)?;
        (flight.number == id.number).then(|| flight.content.clone())
    }

    /// Continues a flight after introspection with its second callout, which must then be made; `None` if the flight
    /// has ended, or if the response is that of a leader that has ended: then whoever takes over makes the second
    /// callout.
    pub(crate) fn advance(&mut self, id: FlightId, introspected: Introspected) -> Option<FlightId> {
        let flight = self.flights.get_mut(&id.key)?;
        if flight.number != id.number {
            return None;
        }
        let is_current = match flight.callout {
            Callout::Of(leader) => id.leader == Some(leader),
            Callout::OfNoRequest => id.leader.is_none(),
            Callout::Lost => false,
        };
        if !is_current && flight.callout != Callout::Lost {
            // Whoever has taken over introspects as well. The flight must stay at this step until that response
            // arrives.
            return None;
        }
        flight.content.introspected = Some(introspected);
        self.last = self.last.wrapping_add(1);
        flight.number = self.last;
        is_current.then_some(FlightId {
            number: flight.number,
            ..id
        })
    }

    /// Gives up the callout of a flight. Returns a request that waits for it, and must take over.
    pub(crate) fn lose(&mut self, id: FlightId) -> Option<StreamId> {
        let flight = self.flights.get_mut(&id.key)?;
        if flight.number != id.number {
            return None;
        }
        flight.callout = Callout::Lost;
        flight.waiters.first().copied()
    }

    /// Ends a flight. Returns the requests that waited; `None` if it has already ended.
    pub(crate) fn end(&mut self, id: FlightId) -> Option<Vec<StreamId>> {
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

    /// If the flight of a request that waits has lost its callout, makes the request its leader. Returns the flight and what it
    /// has. The callout must then be repeated.
    pub(crate) fn take_over(&mut self, key: &CacheKey, stream: StreamId) -> Option<(FlightId, FlightContent)> {
        let flight = self.flights.get_mut(key)?;
        if flight.callout != Callout::Lost || !flight.waiters.contains(&stream) {
            return None;
        }
        flight.callout = Callout::Of(stream);
        let id = FlightId {
            key: *key,
            number: flight.number,
            leader: Some(stream),
        };
        Some((id, flight.content.clone()))
    }

    /// Returns the flights that have lost their callout, and what they have. The callouts must then be repeated.
    pub(crate) fn take_lost(&mut self) -> impl Iterator<Item = (FlightId, FlightContent)> {
        self.flights.iter_mut().filter_map(|(key, flight)| {
            if flight.callout != Callout::Lost {
                return None;
            }
            flight.callout = Callout::OfNoRequest;
            let id = FlightId {
                key: *key,
                number: flight.number,
                leader: None,
            };
            Some((id, flight.content.clone()))
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
