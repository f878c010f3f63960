//! `state` of a logout request (OpenID Connect RP-Initiated Logout 1.0, section 2), with which the browser returns from
//! the authorization server. The session no longer exists and cannot store the value, so the value is sealed, and
//! cannot be forged.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Content;
use bff_core::cookie::session_id::SessionId;

use super::cookies::keys::RotatingSealer;
use super::writer::WriteError;
use crate::random;

/// Lifetime of a state, in seconds.
const LIFETIME_SECONDS: u64 = 600;

/// Creates and checks the states of one application.
pub struct LogoutStates(RotatingSealer);

impl LogoutStates {
    /// `sealer` must be used for this purpose only.
    pub fn new(sealer: RotatingSealer) -> LogoutStates {
        LogoutStates(sealer)
    }

    /// A new state, created at `now` (seconds since 1970).
    ///
    /// # Errors
    /// No random bytes are available, or sealing failed.
    pub fn make(&self, now: u64) -> Result<String, WriteError> {
        let content = Content {
            value: b"",
            session: SessionId::NONE,
            began_at: now,
            expires_at: now.saturating_add(LIFETIME_SECONDS),
        };
        Ok(self.0.seal(Purpose::Login, &content, random::bytes()?)?)
    }

    /// Whether this service created the state, and the state has not expired.
    pub fn is_valid(&self, state: &str, now: u64) -> bool {
        self.0.open(Purpose::Login, state.as_bytes(), now).is_ok()
    }
}
