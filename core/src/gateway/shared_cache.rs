//! What is known about tokens, in a store of the proxy that several VMs of one process share: a second level behind what each
//! gateway knows by itself. There is a table of responses about active tokens, and one of the newest access tokens of
//! sessions, for their open streams.
//!
//! Values of the store can be replaced but not deleted, so there is a fixed number of *slots*, each a value with several
//! entries. A token has two slots: an entry goes to the emptier one, so that slots fill evenly.
//!
//! Other extensions of the proxy can read and write the store. Entries are sealed with a key that is derived from the
//! client secret, or from the cookie keys, and for their stage and token (or session), slot and expiry: what was made up,
//! changed or moved does not open. Whoever writes there can remove entries, bring back one that has not expired, and fill
//! the memory of the VM that reads a huge value, but learns no token and inserts none.

use std::sync::Arc;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::cache_key::CacheKey;
use super::config::{MAX_CACHE_SECONDS, PhantomToken};
use super::token_codec;
use super::token_info::TokenInfo;

/// The maximum length of a slot, in bytes. The host copies a whole slot each time that it is read, so slots are short.
const SLOT_BYTES: usize = 8 * 1024;
/// The length of a nonce, in bytes.
const NONCE_BYTES: usize = 24;
/// The length of what stands before the nonce and the sealed bytes of an entry, in bytes.
const PREFIX_BYTES: usize = 8 + 8 + 4;

/// A slot: the name of its table, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    table: &'static str,
    number: u32,
}

impl Slot {
    /// Returns the name of the value in the store.
    pub fn name(self) -> String {
        format!("bff_{}_{}", self.table, self.number)
    }
}

/// A table: its name, its keys, and the number of its slots.
pub(crate) struct SharedCache {
    table: &'static str,
    // In wasm, which has no AES instructions, it takes a quarter of the time of XAES-256-GCM.
    cipher: XChaCha20Poly1305,
    nonce_key: Zeroizing<[u8; 32]>,
    slots: u32,
}

/// An entry that is to be stored. It is sealed for its slot when that is chosen.
pub struct SharedEntry {
    cache: Arc<SharedCache>,
    key: CacheKey,
    token: Arc<TokenInfo>,
    /// In seconds since 1970.
    expires_at: u64,
}

/// The parts of an entry: `start of the key (8) ‖ expires at (8) ‖ length (4) ‖ nonce (24) ‖ sealed`, numbers big-endian, times
/// in seconds since 1970.
struct Entry<'a> {
    start: [u8; 8],
    expires_at: u64,
    /// Nonce and sealed bytes.
    sealed: &'a [u8],
    /// The whole entry.
    whole: &'a [u8],
}

impl SharedCache {
    /// Creates the shared cache of a stage; `None` if `shared_cache_bytes` is less than the length of a slot.
    pub(crate) fn new(stage: &PhantomToken) -> Option<Self> {
        let derive = |purpose: &str| -> Zeroizing<[u8; 32]> {
            let mut hash = Sha256::new();
            hash.update(purpose);
            hash.update(stage.id());
            hash.update(stage.client_secret.as_bytes());
            Zeroizing::new(hash.finalize().into())
        };
        let keys = ["XChaCha20-Poly1305", "nonces"].map(|of| derive(&format!("bff introspection cache: {of}")));
        Self::with_keys("introspection", keys, stage.shared_cache_bytes)
    }

    /// Creates a table of this size, in bytes, with keys for encryption and for nonces; `None` if it has no slot.
    pub(crate) fn with_keys(table: &'static str, keys: [Zeroizing<[u8; 32]>; 2], bytes: usize) -> Option<Self> {
        let [encryption, nonce_key] = keys;
        let slots = u32::try_from(bytes / SLOT_BYTES).unwrap_or(u32::MAX);
        (slots > 0).then(|| Self {
            table,
            cipher: XChaCha20Poly1305::new((&*encryption).into()),
            nonce_key,
            slots,
        })
    }

    /// Returns the slots of a token.
    pub(crate) fn slots(&self, key: &CacheKey) -> [Slot; 2] {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = *key;
        [[a, b, c, d], [e, f, g, h]].map(|bytes| Slot {
            table: self.table,
            number: u32::from_be_bytes(bytes).checked_rem(self.slots).unwrap_or(0),
        })
    }

    /// Finds the entry of a token in the value of one of its slots, at the time `now`. Returns the information about the token,
    /// and when the entry expires, in seconds since 1970.
    pub(crate) fn find(&self, key: &CacheKey, slot: Slot, value: &[u8], now: u64) -> Option<(TokenInfo, u64)> {
        let entry = entries(value, now).find(|entry| entry.start == start(key))?;
        let (nonce, sealed) = entry.sealed.split_first_chunk::<NONCE_BYTES>()?;
        let bound = associated_data(key, slot, entry.expires_at);
        let mut message = Zeroizing::new(sealed.to_vec());
        self.cipher.decrypt_in_place(nonce.into(), &bound, &mut *message).ok()?;
        Some((token_codec::decode(&message)?, entry.expires_at))
    }

    /// Makes the entry of a token until `expires_at`, in seconds since 1970.
    pub(crate) fn entry(self: &Arc<Self>, key: CacheKey, token: &Arc<TokenInfo>, expires_at: u64) -> SharedEntry {
        SharedEntry {
            cache: Arc::clone(self),
            key,
            token: Arc::clone(token),
            expires_at,
        }
    }
}

impl SharedEntry {
    /// Returns the slots between which [`SharedEntry::choose`] chooses.
    pub fn slots(&self) -> [Slot; 2] {
        self.cache.slots(&self.key)
    }

    /// Returns the slot in which the entry is to be stored, by its place in [`SharedEntry::slots`], and the value with it, at
    /// the time `now`, in seconds since 1970. `values` are those of the slots. `None`: the entry is too long.
    pub fn choose(&self, values: [&[u8]; 2], now: u64) -> Option<(usize, Vec<u8>)> {
        let [one, other] = values.map(|value| self.others(value, now));
        let length = |entries: &[Entry<'_>]| entries.iter().map(|entry| entry.whole.len()).sum::<usize>();
        let [first, second] = self.slots();
        let (chosen, slot, mut kept) = match length(&other) < length(&one) {
            false => (0, first, one),
            true => (1, second, other),
        };
        // Those that expire last stay, as long as there is room.
        kept.sort_by_key(|entry| std::cmp::Reverse(entry.expires_at));
        let mut value = self.seal(slot)?;
        for other in kept {
            if value.len().saturating_add(other.whole.len()) <= SLOT_BYTES {
                value.extend_from_slice(other.whole);
            }
        }
        Some((chosen, value))
    }

    /// Seals the entry for a slot. `None`: it is too long.
    fn seal(&self, slot: Slot) -> Option<Vec<u8>> {
        let mut message = token_codec::encode(&self.token)?;
        let bound = associated_data(&self.key, slot, self.expires_at);
        // Nothing here generates random numbers. A nonce that depends on everything that is sealed repeats only for the same
        // bytes.
        let mut hash = Sha256::new();
        hash.update(*self.cache.nonce_key);
        hash.update(&bound);
        hash.update(&*message);
        let hash: [u8; 32] = hash.finalize().into();
        let (nonce, _) = hash.split_first_chunk::<NONCE_BYTES>()?;
        // In place: no copy of the message remains.
        let in_place = (&mut **message).into();
        let tag = self
            .cache
            .cipher
            .encrypt_inout_detached(nonce.into(), &bound, in_place)
            .ok()?;
        let length = [nonce.len(), message.len(), tag.len()]
            .into_iter()
            .fold(0, usize::saturating_add);
        let length = u32::try_from(length).ok()?;
        let entry = [
            &start(&self.key)[..],
            &self.expires_at.to_be_bytes(),
            &length.to_be_bytes(),
            nonce,
            &message,
            &tag,
        ]
        .concat();
        (entry.len() <= SLOT_BYTES).then_some(entry)
    }

    /// Returns the entries of a slot that have not expired, without that of this token.
    fn others<'a>(&self, value: &'a [u8], now: u64) -> Vec<Entry<'a>> {
        entries(value, now)
            .filter(|entry| entry.start != start(&self.key))
            .collect()
    }
}

/// Returns the start of a key, by which an entry is found. The whole key is in the associated data.
fn start(key: &CacheKey) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    [a, b, c, d, e, f, g, h]
}

/// Returns the entries of a slot at the time `now` that have not expired, up to the first that is malformed. If a slot
/// is longer, or an entry expires later, than any that is written here, somebody else has written it: it is ignored,
/// and the next entry that is stored replaces it.
fn entries(value: &[u8], now: u64) -> impl Iterator<Item = Entry<'_>> {
    let last = now.saturating_add(MAX_CACHE_SECONDS);
    all_entries(value).filter(move |entry| entry.expires_at > now && entry.expires_at <= last)
}

fn all_entries(value: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = if value.len() <= SLOT_BYTES { value } else { &[] };
    std::iter::from_fn(move || {
        let (start, after) = rest.split_first_chunk::<8>()?;
        let (expires_at, after) = after.split_first_chunk::<8>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (sealed, after) = after.split_at_checked(length)?;
        let whole = rest.get(..length.saturating_add(PREFIX_BYTES))?;
        rest = after;
        Some(Entry {
            start: *start,
            expires_at: u64::from_be_bytes(*expires_at),
            sealed,
            whole,
        })
    })
}

fn associated_data(key: &CacheKey, slot: Slot, expires_at: u64) -> Vec<u8> {
    [&key[..], &slot.number.to_be_bytes(), &expires_at.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn stage(secret: &str, shared_cache_bytes: usize) -> PhantomToken {
        PhantomToken::with(&format!(
            r#""client_secret": {{"inline": "{secret}"}}, "shared_cache_bytes": {shared_cache_bytes}"#
        ))
    }

    fn cache() -> Arc<SharedCache> {
        Arc::new(SharedCache::new(&stage("a secret", 1024 * 1024)).unwrap())
    }

    fn info(subject: &str) -> Arc<TokenInfo> {
        Arc::new(TokenInfo::bearer(subject.as_bytes()))
    }

    #[test]
    fn what_was_stored_is_found_until_it_expires() {
        let cache = cache();
        let key = [7; 32];
        let entry = cache.entry(key, &info("jwt"), NOW + 10);
        let (chosen, value) = entry.choose([&[], &[]], NOW).unwrap();
        let slot = entry.slots()[chosen];
        assert_eq!(
            cache.find(&key, slot, &value, NOW + 9),
            Some((TokenInfo::bearer(b"jwt"), NOW + 10))
        );
        assert_eq!(cache.find(&key, slot, &value, NOW + 10), None);
        assert_eq!(cache.find(&[8; 32], slot, &value, NOW), None);
    }

    #[test]
    fn what_somebody_else_has_changed_or_moved_does_not_open() {
        let cache = cache();
        let key = [7; 32];
        let (_, value) = cache
            .entry(key, &info("jwt"), NOW + 10)
            .choose([&[], &[]], NOW)
            .unwrap();
        let slot = cache.slots(&key)[0];
        assert!(cache.find(&key, slot, &value, NOW).is_some());
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert_eq!(cache.find(&key, slot, &changed, NOW), None, "byte {at}");
        }
        assert_eq!(
            cache.find(
                &key,
                Slot {
                    number: slot.number + 1,
                    ..slot
                },
                &value,
                NOW
            ),
            None,
            "another slot"
        );
        // The same start of another key.
        let mut other = key;
        other[31] ^= 1;
        assert_eq!(cache.find(&other, slot, &value, NOW), None, "another token");
        let stranger = SharedCache::new(&stage("another secret", 1024 * 1024)).unwrap();
        assert_eq!(stranger.find(&key, slot, &value, NOW), None, "another stage");
        for cut in 0..value.len() {
            assert_eq!(cache.find(&key, slot, &value[..cut], NOW), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_hundred_thousand_tokens_have_room_with_the_default_size() {
        let cache = SharedCache::new(&stage("a secret", 192 * 1024 * 1024)).unwrap();
        let mut lengths = vec![0usize; usize::try_from(cache.slots).unwrap()];
        // An entry with a JWT that is signed with RS256.
        let length = 1_100;
        for number in 0..100_000u32 {
            let key: CacheKey = Sha256::digest(number.to_be_bytes()).into();
            let [one, other] = cache.slots(&key).map(|slot| usize::try_from(slot.number).unwrap());
            let chosen = if lengths[other] < lengths[one] { other } else { one };
            lengths[chosen] += length;
        }
        let longest = lengths.iter().max().unwrap();
        assert!(*longest <= SLOT_BYTES, "{longest} bytes in one slot");
    }

    #[test]
    fn a_full_slot_keeps_what_expires_last() {
        let cache = Arc::new(SharedCache::new(&stage("a secret", SLOT_BYTES)).unwrap());
        let mut value = Vec::new();
        for number in 0..30u8 {
            let token = info(&"x".repeat(1000));
            let entry = cache.entry([number; 32], &token, NOW + 10 + u64::from(number));
            value = entry.choose([&value, &value], NOW).unwrap().1;
            assert!(value.len() <= SLOT_BYTES);
        }
        let found = |number: u8| {
            cache
                .find(&[number; 32], cache.slots(&[0; 32])[0], &value, NOW)
                .is_some()
        };
        assert!(found(29) && found(24) && !found(0));
        // An entry of the same token takes the place of the previous one.
        let before = all_entries(&value).count();
        let again = cache
            .entry([29; 32], &info("y"), NOW + 100)
            .choose([&value, &value], NOW)
            .unwrap()
            .1;
        assert_eq!(all_entries(&again).count(), before);
    }

    #[test]
    fn a_token_that_is_longer_than_a_slot_is_not_stored() {
        let token = info(&"x".repeat(SLOT_BYTES));
        let entry = cache().entry([1; 32], &token, NOW + 10);
        assert!(entry.choose([&[], &[]], NOW).is_none());
    }

    #[test]
    fn what_somebody_else_has_left_in_a_slot_is_replaced() {
        let cache = cache();
        let key = [7; 32];
        // Entries that would never expire, and a value that is longer than a slot.
        let foreign = [&[9; 8][..], &u64::MAX.to_be_bytes(), &100u32.to_be_bytes(), &[0; 100]].concat();
        for value in [foreign.repeat(SLOT_BYTES / foreign.len()), vec![0; SLOT_BYTES + 1]] {
            let entry = cache.entry(key, &info("jwt"), NOW + 10);
            let (chosen, stored) = entry.choose([&value, &value], NOW).unwrap();
            assert!(cache.find(&key, entry.slots()[chosen], &stored, NOW).is_some());
            assert_eq!(all_entries(&stored).count(), 1);
        }
    }
}
