//! The list of what was ended, with the time up to which each entry ends sessions.

use std::collections::{BTreeSet, HashMap};

use super::ended::{AllEnded, Ended};
use crate::cookie::session_id::SessionId;

/// How far the times of a user or a login may get ahead of the clock, in seconds, in addition to clock skew: each
/// logout within a second of the one before takes one, since a login may be between them.
const MAX_AHEAD_SECONDS: u64 = 60;

/// What was ended, each with a time (seconds since 1970): the entry ends sessions that began up to then. The number of
/// entries is bounded: the one with the earliest time is dropped first.
///
/// Times are in whole seconds, and the clocks of replicas differ, so a clock alone cannot tell what was before a
/// logout. An entry ends all sessions that began up to the clock skew after the logout. A login that knew the entry
/// before it requested its tokens begins its session one second after that time ([`EndedSessions::begin`]). The next
/// logout of the same name ends that session too, however soon it comes ([`EndedSessions::end`]).
#[derive(Clone, Debug)]
pub struct EndedSessions {
    entries: HashMap<Ended, Entry>,
    /// The same entries, ordered by their times.
    pub(super) order: BTreeSet<(u64, Ended)>,
    /// For users and logins: when the last session began that had to begin ahead of the clock, because its user or its
    /// login had an entry.
    begun_ahead: HashMap<Ended, u64>,
    /// What ended all sessions. Not among the entries: a flood of logouts must not displace it.
    pub(super) all: AllEnded,
    limit: usize,
    pub(super) clock_skew_seconds: u64,
    pub(super) changes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Sessions that began up to this time have ended. In seconds since 1970.
    until: u64,
    /// The change of the list that set this time.
    change: u64,
}

impl EndedSessions {
    /// Creates an empty list of at most `limit` entries. `clock_skew_seconds` is how far clocks may differ, in seconds.
    /// A list that only learns from others needs no such time: 0.
    pub fn new(limit: usize, clock_skew_seconds: u64) -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeSet::new(),
            begun_ahead: HashMap::new(),
            all: AllEnded::default(),
            limit,
            clock_skew_seconds,
            changes: 0,
        }
    }

    /// Ends the sessions that have begun by `now` (seconds since 1970). Returns the time up to which the entry ends
    /// sessions, for other lists; `None` if `ended` names nothing.
    pub fn end(&mut self, ended: Ended, now: u64) -> Option<u64> {
        if ended.is_nameless() {
            return None;
        }
        let known = self.entries.get(&ended).map_or(0, |entry| entry.until);
        let until = match ended {
            // The random number of a session is never used again.
            Ended::Session(_) => known,
            // A session whose login knew the entry, here or in another replica, began right after it.
            Ended::Login(_) | Ended::User(_) => {
                // So did one whose login knew that all sessions before it had ended.
                let known = known.max(self.all.before.saturating_sub(1));
                let after = known.saturating_add(1).min(self.ahead(now, 3));
                let begun = self.begun_ahead.get(&ended).copied().unwrap_or_default();
                known.max(after).max(begun)
            }
        };
        let until = until.max(now.saturating_add(self.clock_skew_seconds));
        self.learn(ended, until);
        Some(until)
    }

    /// Adds an entry of another list. Returns whether that changed anything.
    pub fn learn(&mut self, ended: Ended, until: u64) -> bool {
        let known = self.entries.get(&ended).map(|entry| entry.until);
        let is_older_than_all = self.order.first().is_some_and(|first| (until, ended) < *first);
        if ended.is_nameless()
            || known.is_some_and(|known| known >= until)
            || (known.is_none() && self.entries.len() >= self.limit && is_older_than_all)
        {
            return false;
        }
        if let Some(known) = known {
            self.order.remove(&(known, ended));
        }
        self.changes = self.changes.saturating_add(1);
        let entry = Entry {
            until,
            change: self.changes,
        };
        self.entries.insert(ended, entry);
        self.order.insert((until, ended));
        while self.entries.len() > self.limit {
            self.forget_first();
        }
        true
    }

    /// Adds the entries of another list.
    pub fn merge(&mut self, other: &Self) {
        for (ended, until) in other.iter() {
            self.learn(ended, until);
        }
        self.learn_all(other.all);
    }

    /// Returns when a session begins whose tokens were requested at `now`, in seconds since 1970: at that time, or
    /// right after what ended all sessions, and the entries of its user and its login, if these were known by then.
    /// `seen` is the value of [`EndedSessions::changes`] at `now`. A later entry ends this session too: its tokens may
    /// be older.
    pub fn begin(&mut self, session: &SessionId, now: u64, seen: u64) -> u64 {
        let (_, user, login) = session.parts();
        let names = [Ended::User(user), Ended::Login(login)];
        let entries = names.iter().filter_map(|name| self.entries.get(name));
        let mut after = now;
        if self.all.before > now {
            if self.all.change > seen {
                return now;
            }
            after = self.all.before;
        }
        for entry in entries.filter(|entry| entry.until >= now) {
            if entry.change > seen {
                return now;
            }
            after = after.max(entry.until.saturating_add(1));
        }
        // If the session began further ahead, a logout by a clock that is behind could not end it.
        if after == now || after > self.ahead(now, 2) {
            return now;
        }
        self.begun_ahead.retain(|_, at| *at > now);
        if self.begun_ahead.len() > self.limit.saturating_mul(2) {
            return now;
        }
        for name in names.into_iter().filter(|name| !name.is_nameless()) {
            let at = self.begun_ahead.entry(name).or_default();
            *at = after.max(*at);
        }
        after
    }

    /// Returns how far ahead times may get, with room for `skews` times the clock skew.
    pub(super) fn ahead(&self, now: u64, skews: u64) -> u64 {
        now.saturating_add(self.clock_skew_seconds.saturating_mul(skews))
            .saturating_add(MAX_AHEAD_SECONDS)
    }

    /// Drops the entries that end no session that began at `time` or later, and the end of all sessions if that was before `time`.
    pub fn forget_before(&mut self, time: u64) {
        while self.order.first().is_some_and(|(until, _)| *until < time) {
            self.forget_first();
            self.changes = self.changes.saturating_add(1);
        }
        if self.all.before > 0 && self.all.ended_at < time {
            self.all = AllEnded::default();
            self.changes = self.changes.saturating_add(1);
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, ended)) = self.order.pop_first() {
            self.entries.remove(&ended);
        }
    }

    /// Whether this session, which began at `began_at` (seconds since 1970), has ended. A user who was signed out may
    /// sign in again. An ended session stays ended.
    pub fn has_ended(&self, session: &SessionId, began_at: u64) -> bool {
        if began_at < self.all.before {
            return true;
        }
        if self.entries.is_empty() {
            return false;
        }
        let (number, user, login) = session.parts();
        let is_ended = |name| self.entries.get(&name).is_some_and(|entry| began_at <= entry.until);
        self.entries.contains_key(&Ended::Session(number))
            || is_ended(Ended::Login(login))
            || is_ended(Ended::User(user))
    }

    /// Returns a number that grows with every change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns the number of entries. The end of all sessions counts as one.
    pub fn len(&self) -> usize {
        self.entries.len().saturating_add(usize::from(self.all.before > 0))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the entries with the times up to which they end sessions, the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = (Ended, u64)> + '_ {
        self.order.iter().map(|(until, ended)| (*ended, *until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::session_id::SubjectHash;

    const SKEW_SECONDS: u64 = 10;

    fn session(number: u8, user: &str, login: &str) -> SessionId {
        let digest = |name| SubjectHash::of("https://issuer", name);
        SessionId::new([number; 16], digest(user), digest(login))
    }

    fn list(limit: usize) -> EndedSessions {
        EndedSessions::new(limit, SKEW_SECONDS)
    }

    #[test]
    fn a_session_ends_by_its_number_its_login_or_its_user() {
        let (_, user, login) = session(1, "alice", "sid").parts();
        for ended in [Ended::Session([1; 16]), Ended::Login(login), Ended::User(user)] {
            let mut list = list(10);
            assert_eq!(list.end(ended, 100), Some(110));
            assert!(list.has_ended(&session(1, "alice", "sid"), 100), "{ended:?}");
            assert!(!list.has_ended(&session(2, "bob", "other"), 100), "{ended:?}");
        }
    }

    #[test]
    fn a_session_from_a_replica_whose_clock_is_ahead_does_not_outlive_its_logout() {
        let (_, user, login) = session(1, "alice", "sid").parts();
        for ended in [Ended::Login(login), Ended::User(user)] {
            let mut list = list(10);
            list.end(ended, 100);
            assert!(
                list.has_ended(&session(1, "alice", "sid"), 100 + SKEW_SECONDS),
                "{ended:?}"
            );
            assert!(
                !list.has_ended(&session(1, "alice", "sid"), 101 + SKEW_SECONDS),
                "{ended:?}"
            );
        }
    }

    #[test]
    fn who_signs_in_again_after_a_logout_has_a_session_that_lives_and_that_the_next_logout_ends() {
        let (_, user, login) = session(1, "alice", "sid").parts();
        for ended in [Ended::Login(login), Ended::User(user)] {
            let mut list = list(10);
            // All within one second.
            for number in 2..20 {
                list.end(ended, 100);
                let again = session(number, "alice", "sid");
                let began_at = list.begin(&again, 100, list.changes());
                assert!(!list.has_ended(&again, began_at), "{ended:?}");
                // A logout by the other of its names.
                let mut other = list.clone();
                other.end(
                    if ended == Ended::User(user) {
                        Ended::Login(login)
                    } else {
                        Ended::User(user)
                    },
                    100,
                );
                assert!(other.has_ended(&again, began_at), "{ended:?}");
                list.end(ended, 100);
                assert!(list.has_ended(&again, began_at), "{ended:?}");
            }
        }
    }

    #[test]
    fn a_login_that_did_not_see_the_logout_before_it_asked_for_its_tokens_is_ended_by_it() {
        let mut list = list(10);
        let seen = list.changes();
        let late = session(1, "alice", "sid");
        list.end(Ended::Login(late.parts().2), 100);
        let began_at = list.begin(&late, 100, seen);
        assert!(list.has_ended(&late, began_at));
    }

    #[test]
    fn no_number_of_logouts_takes_the_times_far_from_the_clock() {
        let mut list = list(10);
        let name = Ended::Login(session(1, "", "sid").parts().2);
        for _ in 0..10_000 {
            list.end(name, 100);
        }
        let until = list.end(name, 100).unwrap();
        assert!(until <= 100 + 3 * SKEW_SECONDS + MAX_AHEAD_SECONDS, "{until}");
        // Whoever signs in then has a session that has ended, rather than one that no logout reaches.
        let again = session(2, "", "sid");
        let began_at = list.begin(&again, 100, list.changes());
        assert!(list.has_ended(&again, began_at));
        assert_eq!(list.begin(&again, until + 1, list.changes()), until + 1);
    }

    #[test]
    fn a_session_does_not_come_back() {
        let mut list = list(10);
        list.end(Ended::Session([1; 16]), 100);
        assert!(list.has_ended(&session(1, "alice", "sid"), 1_000_000));
    }

    #[test]
    fn a_session_without_names_is_ended_by_no_name() {
        let nameless = SessionId::new([1; 16], SubjectHash::NONE, SubjectHash::NONE);
        let mut list = list(10);
        // The last one is in every cookie without a session.
        for name in [
            Ended::User(SubjectHash::NONE),
            Ended::Login(SubjectHash::NONE),
            Ended::session(&SessionId::NONE),
        ] {
            assert_eq!((list.end(name, 100), list.learn(name, 100)), (None, false), "{name:?}");
        }
        list.end(Ended::Session([2; 16]), 100);
        assert!(!list.has_ended(&nameless, 0));
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_go_first() {
        let mut list = list(2);
        for number in 1..=3 {
            list.end(Ended::Session([number; 16]), u64::from(number));
        }
        assert_eq!(list.len(), 2);
        assert!(!list.has_ended(&session(1, "", ""), 0) && list.has_ended(&session(3, "", ""), 0));
        // An entry older than all entries of a full list changes nothing.
        let changes = list.changes();
        assert!(!list.learn(Ended::Session([1; 16]), 1) && list.changes() == changes);
        list.forget_before(3 + SKEW_SECONDS);
        assert_eq!(list.len(), 1);
        list.forget_before(4 + SKEW_SECONDS);
        assert!(list.is_empty());
        // A late entry is dropped when its time comes.
        list.learn(Ended::Session([4; 16]), 2000);
        list.learn(Ended::Session([5; 16]), 1500);
        list.forget_before(1501);
        assert_eq!((list.len(), list.order.len()), (1, 1));
    }

    #[test]
    fn the_same_names_again_and_again_take_no_more_room_and_push_nothing_out() {
        let mut list = list(20);
        list.end(Ended::Session([1; 16]), 100);
        for now in 101..1000 {
            for number in 2..10 {
                list.end(Ended::Session([number; 16]), now);
            }
        }
        assert!(list.has_ended(&session(1, "", ""), 0));
        assert_eq!((list.entries.len(), list.order.len()), (9, 9));
    }
}
