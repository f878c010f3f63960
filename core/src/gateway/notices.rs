//! Warnings to the operator that clients can cause: at most one line of each kind per minute, with a count of the
//! causes.

use std::fmt;

use crate::crypto::key_ring::KeyId;

/// Minimum time between two lines of one kind, in seconds.
const PERIOD_SECONDS: u64 = 60;

/// Minimum number of inactive tokens for which their share is significant.
const MIN_INACTIVE: u64 = 3;

/// A warning to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Cookies were sealed with a key that is not in the ring.
    UnknownKey {
        /// Fingerprint of one such key. If most of these cookies have the same key, it is that key.
        key: KeyId,
        /// Number of requests with such a cookie since the last warning.
        requests: u64,
        /// Fingerprints of the keys in the ring.
        ring: Vec<KeyId>,
    },
    /// The clocks differ: tokens that introspection calls active have expired by the local clock.
    ClocksDiffer {
        /// Minimum difference of the clocks, in seconds.
        seconds: u64,
    },
    /// Introspection calls most access tokens from the service's own cookies inactive.
    SessionTokensInactive {
        /// Number of requests that were refused for this reason.
        inactive: u64,
        /// Number of requests with a session cookie in the same time.
        requests: u64,
        /// Client identifier of the client that introspects.
        client_id: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, requests, ring } => {
                write!(
                    f,
                    "{requests} requests brought a cookie sealed with a key that is not in the key ring, such as key {key}; the \
                     ring has"
                )?;
                let mut separator = " ";
                for known in ring {
                    write!(f, "{separator}{known}")?;
                    separator = ", ";
                }
                f.write_str(": configure the same keys (bff_token.encryption_key) for the service and the filter")
            }
            Self::ClocksDiffer { seconds } => write!(
                f,
                "introspection calls a token active whose `exp` passed {seconds} seconds ago by this clock: compare the clocks of \
                 this machine and of the authorization server"
            ),
            Self::SessionTokensInactive {
                inactive,
                requests,
                client_id,
            } => write!(
                f,
                "{inactive} of {requests} requests with a session cookie were refused, since introspection calls their token \
                 inactive: check that the client `{client_id}` may introspect tokens issued to the service's client"
            ),
        }
    }
}

/// What has happened since the last warnings.
#[derive(Default)]
pub(crate) struct Notices {
    unknown_key: Vote,
    unknown_key_due: u64,
    /// Largest difference of the clocks, in seconds.
    clocks_differ: Option<u64>,
    clocks_differ_due: u64,
    inactive: u64,
    /// Number of requests with a session cookie before the current window.
    requests_before: u64,
    window_ends: u64,
    inactive_due: u64,
}

/// A majority vote (Boyer and Moore): clients can make up fingerprints, but if most cookies have the same key, its
/// fingerprint wins.
#[derive(Default)]
struct Vote {
    candidate: Option<KeyId>,
    lead: u64,
    votes: u64,
}

impl Vote {
    fn add(&mut self, key: KeyId) {
        self.votes = self.votes.saturating_add(1);
        match self.candidate {
            Some(candidate) if candidate == key => self.lead = self.lead.saturating_add(1),
            Some(_) if self.lead > 0 => self.lead = self.lead.saturating_sub(1),
            _ => (self.candidate, self.lead) = (Some(key), 1),
        }
    }
}

impl Notices {
    /// Counts a request with a cookie that was sealed with a key which is not in the ring.
    pub(crate) fn unknown_key(&mut self, key: KeyId) {
        self.unknown_key.add(key);
    }

    /// Records that a token which introspection calls active expired `seconds` ago.
    pub(crate) fn clocks_differ(&mut self, seconds: u64) {
        self.clocks_differ = self.clocks_differ.max(Some(seconds));
    }

    /// Counts a request with a session cookie that was refused because introspection calls its token inactive.
    pub(crate) fn session_token_inactive(&mut self) {
        self.inactive = self.inactive.saturating_add(1);
    }

    /// Returns the warnings that are due at the time `now`, in seconds since 1970. `requests` is the number of requests
    /// with a session cookie since the start of the gateway.
    pub(crate) fn due(
        &mut self,
        now: u64,
        ring: impl Iterator<Item = KeyId>,
        client_id: &str,
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
        let (inactive, of) = (self.inactive, requests.wrapping_sub(self.requests_before));
        let is_most = inactive >= MIN_INACTIVE && inactive.saturating_mul(2) > of;
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
        notices.due(now, RING.into_iter(), "gateway", requests)
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
    fn the_lines_say_what_to_do() {
        let lines = [
            Notice::UnknownKey {
                key: KeyId([0x5b, 0xe7, 0xb5, 0xb2]),
                requests: 12,
                ring: vec![KeyId([0x0d, 0x1f, 0x6c, 0x41]), KeyId([1; 4])],
            }
            .to_string(),
            Notice::ClocksDiffer { seconds: 75 }.to_string(),
            Notice::SessionTokensInactive {
                inactive: 40,
                requests: 50,
                client_id: "gateway".to_owned(),
            }
            .to_string(),
        ];
        for (line, words) in lines.iter().zip([
            &["12 requests", "key 5be7b5b2", "0d1f6c41, 01010101", "encryption_key"][..],
            &["75 seconds", "compare the clocks"],
            &["40 of 50", "the client `gateway` may introspect"],
        ]) {
            for word in words {
                assert!(line.contains(word), "{line}: {word}");
            }
        }
    }
}
