//! The content of the device key cookie: the public key, and the browser's identifier of the session. The service stores
//! no key. The cookie counts only if it belongs to the session that the host-locked cookies identify.

use bff_core::cookie::seal::Opened;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jose::device_key::{DeviceKey, DeviceKeyError};
use crate::random::{self, RandomError};

/// The content of the cookie, sealed as JSON.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyContent {
    /// The `session_identifier`: random, and new with each registration. It is not the session id, which responses contain
    /// only in sealed values.
    #[serde(rename = "id")]
    pub identifier: String,
    /// The public key as a JWK.
    jwk: Value,
}

impl KeyContent {
    /// The content for a newly registered key.
    ///
    /// # Errors
    /// No random bytes are available.
    pub fn new(key: &DeviceKey) -> Result<KeyContent, RandomError> {
        Ok(KeyContent {
            identifier: random::token()?,
            jwk: key.jwk().clone(),
        })
    }

    /// Parses an opened cookie.
    pub fn parse(opened: &Opened) -> Option<KeyContent> {
        serde_json::from_slice(&opened.value).ok()
    }

    /// The value of the cookie.
    ///
    /// # Errors
    /// Serialization failed.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// The key. It was valid when the cookie was sealed.
    ///
    /// # Errors
    /// The key is not valid now.
    pub fn key(&self) -> Result<DeviceKey, DeviceKeyError> {
        DeviceKey::parse(&self.jwk)
    }
}
