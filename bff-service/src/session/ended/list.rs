//! The sessions that have ended although their cookies have not expired: by a logout of the user, by an operator, by
//! the authorization server (back-channel and front-channel logout), or because a second key of a device was
//! registered.
//!
//! Every request of a session checks the list, so it is in the memory of the process. Replicas share their entries through
//! [Redis](super::redis_sync): an entry of one replica reaches the others after about a second.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bff_core::cookie::session_id::SessionId;
use bff_core::session::ended_sessions::{AllEnded, Ended, EndedSessions};

use crate::clock;

/// The list of one application. Cheap to clone: clones share the list.
#[derive(Clone)]
pub struct List {
    state: Arc<RwLock<Inner>>,
    limit: usize,
    clock_skew: u64,
    /// How long an entry stays in the list, in seconds.
    keep_seconds: u64,
    /// Whether other replicas may not have some of the entries.
    unpublished: Arc<AtomicBool>,
}

struct Inner {
    ended: EndedSessions,
    /// Distinguishes the versions of this process's list from those of the list that the process before had.
    epoch: u32,
}

impl List {
    /// An empty list of at most `limit` entries. Each entry stays for `keep_seconds` after the latest start of a
    /// session that it ends. `clock_skew` is the maximum difference between the clocks of replicas, in seconds. `epoch`
    /// is a random number.
    pub fn new(limit: usize, keep_seconds: u64, clock_skew: u64, epoch: u32) -> List {
        List {
            state: Arc::new(RwLock::new(Inner {
                ended: EndedSessions::new(limit, clock_skew),
                epoch,
            })),
            limit,
            keep_seconds,
            clock_skew,
            unpublished: Arc::default(),
        }
    }

    /// Marks that other replicas may not have some of the entries.
    pub fn set_unpublished(&self) {
        self.unpublished.store(true, Relaxed);
    }

    /// Whether other replicas may not have some of the entries. Clears the mark: the caller must publish them now.
    pub fn take_unpublished(&self) -> bool {
        self.unpublished.swap(false, Relaxed)
    }

    /// How long an entry stays in the list, in seconds.
    pub fn keep_seconds(&self) -> u64 {
        self.keep_seconds
    }

    /// Maximum difference between the clocks of replicas, in seconds.
    pub fn clock_skew(&self) -> u64 {
        self.clock_skew
    }

    /// Ends the sessions that began by `now` (seconds since 1970). Returns the time up to which sessions are ended, in
    /// seconds since 1970. `None`: `ended` names nothing.
    pub fn end(&self, ended: Ended, now: u64) -> Option<u64> {
        self.make_room().ended.end(ended, now)
    }

    /// Like [`List::end`], for an unauthenticated caller: adds an entry only while the list is less than half full, so
    /// that such entries of one replica take at most half of the list. `None`: there is no room, or `ended` names nothing.
    pub fn end_if_room(&self, ended: Ended, now: u64) -> Option<u64> {
        let mut state = self.make_room();
        let has_room = state.ended.len() < self.limit / 2;
        has_room.then(|| state.ended.end(ended, now)).flatten()
    }

    /// Adds an entry of another replica, which ends sessions that began by `until` (seconds since 1970).
    pub fn learn(&self, ended: Ended, until: u64) {
        self.make_room().ended.learn(ended, until);
    }

    /// Ends all sessions that began before `before`, at `now` (both in seconds since 1970), like
    /// [`EndedSessions::end_all`].
    pub fn end_all(&self, before: u64, now: u64) -> AllEnded {
        self.make_room().ended.end_all(before, now)
    }

    /// Adds the end of all sessions at another replica.
    pub fn learn_all(&self, all: AllEnded) {
        self.make_room().ended.learn_all(all);
    }

    /// The end of all sessions, if there was one.
    pub fn all_ended(&self) -> Option<AllEnded> {
        self.read().ended.all_ended()
    }

    fn make_room(&self) -> RwLockWriteGuard<'_, Inner> {
        let mut state = self.write();
        state
            .ended
            .forget_before(clock::now().saturating_sub(self.keep_seconds));
        state
    }

    /// The state of the list. Call it before the token request of a login, and pass the result to [`List::begin`].
    pub fn changes(&self) -> u64 {
        self.read().ended.changes()
    }

    /// The start of a session whose tokens were requested at `now`, like [`EndedSessions::begin`] (both in seconds
    /// since 1970); `None` if the session was ended in the meantime. `seen` is the result of [`List::changes`] at
    /// `now`.
    pub fn begin(&self, session: &SessionId, now: u64, seen: u64) -> Option<u64> {
        let mut state = self.write();
        let began_at = state.ended.begin(session, now, seen);
        (!state.ended.has_ended(session, began_at)).then_some(began_at)
    }

    /// Whether this session, begun at `began_at` (seconds since 1970), has ended.
    pub fn has_ended(&self, session: &SessionId, began_at: u64) -> bool {
        self.read().ended.has_ended(session, began_at)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.read().ended.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, with the times up to which they end sessions, in seconds since 1970.
    pub fn entries(&self) -> Vec<(Ended, u64)> {
        self.read().ended.iter().collect()
    }

    /// The list as JSON for the filter; `None` if the filter has the current state, `known`.
    pub fn to_json(&self, known: &str) -> Option<String> {
        let expired = clock::now().saturating_sub(self.keep_seconds);
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

    // Every change is complete in itself, so a poisoned lock can be used.
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
        // After a restart the list is a different one.
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
