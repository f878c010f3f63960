//! The end of all sessions that began before a time.

use super::ended::AllEnded;
use super::list::EndedSessions;

impl EndedSessions {
    /// Ends all sessions that began before `before`, at `now` (both in seconds since 1970; `before` is not later). The
    /// clocks of replicas differ, and sessions may begin ahead of the clock, so this also ends some sessions that began a
    /// little later. Returns what has ended, for other lists.
    pub fn end_all(&mut self, before: u64, now: u64) -> AllEnded {
        // A login that knew an entry, or an earlier end of all sessions, may have begun its session right after that.
        let entries = self.order.last().map_or(0, |(until, _)| until.saturating_add(2));
        let last = entries.max(self.all.before.saturating_add(1));
        // Not later than a login may begin its session: whoever signs in from now on has a valid session.
        let ahead = last.min(self.ahead(before, 2));
        let before = before.saturating_add(self.clock_skew_seconds).saturating_add(1);
        self.learn_all(AllEnded::new(before.max(ahead), now));
        self.all
    }

    /// Adds what another list knows of the end of all sessions. Returns whether that changed anything.
    pub fn learn_all(&mut self, other: AllEnded) -> bool {
        let known = self.all;
        let (before, ended_at) = (known.before.max(other.before), known.ended_at.max(other.ended_at));
        if (before, ended_at) == (known.before, known.ended_at) {
            return false;
        }
        self.changes = self.changes.saturating_add(1);
        let change = match before > known.before {
            true => self.changes,
            false => known.change,
        };
        self.all = AllEnded {
            before,
            ended_at,
            change,
        };
        true
    }

    /// Returns the end of all sessions, if there was one.
    pub fn all_ended(&self) -> Option<AllEnded> {
        (self.all.before > 0).then_some(self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::session_id::{SessionId, SubjectHash};
    use crate::session::ended_sessions::Ended;

    const SKEW_SECONDS: u64 = 10;

    fn session(number: u8) -> SessionId {
        SessionId::new([number; 16], SubjectHash::of("i", "alice"), SubjectHash::NONE)
    }

    #[test]
    fn all_sessions_that_began_before_a_time_have_ended_and_later_ones_live() {
        let mut list = EndedSessions::new(10, SKEW_SECONDS);
        assert!(!list.has_ended(&session(1), 0) && list.all_ended().is_none());
        let ended = list.end_all(1000, 5000);
        assert_eq!(
            (ended.before, ended.ended_at, list.len()),
            (1000 + SKEW_SECONDS + 1, 5000, 1)
        );
        for (began_at, is_ended) in [(0, true), (999, true), (1010, true), (1011, false), (5000, false)] {
            assert_eq!(list.has_ended(&session(1), began_at), is_ended, "{began_at}");
        }
        assert!(
            list.has_ended(&SessionId::NONE, 0),
            "also sessions without an id, whose start is unknown"
        );
        // An earlier time changes nothing, and a list that hears of it later has the same.
        assert_eq!(list.end_all(500, 5001).before, ended.before);
        let mut other = EndedSessions::new(10, SKEW_SECONDS);
        other.merge(&list);
        assert!(other.has_ended(&session(1), 1010) && !other.has_ended(&session(1), 1011));
    }

    #[test]
    fn who_signs_in_after_the_end_of_all_sessions_has_a_session_that_lives_and_that_the_next_end_ends() {
        let mut list = EndedSessions::new(10, SKEW_SECONDS);
        let user = Ended::User(session(0).parts().1);
        // All within one second, with logouts of the user in between.
        for number in 2..20 {
            list.end_all(100, 100);
            let again = session(number);
            let began_at = list.begin(&again, 100, list.changes());
            assert!(!list.has_ended(&again, began_at), "{number}");
            let mut other = list.clone();
            other.end(user, 100);
            assert!(other.has_ended(&again, began_at), "{number}");
            let began_at = other.begin(&again, 100, other.changes());
            assert!(!other.has_ended(&again, began_at), "{number}");
            other.end_all(100, 100);
            assert!(other.has_ended(&again, began_at), "{number}");
            list.end_all(100, 100);
            assert!(list.has_ended(&again, began_at - 1), "{number}");
        }
    }

    #[test]
    fn no_number_of_logouts_keeps_who_signs_in_after_the_end_of_all_sessions_out() {
        let mut list = EndedSessions::new(10, SKEW_SECONDS);
        for _ in 0..10_000 {
            list.end(Ended::User(session(0).parts().1), 100);
        }
        list.end_all(100, 100);
        let other = SessionId::new([9; 16], SubjectHash::of("i", "bob"), SubjectHash::NONE);
        let began_at = list.begin(&other, 100, list.changes());
        assert!(!list.has_ended(&other, began_at));
    }

    #[test]
    fn a_login_that_did_not_know_of_the_end_of_all_sessions_is_ended_by_it() {
        let mut list = EndedSessions::new(10, SKEW_SECONDS);
        let seen = list.changes();
        list.end_all(100, 100);
        let began_at = list.begin(&session(1), 100, seen);
        assert!(list.has_ended(&session(1), began_at));
    }

    #[test]
    fn a_flood_of_logouts_does_not_displace_the_end_of_all_sessions_and_only_its_age_drops_it() {
        let mut list = EndedSessions::new(2, SKEW_SECONDS);
        list.end_all(100, 5000);
        for number in 1..100 {
            list.end(Ended::Session([number; 16]), 6000);
        }
        list.forget_before(5000);
        assert!(list.has_ended(&session(200), 99));
        list.forget_before(5001);
        assert!(!list.has_ended(&session(200), 99));
    }
}
