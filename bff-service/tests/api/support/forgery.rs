//! Cookies sealed by the test, with the service's own keys or with others.

use std::time::{SystemTime, UNIX_EPOCH};

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, Opened, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;

use super::app::KEYS;

/// What to seal, and with which keys.
#[derive(Clone)]
pub struct Forgery {
    pub value: Vec<u8>,
    pub session: SessionId,
    pub began_at: u64,
    pub expires_at: u64,
    pub binding: Binding,
    pub keys: String,
}

impl Forgery {
    /// The same content as a cookie of the service.
    pub fn of(opened: &Opened) -> Forgery {
        Forgery {
            value: opened.value.to_vec(),
            session: opened.session.unwrap(),
            began_at: opened.began_at,
            expires_at: opened.expires_at,
            binding: opened.binding,
            keys: KEYS.to_owned(),
        }
    }

    pub fn seal(&self, purpose: Purpose) -> String {
        let content = Content {
            value: &self.value,
            session: self.session,
            began_at: self.began_at,
            expires_at: self.expires_at,
        };
        sealer(&self.keys)
            .seal_in(self.binding, purpose, &content, bff_service::random::bytes().unwrap())
            .unwrap()
    }
}

/// Opens a cookie of the service.
pub fn open(purpose: Purpose, value: &str) -> Opened {
    sealer(KEYS).open_in_any(purpose, value.as_bytes(), now()).unwrap()
}

pub fn sealer(keys: &str) -> Sealer {
    let (ring, _) = KeyRing::parse(keys, false).unwrap();
    Sealer::new(ring, "example", false)
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
