//! The sessions that are over although their cookies are not: those of users who signed out, and those that the
//! authorization server has ended (back-channel and front-channel logout).
//!
//! Asked on every request, so it is a list in this process. Replicas share theirs through [Redis](super::redis_sync): what one of
//! them ends, the others know after a second or so.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bff_core::cookie::session_id::SessionId;
use bff_core::session::ended_sessions::{Ended, EndedSessions};

use crate::clock;

/// The list of one application. Cloning is cheap, and clones are the same list.
#[derive(Clone)]
pub struct List {
    state: Arc<RwLock<Inner>>,
    limit: usize,
    clock_skew: u64,
    /// How long an entry is kept, in seconds.
    keep: u64,
    /// Whether there are entries that the other replicas may not have been told of.
    unpublished: Arc<AtomicBool>,
}

struct Inner {
    ended: EndedSessions,
    /// Tells this process's versions from those of the one before, whose list was another.
    epoch: u32,
}

impl List {
    /// An empty list of at most `limit` entries, each kept for `keep` seconds after what it ends began at the latest.
    /// `clock_skew` is how far the clocks of replicas may differ, in seconds; `epoch` is a random number.
    pub fn new(limit: usize, keep: u64, clock_skew: u64, epoch: u32) -> List {
        List {
            state: Arc::new(RwLock::new(Inner {
                ended: EndedSessions::new(limit, clock_skew),
                epoch,
            })),
            limit,
            keep,
            clock_skew,
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

    /// How far the clocks of replicas may differ, in seconds.
    pub fn clock_skew(&self) -> u64 {
        self.clock_skew
    }

    /// Ends what has begun by `now` (UNIX seconds). Returns the time up to which it is over; `None` where it names nothing.
    pub fn end(&self, ended: Ended, now: u64) -> Option<u64> {
        self.make_room().ended.end(ended, now)
    }

    /// As [`List::end`], on the word of somebody who did not prove who they are: such entries may fill half of the
    /// list and then no more, so that they never push out others. `None`: there is no room.
    pub fn end_if_room(&self, ended: Ended, now: u64) -> Option<u64> {
        let mut state = self.make_room();
        let room = state.ended.len() < self.limit / 2;
        room.then(|| state.ended.end(ended, now)).flatten()
    }

    /// Takes over what another replica has ended, and up to when.
    pub fn learn(&self, ended: Ended, until: u64) {
        self.make_room().ended.learn(ended, until);
    }

    fn make_room(&self) -> RwLockWriteGuard<'_, Inner> {
        let mut state = self.write();
        state.ended.forget_before(clock::now().saturating_sub(self.keep));
        state
    }

    /// What is known by now: to be asked before the tokens of a login are asked for, and given to [`List::begin`].
    pub fn changes(&self) -> u64 {
        self.read().ended.changes()
    }

    /// When a session begins whose tokens were asked for `now`, as [`EndedSessions::begin`]; `None` where it was ended
    /// meanwhile.
    pub fn begin(&self, session: &SessionId, now: u64, seen: u64) -> Option<u64> {
        let mut state = self.write();
        let began_at = state.ended.begin(session, now, seen);
        (!state.ended.contains(session, began_at)).then_some(began_at)
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

    /// All entries and the times up to which they end what began.
    pub fn entries(&self) -> Vec<(Ended, u64)> {
        self.read().ended.iter().collect()
    }

    /// The list as JSON for the filter; `None` where its state is `known` already.
    pub fn to_json(&self, known: &str) -> Option<String> {
        let expired = clock::now().saturating_sub(self.keep);
        if self
            .read()
            .ended
            .iter()
            .next()
            .is_some_and(|(_, until)| until < expired)
        {
            self.write().ended.forget_before(expired);
        }
        let state = self.read();
        let version = format!("{:x}-{}", state.epoch, state.ended.changes());
        (version != known).then(|| state.ended.to_json(&version))
    }

    // Every change is complete in itself, so a poisoned lock is taken over.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sent_when_it_has_changed_and_only_then() {
        let list = List::new(10, 60, 10, 7);
        let first = list.to_json("").unwrap();
        let (_, version) = EndedSessions::from_json(first.as_bytes(), 10).unwrap();
        assert_eq!(list.to_json(&version), None);
        list.end(Ended::Session([1; 16]), clock::now());
        let second = list.to_json(&version).unwrap();
        let (ended, version) = EndedSessions::from_json(second.as_bytes(), 10).unwrap();
        assert_eq!(ended.len(), 1);
        assert_eq!(list.to_json(&version), None);
        // A restart begins another list.
        assert!(List::new(10, 60, 10, 8).to_json(&version).is_some());
    }

    #[test]
    fn entries_go_when_no_cookie_can_be_left() {
        let list = List::new(10, 60, 10, 7);
        list.end(Ended::Session([1; 16]), clock::now() - 71);
        list.end(Ended::Session([2; 16]), clock::now());
        assert_eq!(list.len(), 1);
    }
}
