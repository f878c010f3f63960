//! Cookies sealed with a system's own keys: ones that an attacker cannot make, and ones of old or foreign deployments.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, NONCE_BYTES, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use demo_system::System;

/// Seals for a deployment.
pub struct Seals {
    sealer: Sealer,
}

impl Seals {
    /// Seals with the system's keys.
    pub fn of(system: &System, deployment: &str) -> Self {
        let keys = std::fs::read_to_string(system.cookie_keys_file()).expect("the cookie keys");
        Self::with(keys.trim(), deployment)
    }

    /// Seals with keys that the system does not have.
    pub fn with(keys: &str, deployment: &str) -> Self {
        let (ring, _) = KeyRing::parse(keys, false).expect("keys");
        Self {
            sealer: Sealer::new(ring, deployment, false),
        }
    }

    /// Opens a cookie of the system.
    pub fn open(&self, purpose: Purpose, value: &str) -> (String, SessionId) {
        let opened = self
            .sealer
            .open(purpose, value.as_bytes(), now())
            .expect("a cookie of the system");
        let session = opened.session.expect("version 2");
        (String::from_utf8(opened.value.to_vec()).expect("text"), session)
    }

    /// The cookie as it would be this many seconds later; `None` if it cannot be decrypted.
    pub fn aged(&self, purpose: Purpose, value: &str, seconds: u64) -> Option<String> {
        self.sealed_again(purpose, value, seconds, |binding| binding)
    }

    /// The cookie as it would be in an unbound session; `None` if it cannot be decrypted.
    pub fn unbound(&self, purpose: Purpose, value: &str) -> Option<String> {
        self.sealed_again(purpose, value, 0, |_| Binding::Unbound)
    }

    fn sealed_again(
        &self,
        purpose: Purpose,
        value: &str,
        seconds: u64,
        change: impl FnOnce(Binding) -> Binding,
    ) -> Option<String> {
        let opened = self.sealer.open_even_expired_in_any(purpose, value.as_bytes()).ok()?;
        let content = Content {
            value: &opened.value,
            session: opened.session?,
            began_at: opened.began_at.checked_sub(seconds)?,
            expires_at: opened.expires_at.checked_sub(seconds)?,
        };
        let binding = change(opened.binding);
        self.sealer.seal_in(binding, purpose, &content, nonce()).ok()
    }

    /// Seals a value that expires in this number of seconds. A negative number is in the past.
    pub fn seal(&self, purpose: Purpose, value: &str, session: SessionId, expires_in: i64) -> String {
        self.seal_in(Binding::Unbound, purpose, value, session, expires_in)
    }

    /// Seals a value of a session that is bound to a device, or is not.
    pub fn seal_in(
        &self,
        binding: Binding,
        purpose: Purpose,
        value: &str,
        session: SessionId,
        expires_in: i64,
    ) -> String {
        let expires_at = now().checked_add_signed(expires_in).expect("a time");
        let content = Content {
            value: value.as_bytes(),
            session,
            began_at: now(),
            expires_at,
        };
        self.sealer
            .seal_in(binding, purpose, &content, nonce())
            .expect("sealed")
    }
}

fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).expect("random bytes");
    nonce
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time after 1970")
        .as_secs()
}
