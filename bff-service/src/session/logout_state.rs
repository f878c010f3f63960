//! `state` of a logout request (OpenID Connect RP-Initiated Logout 1.0, section 2): the browser brings it back from the
//! authorization server. There is no session left to keep it in, so it is sealed, and nobody else can make one.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Content;
use bff_core::cookie::session_id::SessionId;

use super::cookies::keys::RotatingSealer;
use super::writer::WriteError;
use crate::random;

/// How long the browser may take, in seconds.
const SECONDS: u64 = 600;

/// Makes and recognises the states of one application.
pub struct LogoutStates(RotatingSealer);

impl LogoutStates {
    /// With a sealer that seals nothing else.
    pub fn new(sealer: RotatingSealer) -> LogoutStates {
        LogoutStates(sealer)
    }

    /// A state, made `now` (UNIX seconds).
    pub fn make(&self, now: u64) -> Result<String, WriteError> {
        let content = Content {
            value: b"",
            session: SessionId::NONE,
            began_at: now,
            expires_at: now.saturating_add(SECONDS),
        };
        Ok(self.0.seal(Purpose::Login, &content, random::bytes()?)?)
    }

    /// Whether this was made here, and is not too old.
    pub fn recognise(&self, state: &str, now: u64) -> bool {
        self.0.open(Purpose::Login, state.as_bytes(), now).is_ok()
    }
}
