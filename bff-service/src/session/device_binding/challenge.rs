//! The challenges that the browser signs with the device's key. They are sealed, so the service stores only used ones.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Content;
use bff_core::cookie::session_id::SessionId;

use crate::random;
use crate::session::cookies::keys::RotatingSealer;
use crate::session::writer::WriteError;

/// What a challenge is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChallengeUse {
    /// The registration of a key.
    Registration,
    /// A new proof that the browser has the registered key.
    Proof,
}

impl ChallengeUse {
    /// The purpose with which the challenge is sealed: a challenge for a registration never opens as one for a proof.
    fn purpose(self) -> Purpose {
        match self {
            ChallengeUse::Registration => Purpose::DeviceKey,
            ChallengeUse::Proof => Purpose::DeviceBinding,
        }
    }
}

/// Creates and checks the challenges of one application.
pub struct Challenges(RotatingSealer);

impl Challenges {
    /// `sealer` must be used for this purpose only.
    pub fn new(sealer: RotatingSealer) -> Challenges {
        Challenges(sealer)
    }

    /// A new challenge for this session, in base64url. It is valid from `now` to `expires_at` (seconds since 1970).
    ///
    /// # Errors
    /// No random bytes are available, or sealing failed.
    pub fn make(
        &self,
        used_for: ChallengeUse,
        session: SessionId,
        now: u64,
        expires_at: u64,
    ) -> Result<String, WriteError> {
        let content = Content {
            value: b"",
            session,
            began_at: now,
            expires_at,
        };
        // The nonce makes each challenge unique.
        Ok(self.0.seal(used_for.purpose(), &content, random::bytes()?)?)
    }

    /// Whether the challenge is one of this service for this use and session, and has not expired.
    pub fn is_valid(&self, used_for: ChallengeUse, challenge: &str, session: SessionId, now: u64) -> bool {
        let opened = self.0.open(used_for.purpose(), challenge.as_bytes(), now);
        opened.is_ok_and(|opened| opened.session == Some(session))
    }
}
