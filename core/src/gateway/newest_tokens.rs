//! When the newest access token of each session with an open stream expires. One gateway has these times alone, or the
//! gateways of all threads share them. Their number is bounded by the number of open streams.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The random number of a session ([`SessionId::parts`](crate::cookie::session_id::SessionId::parts)).
pub type SessionNumber = [u8; 16];

/// The newest access tokens of sessions with open streams.
#[derive(Debug, Default)]
pub struct NewestTokens(Mutex<HashMap<SessionNumber, Newest>>);

#[derive(Debug, Default)]
struct Newest {
    /// In seconds since 1970.
    expires_at: u64,
    /// The number of open streams of the session.
    streams: usize,
}

impl NewestTokens {
    /// Adds a stream of a session, whose access token expires at `expires_at`.
    pub(crate) fn open(&self, session: SessionNumber, expires_at: u64) {
        self.with(|sessions| {
            let newest = sessions.entry(session).or_default();
            newest.streams = newest.streams.saturating_add(1);
            newest.expires_at = newest.expires_at.max(expires_at);
        });
    }

    /// Removes a stream of a session.
    pub(crate) fn close(&self, session: &SessionNumber) {
        self.with(|sessions| {
            let Some(newest) = sessions.get_mut(session) else {
                return;
            };
            newest.streams = newest.streams.saturating_sub(1);
            if newest.streams == 0 {
                sessions.remove(session);
            }
        });
    }

    /// Learns of an access token of a session, whether or not it is the newest.
    pub(crate) fn saw(&self, session: &SessionNumber, expires_at: u64) {
        self.with(|sessions| {
            if let Some(newest) = sessions.get_mut(session) {
                newest.expires_at = newest.expires_at.max(expires_at);
            }
        });
    }

    /// Returns when the newest access token of a session with an open stream expires.
    pub(crate) fn expiry(&self, session: &SessionNumber) -> Option<u64> {
        self.with(|sessions| sessions.get(session).map(|newest| newest.expires_at))
    }

    /// Returns the number of sessions with open streams.
    pub fn sessions(&self) -> usize {
        self.with(|sessions| sessions.len())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<SessionNumber, Newest>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
