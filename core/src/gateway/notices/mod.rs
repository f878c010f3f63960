//! Warnings to the operator, most of which callers can cause: from each gateway at most one line of each kind per minute,
//! with a count of the causes or, for clocks, the largest difference.

mod notice;

pub use notice::Notice;

use crate::crypto::key_ring::KeyId;
use crate::request::origin;

/// Minimum time between two lines of one kind, in seconds.
const PERIOD_SECONDS: u64 = 60;

/// Minimum number of inactive tokens for which their share is significant.
const MIN_INACTIVE_TOKENS: u64 = 3;

/// Minimum number of failed polls that are worth a line.
const MIN_FAILED_POLLS: u64 = 2;

/// Minimum number of introspection responses that forbid caching and are worth a line.
const MIN_NOT_CACHED_RESPONSES: u64 = 3;

/// What has happened since the last warnings. Times are in seconds since 1970.
#[derive(Default)]
pub(crate) struct Notices {
    unknown_key: Vote<KeyId>,
    unknown_key_due: u64,
    /// Largest time since the expiry of a token that introspection calls active, or that an exchange returned, in
    /// seconds.
    clocks_differ: Option<u64>,
    clocks_differ_due: u64,
    inactive: u64,
    /// Number of requests with a session cookie before the current window.
    requests_before: u64,
    window_ends: u64,
    inactive_due: u64,
    not_cached: u64,
    not_cached_due: u64,
    untrusted_origin: Vote<String>,
    untrusted_origin_due: u64,
    polls_failed: u64,
    polls_failed_with: Option<u16>,
    polls_failed_due: u64,
}

/// A majority vote (Boyer and Moore): callers can make up values, but if most requests have the same value, it wins.
struct Vote<T> {
    candidate: Option<T>,
    lead: u64,
    votes: u64,
}

impl<T> Default for Vote<T> {
    fn default() -> Self {
        Self {
            candidate: None,
            lead: 0,
            votes: 0,
        }
    }
}

impl<T: PartialEq> Vote<T> {
    fn add(&mut self, value: T) {
        self.votes = self.votes.saturating_add(1);
        match &self.candidate {
            Some(candidate) if *candidate == value => self.lead = self.lead.saturating_add(1),
            Some(_) if self.lead > 0 => self.lead = self.lead.saturating_sub(1),
            _ => (self.candidate, self.lead) = (Some(value), 1),
        }
    }
}

impl Notices {
    /// Counts a request with a cookie that was sealed with a key which is not in the ring.
    pub(crate) fn unknown_key(&mut self, key: KeyId) {
        self.unknown_key.add(key);
    }

    /// Records that a token which introspection calls active, or which an exchange returned, expired `seconds` ago.
    pub(crate) fn clocks_differ(&mut self, seconds: u64) {
        self.clocks_differ = self.clocks_differ.max(Some(seconds));
    }

    /// Counts a request with a session cookie that was refused because the authorization server does not accept its
    /// token, or the token has expired by the local clock.
    pub(crate) fn session_token_inactive(&mut self) {
        self.inactive = self.inactive.saturating_add(1);
    }

    /// Counts an introspection response about an active token that forbids caching.
    pub(crate) fn not_cached(&mut self) {
        self.not_cached = self.not_cached.saturating_add(1);
    }

    /// Counts a request with this Origin, which is not trusted.
    pub(crate) fn untrusted_origin(&mut self, origin: &[u8]) {
        self.untrusted_origin.add(origin::shown(origin));
    }

    /// Counts a poll of the list of ended sessions that failed with this HTTP status; 0 if there was no response.
    pub(crate) fn ended_sessions_failed(&mut self, status: u16) {
        self.polls_failed = self.polls_failed.saturating_add(1);
        self.polls_failed_with = Some(status).filter(|status| *status != 0);
    }

    /// Records that a poll of the list of ended sessions succeeded.
    pub(crate) fn ended_sessions_polled(&mut self) {
        self.polls_failed = 0;
    }

    /// Returns the warnings that are due at the time `now`, in seconds since 1970. `requests` is the number of requests
    /// whose access token cookie was opened since the start of the gateway, `list` the cluster of the list of ended
    /// sessions.
    pub(crate) fn due(
        &mut self,
        now: u64,
        ring: impl Iterator<Item = KeyId>,
        client_id: &str,
        list: &str,
        requests: u64,
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        let next = now.saturating_add(PERIOD_SECONDS);
        if let Some(key) = self.unknown_key.candidate
            && now >= self.unknown_key_due
        {
            let requests = std::mem::take(&mut self.unknown_key).votes;
            self.unknown_key_due = next;
            let ring = ring.collect();
            notices.push(Notice::UnknownKey { key, requests, ring });
        }
        if let Some(seconds) = self.clocks_differ
            && now >= self.clocks_differ_due
        {
            self.clocks_differ = None;
            self.clocks_differ_due = next;
            notices.push(Notice::ClocksDiffer { seconds });
        }
        if self.not_cached >= MIN_NOT_CACHED_RESPONSES && now >= self.not_cached_due {
            self.not_cached_due = next;
            let responses = std::mem::take(&mut self.not_cached);
            notices.push(Notice::NotCached { responses });
        }
        if self.untrusted_origin.candidate.is_some() && now >= self.untrusted_origin_due {
            let vote = std::mem::take(&mut self.untrusted_origin);
            self.untrusted_origin_due = next;
            notices.extend(vote.candidate.map(|origin| Notice::UntrustedOrigin {
                origin,
                requests: vote.votes,
            }));
        }
        // A single poll may fail while the service is replaced.
        if self.polls_failed >= MIN_FAILED_POLLS && now >= self.polls_failed_due {
            self.polls_failed_due = next;
            notices.push(Notice::EndedSessionsFailed {
                failures: std::mem::take(&mut self.polls_failed),
                status: self.polls_failed_with,
                cluster: list.to_owned(),
            });
        }
        let (inactive, of) = (self.inactive, requests.wrapping_sub(self.requests_before));
        let is_most = inactive >= MIN_INACTIVE_TOKENS && inactive.saturating_mul(2) > of;
        let is_due = is_most && now >= self.inactive_due;
        if is_due {
            self.inactive_due = next;
            notices.push(Notice::SessionTokensInactive {
                inactive,
                requests: of,
                client_id: client_id.to_owned(),
            });
        }
        if is_due || now >= self.window_ends {
            (self.inactive, self.requests_before, self.window_ends) = (0, requests, next);
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: [KeyId; 1] = [KeyId([9; 4])];

    fn due(notices: &mut Notices, now: u64, requests: u64) -> Vec<Notice> {
        notices.due(now, RING.into_iter(), "gateway", "bff_admin", requests)
    }

    #[test]
    fn the_key_of_most_cookies_is_named_whatever_ids_strangers_make_up_beside_them() {
        let mut notices = Notices::default();
        for made_up in 0..100u32 {
            notices.unknown_key(KeyId(made_up.to_be_bytes()));
            notices.unknown_key(KeyId([7; 4]));
        }
        notices.unknown_key(KeyId([7; 4]));
        let expected = Notice::UnknownKey {
            key: KeyId([7; 4]),
            requests: 201,
            ring: RING.to_vec(),
        };
        assert_eq!(due(&mut notices, 1000, 0), [expected]);
        assert_eq!(due(&mut notices, 1000, 0), []);
    }

    #[test]
    fn there_is_one_line_of_a_kind_a_minute_and_what_came_in_between_is_counted_in_the_next() {
        let mut notices = Notices::default();
        let key = KeyId([7; 4]);
        notices.unknown_key(key);
        notices.clocks_differ(4);
        assert_eq!(due(&mut notices, 1000, 0).len(), 2);
        for second in 1..60 {
            notices.unknown_key(key);
            notices.clocks_differ(second);
            assert_eq!(due(&mut notices, 1000 + second, 0), [], "{second}");
        }
        let expected = [
            Notice::UnknownKey {
                key,
                requests: 59,
                ring: RING.to_vec(),
            },
            Notice::ClocksDiffer { seconds: 59 },
        ];
        assert_eq!(due(&mut notices, 1060, 0), expected);
    }

    #[test]
    fn inactive_tokens_are_told_of_where_they_are_most_of_those_in_our_own_cookies() {
        let told = |inactive: u64, requests: u64| {
            let mut notices = Notices::default();
            // Requests before the window do not count.
            assert_eq!(due(&mut notices, 1000, 500), []);
            (0..inactive).for_each(|_| notices.session_token_inactive());
            let told = due(&mut notices, 1001, 500 + requests);
            assert_eq!(due(&mut notices, 1002, 500 + requests), [], "once");
            !told.is_empty()
        };
        assert!(told(3, 3) && told(3, 5) && told(51, 100));
        assert!(!told(0, 0) && !told(2, 2) && !told(3, 6) && !told(50, 100));
    }

    #[test]
    fn the_origin_of_most_refused_requests_is_named_and_failed_polls_are_counted() {
        let mut notices = Notices::default();
        for made_up in 0..50 {
            notices.untrusted_origin(format!("https://{made_up}.example").as_bytes());
            notices.untrusted_origin(b"https://new.example.com");
        }
        notices.untrusted_origin(b"https://new.example.com");
        notices.ended_sessions_failed(0);
        let origin = Notice::UntrustedOrigin {
            origin: "https://new.example.com".to_owned(),
            requests: 101,
        };
        assert_eq!(due(&mut notices, 1000, 0), [origin], "one failed poll says nothing");
        notices.ended_sessions_polled();
        notices.ended_sessions_failed(0);
        assert_eq!(
            due(&mut notices, 1000, 0),
            [],
            "nor do two with a successful one in between"
        );
        notices.ended_sessions_failed(404);
        let failed = Notice::EndedSessionsFailed {
            failures: 2,
            status: Some(404),
            cluster: "bff_admin".to_owned(),
        };
        assert_eq!(due(&mut notices, 1001, 0), [failed]);
        assert_eq!(due(&mut notices, 1002, 0), []);
    }
}
