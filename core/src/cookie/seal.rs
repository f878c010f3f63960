//! Sealing: the format of the BFF's cookies, and their authenticated encryption.
//!
//! Version 2 is base64url without padding of
//! `0x02 ‖ key id (4) ‖ nonce (24) ‖ ciphertext ‖ tag (16)`, with XAES-256-GCM. The plaintext is
//! `began at (8) ‖ expires at (8) ‖ session id (32) ‖ value`, times in seconds since 1970, big-endian. The associated
//! data is `0x02 ‖ key id ‖ purpose ‖ deployment`, so that no cookie can be opened in place of another.
//!
//! Version 3 is version 2 with `0x03` in place of `0x02`, in the value and in the associated data. It is for the cookies of
//! sessions that are bound to a device. Version 4 has `0x04` there. It is for the cookies of sessions that the browser may
//! still bind. Software without support for bound sessions opens none of these cookies, and so never accepts such a session
//! without the proof.
//!
//! Version 1 is only read, and only if it is enabled: `0x01 ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM without
//! associated data. Such a value has no purpose, no expiry and no session: it can be opened in place of any cookie.

use std::fmt;

use aes_gcm::Nonce;
use aes_gcm::aead::Aead;
use zeroize::Zeroizing;

use super::purpose::Purpose;
use super::session_id::SessionId;
use crate::crypto::key_ring::{Key, KeyId, KeyRing};
use crate::crypto::xaes256_gcm::TAG_BYTES;
use crate::encoding::base64url;

/// The length of the random nonce of a sealed value, in bytes.
pub const NONCE_BYTES: usize = crate::crypto::xaes256_gcm::NONCE_BYTES;

/// The maximum length of a sealed value as base64url, in bytes. Values stay far below, unless they are split into
/// many more parts than by default.
pub const MAX_SEALED_BYTES: usize = 64 * 1024;

const VERSION_1: u8 = 1;
const VERSION_2: u8 = 2;
const VERSION_3: u8 = 3;
const VERSION_4: u8 = 4;

/// Whether a sealed value is of a session that is bound to a device. The values are in ascending order: at the service,
/// the greatest of those of a session's cookies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binding {
    /// The session is not bound: versions 1 and 2.
    Unbound,
    /// The session was not bound when the value was sealed, and the browser could still bind it: version 4. The service
    /// knows whether the browser has done so. Elsewhere such a value counts as unbound, so it must expire soon.
    Provisional,
    /// The session is bound: version 3.
    Bound,
}

impl Binding {
    const fn version(self) -> u8 {
        match self {
            Self::Unbound => VERSION_2,
            Self::Provisional => VERSION_4,
            Self::Bound => VERSION_3,
        }
    }
}

/// The content of a sealed value.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The secret itself.
    pub value: &'a [u8],
    /// The session to which the value belongs.
    pub session: SessionId,
    /// When the session began, in seconds since 1970. In a cookie without a session: when it was sealed.
    pub began_at: u64,
    /// When the value expires, in seconds since 1970: from that second on [`Sealer::open`] refuses it.
    pub expires_at: u64,
}

/// The content of a sealed value that was opened.
pub struct Opened {
    /// The secret itself; erased from memory when dropped.
    pub value: Zeroizing<Vec<u8>>,
    /// The session; `None` for version 1.
    pub session: Option<SessionId>,
    /// When the session began, in seconds since 1970; 0 for version 1.
    pub began_at: u64,
    /// When the value expires, in seconds since 1970; `u64::MAX` for version 1.
    pub expires_at: u64,
    /// The fingerprint of the key that opened it.
    pub key_id: KeyId,
    /// The binding of its session, as it was when the value was sealed.
    pub binding: Binding,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("key_id", &self.key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The value is too long to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is too long to be sealed into a cookie")]
pub struct SealError;

/// Why a value cannot be opened. For logs and metrics: a response tells at most [`OpenError::Expired`] from the others,
/// since more would tell an attacker about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OpenError {
    /// Not in the form of a sealed value: usually cut short, or a cookie of somebody else.
    #[error("is not a sealed value")]
    Malformed,
    /// Sealed with a key that is not in the ring: usually removed too early, or the rings of service and filter differ.
    #[error("is sealed with a key that is not in the ring")]
    UnknownKey(KeyId),
    /// Altered, sealed for another purpose or deployment, or, in version 1, sealed with a key that is not in the ring.
    #[error("is not authentic")]
    NotAuthentic,
    /// Authentic, but expired.
    #[error("has expired")]
    Expired,
}

/// Seals and opens values for one deployment. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Sealer {
    ring: KeyRing,
    deployment: Box<[u8]>,
    accept_v1: bool,
}

impl Sealer {
    /// Creates a sealer for a deployment, by its configured prefix of cookie names: deployments with different prefixes
    /// share no sessions, even if they have the same keys.
    pub fn new(ring: KeyRing, deployment: &str, accept_v1: bool) -> Self {
        Self {
            ring,
            deployment: deployment.as_bytes().into(),
            accept_v1,
        }
    }

    /// Returns keys for a purpose other than cookies, one derived from each key of the ring in turn. They also depend
    /// on the deployment.
    pub(crate) fn derived_keys(&self, purpose: &str) -> impl Iterator<Item = Zeroizing<[u8; 32]>> {
        let purpose = format!("{purpose}\0{}", String::from_utf8_lossy(&self.deployment));
        self.ring.iter().map(move |key| key.derive(&purpose))
    }

    /// Returns the fingerprints of the keys in the ring, that of the sealing key first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.ring.key_ids()
    }

    /// Seals with the first key. The nonce must come from a cryptographic random source, and be new for each call.
    ///
    /// # Errors
    /// The result would be longer than [`MAX_SEALED_BYTES`].
    pub fn seal(&self, purpose: Purpose, content: &Content<'_>, nonce: [u8; NONCE_BYTES]) -> Result<String, SealError> {
        self.seal_in(Binding::Unbound, purpose, content, nonce)
    }

    /// Seals a value of a session with this binding.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub fn seal_in(
        &self,
        binding: Binding,
        purpose: Purpose,
        content: &Content<'_>,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, SealError> {
        let key = self.ring.sealing();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(content.value.len().saturating_add(48)));
        plaintext.extend_from_slice(&content.began_at.to_be_bytes());
        plaintext.extend_from_slice(&content.expires_at.to_be_bytes());
        plaintext.extend_from_slice(&content.session.0);
        plaintext.extend_from_slice(content.value);
        let sealed = key
            .xaes
            .encrypt(&nonce, &plaintext, &self.associated_data(binding, key.id, purpose))
            .map_err(|_| SealError)?;
        let value = base64url::encode(&[&[binding.version()][..], &key.id.0, &nonce, &sealed].concat());
        if value.len() > MAX_SEALED_BYTES {
            Err(SealError)
        } else {
            Ok(value)
        }
    }

    /// Opens a cookie's value at the time `now`, in seconds since 1970. A value of a session that is bound to a device, or may
    /// be bound, does not open: see [`Sealer::open_in_any`].
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::Expired`] only for an authentic value.
    pub fn open(&self, purpose: Purpose, cookie_value: &[u8], now: u64) -> Result<Opened, OpenError> {
        unexpired(self.open_even_expired(purpose, cookie_value)?, now)
    }

    /// Like [`Sealer::open`], but also for a value of a session that is bound to a device, or may be bound. Whoever
    /// calls this must require the proof of a bound session.
    ///
    /// # Errors
    /// As [`Sealer::open`].
    pub fn open_in_any(&self, purpose: Purpose, cookie_value: &[u8], now: u64) -> Result<Opened, OpenError> {
        unexpired(self.open_even_expired_in_any(purpose, cookie_value)?, now)
    }

    /// Opens a cookie's value even if it has expired. What it says about its session is authentic either way. The rest
    /// of an expired value must not be used.
    ///
    /// # Errors
    /// See [`OpenError`]; never [`OpenError::Expired`].
    pub fn open_even_expired(&self, purpose: Purpose, cookie_value: &[u8]) -> Result<Opened, OpenError> {
        let opened = self.open_even_expired_in_any(purpose, cookie_value)?;
        match opened.binding {
            Binding::Unbound => Ok(opened),
            Binding::Provisional | Binding::Bound => Err(OpenError::Malformed),
        }
    }

    /// Like [`Sealer::open_even_expired`], but also for a value of a session that is bound to a device, or may be
    /// bound. Whoever calls this must require the proof of a bound session.
    ///
    /// # Errors
    /// As [`Sealer::open_even_expired`].
    pub fn open_even_expired_in_any(&self, purpose: Purpose, cookie_value: &[u8]) -> Result<Opened, OpenError> {
        if cookie_value.len() > MAX_SEALED_BYTES {
            return Err(OpenError::Malformed);
        }
        let bytes = base64url::decode(cookie_value).ok_or(OpenError::Malformed)?;
        match bytes.split_first() {
            Some((&VERSION_2, _)) => self.open_v2(Binding::Unbound, purpose, bytes),
            Some((&VERSION_3, _)) => self.open_v2(Binding::Bound, purpose, bytes),
            Some((&VERSION_4, _)) => self.open_v2(Binding::Provisional, purpose, bytes),
            Some((&VERSION_1, rest)) if self.accept_v1 => self.open_v1(rest),
            _ => Err(OpenError::Malformed),
        }
    }

    /// Versions 2, 3 and 4. The bytes are decrypted where they are: values are long, and copies of them cost time.
    fn open_v2(&self, binding: Binding, purpose: Purpose, bytes: Vec<u8>) -> Result<Opened, OpenError> {
        let mut bytes = Zeroizing::new(bytes);
        let (_version, rest) = bytes.split_first_mut().ok_or(OpenError::Malformed)?;
        let (id, rest) = rest.split_first_chunk_mut::<4>().ok_or(OpenError::Malformed)?;
        let (nonce, sealed) = rest
            .split_first_chunk_mut::<NONCE_BYTES>()
            .ok_or(OpenError::Malformed)?;
        if sealed.len() < TAG_BYTES {
            return Err(OpenError::Malformed);
        }
        let id = KeyId(*id);
        let key = self.ring.find(id).ok_or(OpenError::UnknownKey(id))?;
        let aad = self.associated_data(binding, key.id, purpose);
        let plaintext = key
            .xaes
            .decrypt_in_place(nonce, sealed, &aad)
            .map_err(|_| OpenError::NotAuthentic)?;
        let (began_at, rest) = plaintext.split_first_chunk::<8>().ok_or(OpenError::Malformed)?;
        let (expires_at, rest) = rest.split_first_chunk::<8>().ok_or(OpenError::Malformed)?;
        let (session, value) = rest.split_first_chunk::<32>().ok_or(OpenError::Malformed)?;
        let (began_at, expires_at) = (u64::from_be_bytes(*began_at), u64::from_be_bytes(*expires_at));
        let (session, value_len) = (SessionId(*session), value.len());
        let value_end = bytes.len().saturating_sub(TAG_BYTES);
        bytes.truncate(value_end);
        bytes.drain(..value_end.saturating_sub(value_len));
        Ok(Opened {
            value: bytes,
            session: Some(session),
            began_at,
            expires_at,
            key_id: key.id,
            binding,
        })
    }

    fn open_v1(&self, bytes: &[u8]) -> Result<Opened, OpenError> {
        let (nonce, sealed) = bytes.split_first_chunk::<12>().ok_or(OpenError::Malformed)?;
        if sealed.len() < TAG_BYTES {
            return Err(OpenError::Malformed);
        }
        let try_key = |key: &Key| Some((key.gcm.decrypt(&Nonce::from(*nonce), sealed).ok()?, key.id));
        let (value, key_id) = self.ring.iter().find_map(try_key).ok_or(OpenError::NotAuthentic)?;
        Ok(Opened {
            value: Zeroizing::new(value),
            session: None,
            began_at: 0,
            expires_at: u64::MAX,
            key_id,
            binding: Binding::Unbound,
        })
    }

    fn associated_data(&self, binding: Binding, key: KeyId, purpose: Purpose) -> Vec<u8> {
        // Only the last part varies in length, so different inputs never give the same bytes.
        [&[binding.version()][..], &key.0, &[purpose.tag()], &self.deployment].concat()
    }
}

fn unexpired(opened: Opened, now: u64) -> Result<Opened, OpenError> {
    match opened.expires_at > now {
        true => Ok(opened),
        false => Err(OpenError::Expired),
    }
}
