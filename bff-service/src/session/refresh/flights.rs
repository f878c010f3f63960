//! The exchanges of a process: those in progress, and the completed ones until their windows end.

use std::collections::{HashMap, VecDeque};

use tokio::sync::watch;
use tokio::time::Instant;

use super::store::{Lease, RefreshOutcome};

/// The digest of a [`RefreshKey`](super::store::RefreshKey): there may be many, and the digest covers the session.
pub(super) type Digest = [u8; 32];

/// The flights of a process. Completed ones are removed in the order in which their windows end.
#[derive(Default)]
pub(super) struct Flights {
    pub(super) by_key: HashMap<Digest, Flight>,
    /// Completed flights in the order in which their windows end.
    pub(super) published: VecDeque<(Instant, Digest)>,
    /// Number of leaders so far.
    pub(super) leases: u64,
    /// Whether a task removes expired flights.
    pub(super) is_swept: bool,
}

/// An exchange that a caller leads, or that is completed.
pub(super) struct Flight {
    pub(super) ends: Instant,
    pub(super) state: FlightState,
}

/// The state of a flight.
pub(super) enum FlightState {
    /// A caller leads, and the followers wait on this channel.
    Led(Lease, watch::Sender<Option<RefreshOutcome>>),
    /// Completed. There may be many of these, so they contain only the result.
    Published(RefreshOutcome),
}

impl Flights {
    /// Adds a completed flight in the order of the ends: windows differ, and a flight with a short window must not wait
    /// for those with longer windows.
    pub(super) fn order(&mut self, ends: Instant, key: Digest) {
        let later = self.published.iter().rposition(|(other, _)| *other <= ends);
        self.published
            .insert(later.map_or(0, |index| index.saturating_add(1)), (ends, key));
    }

    /// The number of completed flights whose windows end after `time`.
    pub(super) fn count_ending_after(&self, time: Instant) -> usize {
        let earlier = self.published.partition_point(|(ends, _)| *ends <= time);
        self.published.len().saturating_sub(earlier)
    }

    /// Ends a completed flight earlier than planned.
    pub(super) fn end_at_latest(&mut self, key: Digest, latest: Instant) {
        let Some(flight) = self.by_key.get_mut(&key).filter(|flight| flight.ends > latest) else {
            return;
        };
        let planned = std::mem::replace(&mut flight.ends, latest);
        self.published.retain(|entry| *entry != (planned, key));
        self.order(latest, key);
    }

    /// Removes completed flights whose windows have ended.
    pub(super) fn forget_ended(&mut self, now: Instant) {
        while self.published.front().is_some_and(|(ends, _)| *ends <= now) {
            self.forget_oldest();
        }
    }

    /// Removes the completed flight whose window ends first.
    pub(super) fn forget_oldest(&mut self) {
        let Some((ends, key)) = self.published.pop_front() else {
            return;
        };
        // A key with a newer flight has another end, and stays.
        if self.by_key.get(&key).is_some_and(|flight| flight.ends == ends) {
            self.by_key.remove(&key);
        }
    }
}
