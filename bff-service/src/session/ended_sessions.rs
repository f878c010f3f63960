//! The sessions that are over although their cookies are not: those of users who signed out, and those that the
//! authorization server has ended (back-channel and front-channel logout).
//!
//! Asked on every request, so it is a list in this process. Replicas share theirs through [Redis](super::shared): what one of
//! them ends, the others know after a second or so.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bff_core::ended::{Ended, EndedSessions};
use bff_core::seal::SessionId;

use crate::clock;

/// The list of one application. Cloning is cheap, and clones are the same list.
#[derive(Clone)]
pub struct EndedList {
    state: Arc<RwLock<State>>,
    /// How long an entry is kept, in seconds.
    keep: u64,
    /// Whether there are entries that the other replicas may not have been told of.
    unpublished: Arc<AtomicBool>,
}

struct State {
    ended: EndedSessions,
    /// Changes with every change of the list.
    version: u64,
    /// Tells this process's versions from those of the one before, whose list was another.
    epoch: u32,
}

impl EndedList {
    /// An empty list of at most `limit` entries, each kept for `keep` seconds. `epoch` is a random number.
    pub fn new(limit: usize, keep: u64, epoch: u32) -> EndedList {
        EndedList {
            state: Arc::new(RwLock::new(State {
                ended: EndedSessions::new(limit),
                version: 0,
                epoch,
            })),
            keep,
            unpublished: Arc::default(),
        }
    }

    /// There may be entries that the other replicas have not been told of.
    pub fn set_unpublished(&self) {
        self.unpublished.store(true, Relaxed);
    }

    /// Whether there may be such entries; whoever asks is to tell of them now.
    pub fn take_unpublished(&self) -> bool {
        self.unpublished.swap(false, Relaxed)
    }

    /// How long an entry is kept, in seconds.
    pub fn keep(&self) -> u64 {
        self.keep
    }

    /// From now on this is over; `at` in UNIX seconds.
    pub fn end(&self, ended: Ended, at: u64) {
        let mut state = self.write();
        state.ended.forget_before(clock::now().saturating_sub(self.keep));
        if state.ended.end(ended, at) {
            state.version = state.version.wrapping_add(1);
        }
    }

    /// As [`EndedList::end`], on the word of somebody who did not prove who they are: such entries may fill half of the
    /// list and then no more, so that they never push out others. Returns whether there was room.
    pub fn end_if_room(&self, ended: Ended, at: u64, limit: usize) -> bool {
        let room = self.len() < limit / 2;
        if room {
            self.end(ended, at);
        }
        room
    }

    /// Whether this session, begun at `began_at` (UNIX seconds), is over.
    pub fn contains(&self, session: &SessionId, began_at: u64) -> bool {
        self.read().ended.contains(session, began_at)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.read().ended.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries and their times.
    pub fn entries(&self) -> Vec<(Ended, u64)> {
        self.read().ended.iter().collect()
    }

    /// The list as JSON for the filter; `None` where its state is `known` already.
    pub fn to_json(&self, known: &str) -> Option<String> {
        let expired = clock::now().saturating_sub(self.keep);
        if self.read().ended.iter().any(|(_, at)| at < expired) {
            let mut state = self.write();
            state.ended.forget_before(expired);
            state.version = state.version.wrapping_add(1);
        }
        let state = self.read();
        let version = format!("{:x}-{}", state.epoch, state.version);
        (version != known).then(|| state.ended.to_json(&version))
    }

    // Every change is complete in itself, so a poisoned lock is taken over.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sent_when_it_has_changed_and_only_then() {
        let list = EndedList::new(10, 60, 7);
        let first = list.to_json("").unwrap();
        let (_, version) = EndedSessions::from_json(first.as_bytes(), 10).unwrap();
        assert_eq!(list.to_json(&version), None);
        list.end(Ended::Session([1; 16]), clock::now());
        let second = list.to_json(&version).unwrap();
        let (ended, version) = EndedSessions::from_json(second.as_bytes(), 10).unwrap();
        assert_eq!(ended.len(), 1);
        assert_eq!(list.to_json(&version), None);
        // A restart begins another list.
        assert!(EndedList::new(10, 60, 8).to_json(&version).is_some());
    }

    #[test]
    fn entries_go_when_no_cookie_can_be_left() {
        let list = EndedList::new(10, 60, 7);
        list.end(Ended::Session([1; 16]), clock::now() - 61);
        list.end(Ended::Session([2; 16]), clock::now());
        assert_eq!(list.len(), 1);
    }
}
