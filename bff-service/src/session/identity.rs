//! The identity and the lifetime of a session, and the identity of the process.

use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::{SessionId, SubjectHash};
use serde::{Deserialize, Serialize};

use crate::random::{self, RandomError};

/// Maximum time from the last write of a session's tokens to its end, in seconds: 400 days, the limit of browsers for
/// cookies (draft-ietf-httpbis-rfc6265bis, section 5.5).
const MAX_LIFETIME_SECONDS: u64 = 400 * 24 * 60 * 60;

/// Configured lifetimes of sessions, in addition to what the authorization server decides.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Seconds from login to the end of the session.
    pub absolute: Option<u64>,
    /// Seconds from the last activity of the user to the end of the session.
    pub idle: Option<u64>,
}

impl SessionLifetimes {
    /// The end of a session whatever the user does, in seconds since 1970, if its tokens are written at `now`.
    pub(super) fn end(&self, started_at: u64, now: u64) -> u64 {
        let absolute = self
            .absolute
            .map_or(u64::MAX, |seconds| started_at.saturating_add(seconds));
        absolute.min(now.saturating_add(MAX_LIFETIME_SECONDS))
    }

    /// The end of a session whose user was last active at `now`, in seconds since 1970; `None` if it has no idle time.
    pub(super) fn idle_end(&self, now: u64) -> Option<u64> {
        self.idle.map(|seconds| now.saturating_add(seconds))
    }

    /// Whether the cookies of a session have `Max-Age`, which the device binding cookie always has. Without a configured
    /// lifetime the others end with the browser session.
    pub(super) fn is_persistent(&self) -> bool {
        self.absolute.is_some() || self.idle.is_some()
    }
}

/// The identity of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// The session id, which is sealed into each cookie.
    pub id: SessionId,
    /// The time of login, in seconds since 1970.
    pub started_at: u64,
    /// Whether the session is bound to a device.
    pub binding: Binding,
}

impl Session {
    /// A new, unbound session that begins at `now` (seconds since 1970), of the user `sub` in the session `sid` of `issuer`.
    ///
    /// # Errors
    /// No random bytes are available.
    pub fn new(issuer: &str, sub: Option<&str>, sid: Option<&str>, now: u64) -> Result<Session, RandomError> {
        let digest = |name: Option<&str>| name.map_or(SubjectHash::NONE, |name| SubjectHash::of(issuer, name));
        Ok(Session {
            id: SessionId::new(random::bytes()?, digest(sub), digest(sid)),
            started_at: now,
            binding: Binding::Unbound,
        })
    }
}

/// The identity of a process, as one application sees it: a random number that is generated at startup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaId(pub u64);
