//! Which session, how long it lasts, and which process serves it.

use bff_core::cookie::session_id::{SessionId, SubjectHash};
use serde::{Deserialize, Serialize};

use crate::random::{self, RandomError};

/// What is sealed for a session without any bound of its own ends after 400 days, as browsers end every cookie
/// (RFC 6265bis, section 5.5). In seconds.
const UNBOUNDED: u64 = 400 * 24 * 60 * 60;

/// How long sessions last, over and above what the authorization server says.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Seconds from login to the end, whatever happens in between.
    pub absolute: Option<u64>,
    /// Seconds from the last refresh to the end.
    pub idle: Option<u64>,
}

impl SessionLifetimes {
    /// When a session ends, in UNIX seconds, if nothing happens from `now` on.
    pub(super) fn end(&self, started_at: u64, now: u64) -> u64 {
        let absolute = self
            .absolute
            .map_or(u64::MAX, |seconds| started_at.saturating_add(seconds));
        absolute.min(now.saturating_add(self.idle.unwrap_or(UNBOUNDED)))
    }

    /// Whether cookies carry `Max-Age`. Without a configured lifetime they end with the browser.
    pub(super) fn persistent(&self) -> bool {
        self.absolute.is_some() || self.idle.is_some()
    }
}

/// A session's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Sealed into each of its cookies.
    pub id: SessionId,
    /// The time of login, in UNIX seconds.
    pub started_at: u64,
}

impl Session {
    /// A new one, begun `now` (UNIX seconds), of the user and the login that `issuer` calls `sub` and `sid`.
    pub fn new(issuer: &str, sub: Option<&str>, sid: Option<&str>, now: u64) -> Result<Session, RandomError> {
        let digest = |name: Option<&str>| name.map_or(SubjectHash::NONE, |name| SubjectHash::of(issuer, name));
        Ok(Session {
            id: SessionId::new(random::bytes()?, digest(sub), digest(sid)),
            started_at: now,
        })
    }
}

/// A process of this service: a random number made at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaId(pub u64);
