//! The key ring: the first key seals, all keys open.
//!
//! To rotate keys, add a new one behind the old one, then put it first, wait until the cookies sealed with the old one
//! have expired, and remove the old one. The filter needs every key of the service at each of these steps.

use std::fmt;
use std::sync::Arc;

use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::xaes256_gcm::Xaes256Gcm;

/// A key that a tutorial publishes: everybody has it.
const PUBLISHED: [&[u8; 32]; 1] = [b"NF65meV>Ls#8GP>;!Cnov)rIPRoK^.NP"];

/// The maximum number of keys in a ring. A rotation needs two.
const MAX_KEYS: usize = 16;

/// The public fingerprint of a key: it identifies the key in cookies, logs and metrics, and does not reveal it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    /// Writes eight hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

pub(crate) struct Key {
    pub(crate) id: KeyId,
    /// For version 2 of sealed values.
    pub(crate) xaes: Xaes256Gcm,
    /// For version 1, which uses the key as it is.
    pub(crate) gcm: Aes256Gcm,
    /// A hash that has begun with the key. See [`Key::derive`].
    derivation: Sha256,
}

/// A list of keys; never empty. Cloning is cheap.
#[derive(Clone)]
pub struct KeyRing {
    first: Arc<Key>,
    rest: Arc<[Key]>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.key_ids().map(|id| id.to_string())).finish()
    }
}

impl KeyRing {
    /// Parses comma-separated keys, with white space around them ignored. Each key is
    /// - 64 hexadecimal digits,
    /// - base64 or base64url of 32 bytes, padded or not, or
    /// - 32 visible ASCII characters (the form of the tutorial), which cause a warning: such a key has less
    ///   than 256 bits of entropy.
    ///
    /// # Errors
    /// A key has none of these forms, is weak, such as a published one (unless `demo` is true), or is a duplicate, or
    /// there are too many keys. The error states the key's position, never the key.
    pub fn parse(text: &str, demo: bool) -> Result<(Self, Vec<KeyWarning>), KeyError> {
        let mut warnings = Vec::new();
        let mut keys: Vec<Key> = Vec::new();
        for (position, text) in (1..).zip(text.split(',').map(str::trim)) {
            let (bytes, is_characters) = read_key(text).ok_or(KeyError {
                position,
                problem: KeyProblem::Form,
            })?;
            if is_characters {
                warnings.push(KeyWarning { position });
            }
            if !demo && is_weak(&bytes) {
                return Err(KeyError {
                    position,
                    problem: KeyProblem::Weak,
                });
            }
            let key = Key::new(&bytes);
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyError {
                    position,
                    problem: KeyProblem::Repeated,
                });
            }
            if position > MAX_KEYS {
                return Err(KeyError {
                    position,
                    problem: KeyProblem::TooMany,
                });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyError {
            position: 1,
            problem: KeyProblem::Form,
        })?;
        Ok((
            Self {
                first: Arc::new(first),
                rest: keys.collect(),
            },
            warnings,
        ))
    }

    /// Returns the fingerprints in the ring's order: that of the sealing key first.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.iter().map(|key| key.id)
    }

    pub(crate) fn sealing(&self) -> &Key {
        &self.first
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&*self.first).chain(self.rest.iter())
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<&Key> {
        self.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"bff cookie key id v2\0")
            .chain_update(bytes)
            .finalize();
        let mut id = [0u8; 4];
        for (into, from) in id.iter_mut().zip(digest) {
            *into = from;
        }
        Self {
            id: KeyId(id),
            xaes: Xaes256Gcm::new(bytes),
            gcm: Aes256Gcm::new(bytes.into()),
            derivation: Sha256::new().chain_update(b"bff derived key\0").chain_update(bytes),
        }
    }

    /// Returns a key for a purpose other than cookies, which does not reveal this key.
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.derivation.clone().chain_update(purpose).finalize().into())
    }
}

/// Returns the bytes of a key, and whether it is written as 32 characters.
fn read_key(text: &str) -> Option<(Zeroizing<[u8; 32]>, bool)> {
    let mut key = Zeroizing::new([0u8; 32]);
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        key.copy_from_slice(text.as_bytes());
        return Some((key, true));
    }
    if text.len() == 64 {
        let mut nibbles = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()));
        for byte in key.iter_mut() {
            let (high, low) = (nibbles.next()??, nibbles.next()??);
            *byte = (high << 4) | low;
        }
        return Some((key, false));
    }
    let text = text.strip_suffix('=').unwrap_or(text);
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .map(Zeroizing::new)
        .ok()?;
    (bytes.len() == key.len()).then(|| key.copy_from_slice(&bytes))?;
    Some((key, false))
}

fn is_weak(key: &[u8; 32]) -> bool {
    let [first, ..] = key;
    key.iter().all(|byte| byte == first) || PUBLISHED.contains(&key)
}

/// A warning about a key that is accepted, but should be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "key {position} is written as 32 characters, which have less than 256 bits of entropy: write 64 hexadecimal digits from a random source, for example from `openssl rand -hex 32`"
)]
pub struct KeyWarning {
    position: usize,
}

/// Why a key ring is invalid. The message states the key's position, and never shows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {position} {problem}")]
pub struct KeyError {
    position: usize,
    problem: KeyProblem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum KeyProblem {
    #[error(
        "is invalid: write 64 hexadecimal digits (`openssl rand -hex 32` prints them) or base64 of 32 bytes, \
         and separate several keys by commas"
    )]
    Form,
    #[error(
        "is weak (one byte repeated, or a published example): write a random key, for example from `openssl rand -hex 32`"
    )]
    Weak,
    #[error("is a duplicate: remove it, or write a new one")]
    Repeated,
    #[error("is beyond the limit of {MAX_KEYS} keys in a key ring: remove keys whose cookies have expired")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn ids(text: &str) -> Vec<KeyId> {
        KeyRing::parse(text, false).unwrap().0.key_ids().collect()
    }

    fn problem(text: &str) -> KeyProblem {
        KeyRing::parse(text, false).unwrap_err().problem
    }

    #[test]
    fn hex_and_both_base64_alphabets_padded_or_not_are_the_same_key() {
        let standard = "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8";
        let url = standard.replace('/', "_");
        let expected = ids(HEX);
        for text in [
            standard.to_owned(),
            format!("{standard}="),
            format!("{url}="),
            url,
            HEX.to_uppercase(),
        ] {
            assert_eq!(ids(&text), expected, "{text}");
        }
    }

    #[test]
    fn thirty_two_characters_are_taken_with_a_warning_even_where_they_could_be_base64() {
        let (_, warnings) = KeyRing::parse("abcdefghijklmnopqrstuvwxyz012345", false).unwrap();
        assert_eq!(warnings, [KeyWarning { position: 1 }]);
    }

    #[test]
    fn what_is_no_key_is_refused_by_position() {
        for text in [
            "",
            "abc",
            "00",
            &HEX[1..],
            &format!("{HEX}00"),
            &HEX.replace('0', "g"),
            "ÄÖÜäöüÄÖÜäöüÄÖ",
        ] {
            assert_eq!(problem(text), KeyProblem::Form, "{text}");
            assert_eq!(KeyRing::parse(&format!("{HEX},{text}"), false).unwrap_err().position, 2);
        }
    }

    #[test]
    fn weak_published_and_repeated_keys_are_refused() {
        assert_eq!(problem(&"00".repeat(32)), KeyProblem::Weak);
        assert_eq!(problem(&"ab".repeat(32)), KeyProblem::Weak);
        assert_eq!(problem("NF65meV>Ls#8GP>;!Cnov)rIPRoK^.NP"), KeyProblem::Weak);
        assert_eq!(
            problem("4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50"),
            KeyProblem::Weak
        );
        assert_eq!(problem(&format!("{HEX},{HEX}")), KeyProblem::Repeated);
    }

    #[test]
    fn a_ring_is_bounded() {
        let ring = |keys: usize| {
            let keys: Vec<String> = (1..=keys).map(|key| format!("{key:064x}")).collect();
            KeyRing::parse(&keys.join(","), false).map_err(|error| (error.position, error.problem))
        };
        assert_eq!(ring(MAX_KEYS).unwrap().0.key_ids().count(), MAX_KEYS);
        assert_eq!(ring(MAX_KEYS + 1).unwrap_err(), (MAX_KEYS + 1, KeyProblem::TooMany));
    }

    #[test]
    fn demo_mode_takes_a_published_key_but_not_one_key_twice() {
        assert!(KeyRing::parse("NF65meV>Ls#8GP>;!Cnov)rIPRoK^.NP", true).is_ok());
        assert_eq!(
            KeyRing::parse(&format!("{HEX},{HEX}"), true).unwrap_err().problem,
            KeyProblem::Repeated
        );
    }

    #[test]
    fn debug_and_errors_show_fingerprints_and_positions_only() {
        let (ring, _) = KeyRing::parse(HEX, false).unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains(&ring.key_ids().next().unwrap().to_string()), "{shown}");
        assert!(
            !shown.contains("0011")
                && !KeyRing::parse("secret-thing", false)
                    .unwrap_err()
                    .to_string()
                    .contains("secret")
        );
    }
}
