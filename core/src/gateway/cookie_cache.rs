//! A cache of opened cookies. They are found by the bytes that the browser sends: the same bytes have the same
//! content, so they are not decrypted again for each request. What can change is checked each time: the expiry here,
//! and the list of ended sessions in `credential`. Only a new configuration or a discovered secret removes a key from
//! the ring, and then the cache starts empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bounded_lru::BoundedLru;
use super::token_info::TokenInfo;
use crate::cookie::purpose::Purpose;
use crate::cookie::seal::{OpenError, Opened, Sealer};
use crate::cookie::session_id::SessionId;
use crate::crypto::key_ring::KeyId;
use crate::encoding::bytes;

pub(crate) struct OpenedCookie {
    purpose: Purpose,
    /// The value that the browser sent.
    sealed: Box<[u8]>,
    /// The decrypted content.
    pub(crate) content: Opened,
    /// Whether [`OpenedCookie::is_news`] has returned `true`.
    is_told: AtomicBool,
}

/// A cookie's slot in the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CacheSlot(u64);

struct Entry {
    cookie: Arc<OpenedCookie>,
    /// Information about its access token, and the time until which that is cached, in seconds since 1970.
    token: Option<(Arc<TokenInfo>, u64)>,
}

pub(crate) struct CookieCache {
    entries: BoundedLru<CacheSlot, Entry>,
    /// Fingerprint of a key that is not in the ring, if a cookie was sealed with it.
    unknown_key: Option<KeyId>,
}

/// An opened cookie, from the cache or just decrypted.
pub(crate) struct CachedCookie {
    pub(crate) slot: CacheSlot,
    pub(crate) cookie: Arc<OpenedCookie>,
    /// Information about its access token, if it is cached and has not expired.
    pub(crate) token: Option<Arc<TokenInfo>>,
}

impl std::hash::Hash for CacheSlot {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl CookieCache {
    /// Creates an empty cache.
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            entries: BoundedLru::new(max_entries, max_bytes),
            unknown_key: None,
        }
    }

    /// Opens a cookie's value at the time `now`, in seconds since 1970. The errors are those of [`Sealer::open`].
    /// The cookie may be of a session that is bound to a device: whoever calls this must require the proof.
    pub(crate) fn open(
        &mut self,
        sealer: &Sealer,
        purpose: Purpose,
        sealed: &[u8],
        now: u64,
    ) -> Result<CachedCookie, OpenError> {
        let slot = slot(sealed);
        if let Some(entry) = self.entries.get(&slot)
            && entry.cookie.purpose == purpose
            && bytes::is_equal(&entry.cookie.sealed, sealed)
        {
            if entry.cookie.content.expires_at <= now {
                self.entries.remove(&slot);
                return Err(OpenError::Expired);
            }
            let known = entry.token.as_ref().filter(|(_, until)| *until > now);
            return Ok(CachedCookie {
                slot,
                cookie: Arc::clone(&entry.cookie),
                token: known.map(|(token, _)| Arc::clone(token)),
            });
        }
        let content = sealer
            .open_in_any(purpose, sealed, now)
            .inspect_err(|error| self.note_unknown_key(error))?;
        let cookie = Arc::new(OpenedCookie {
            purpose,
            sealed: sealed.into(),
            content,
            is_told: AtomicBool::new(false),
        });
        let entry = Entry {
            cookie: Arc::clone(&cookie),
            token: None,
        };
        self.entries.put(slot, entry, cookie.size());
        Ok(CachedCookie {
            slot,
            cookie,
            token: None,
        })
    }

    /// Caches information about the access token in a cookie until `until`, in seconds since 1970.
    pub(crate) fn put_token(&mut self, found: &CachedCookie, token: &Arc<TokenInfo>, until: u64) {
        // Another cookie may have taken the slot.
        let is_there = self
            .entries
            .get(&found.slot)
            .is_some_and(|entry| Arc::ptr_eq(&entry.cookie, &found.cookie));
        if is_there {
            let entry = Entry {
                cookie: Arc::clone(&found.cookie),
                token: Some((Arc::clone(token), until)),
            };
            self.entries
                .put(found.slot, entry, found.cookie.size().saturating_add(token.size()));
        }
    }

    /// Notes the key of a cookie that could not be opened, if it is not in the ring.
    pub(crate) fn note_unknown_key(&mut self, error: &OpenError) {
        if let OpenError::UnknownKey(key) = error {
            self.unknown_key = Some(*key);
        }
    }

    /// Returns the fingerprint of a key that is not in the ring, if a cookie was sealed with it since the last call.
    pub(crate) fn take_unknown_key(&mut self) -> Option<KeyId> {
        self.unknown_key.take()
    }

    /// Returns the number of cached cookies.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl OpenedCookie {
    /// Returns the session, and when it began, in seconds since 1970; `None` for a cookie of version 1.
    pub(crate) fn session(&self) -> Option<(SessionId, u64)> {
        self.content.session.map(|session| (session, self.content.began_at))
    }

    /// Returns `true` at the first call: nobody has been told of this cookie yet.
    pub(crate) fn is_news(&self) -> bool {
        !self.is_told.swap(true, Ordering::Relaxed)
    }

    fn size(&self) -> usize {
        self.sealed
            .len()
            .saturating_add(self.content.value.len())
            .saturating_add(96)
    }
}

/// Returns the slot of a sealed value. Its last bytes are those of an authentication tag, and only authentic values are
/// cached, so nobody can choose values that share a slot. Two that share one by chance evict each other.
fn slot(sealed: &[u8]) -> CacheSlot {
    let mut rest = sealed;
    let mut eight = || {
        let (before, last) = rest.split_last_chunk::<8>().unwrap_or((&[], &[0; 8]));
        rest = before;
        u64::from_le_bytes(*last)
    };
    CacheSlot(eight() ^ eight().rotate_left(29))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::seal::{Content, NONCE_BYTES};
    use crate::cookie::session_id::SessionId;
    use crate::crypto::key_ring::KeyRing;

    const NOW: u64 = 1_800_000_000;

    fn sealer() -> Sealer {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        Sealer::new(KeyRing::parse(key, false).unwrap().0, "example", false)
    }

    fn sealed(value: &str) -> String {
        let content = Content {
            value: value.as_bytes(),
            session: SessionId([7; 32]),
            began_at: NOW,
            expires_at: NOW + 300,
        };
        let nonce = [3; NONCE_BYTES];
        sealer().seal(Purpose::AccessToken, &content, nonce).unwrap()
    }

    fn open(cookies: &mut CookieCache, sealed: &str, now: u64) -> Result<CachedCookie, OpenError> {
        cookies.open(&sealer(), Purpose::AccessToken, sealed.as_bytes(), now)
    }

    #[test]
    fn a_cookie_that_opened_opens_until_its_expiry_and_for_its_purpose_alone() {
        let mut cookies = CookieCache::new(10, 10_000);
        let text = sealed("token");
        let first = open(&mut cookies, &text, NOW).unwrap();
        let again = open(&mut cookies, &text, NOW + 299).unwrap();
        assert!(Arc::ptr_eq(&first.cookie, &again.cookie), "not decrypted again");
        let other = cookies.open(&sealer(), Purpose::Csrf, text.as_bytes(), NOW);
        assert_eq!(other.err(), Some(OpenError::NotAuthentic));
        assert_eq!(open(&mut cookies, &text, NOW + 300).err(), Some(OpenError::Expired));
        assert_eq!(cookies.len(), 0);
    }

    #[test]
    fn what_differs_in_one_byte_from_a_kept_cookie_does_not_open() {
        let mut cookies = CookieCache::new(10, 10_000);
        let text = sealed("token");
        open(&mut cookies, &text, NOW).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(open(&mut cookies, &changed, NOW).is_err(), "byte {at}");
        }
        for changed in [&text[1..], &text[..text.len() - 1], "", "A", &text.repeat(2)] {
            assert!(open(&mut cookies, changed, NOW).is_err());
        }
        assert_eq!(cookies.len(), 1, "only what is authentic is kept");
    }

    #[test]
    fn a_grant_is_known_until_its_time_and_goes_with_its_cookie() {
        let mut cookies = CookieCache::new(1, 10_000);
        let (one, two) = (sealed("one"), sealed("two"));
        let token = Arc::new(TokenInfo::bearer(b"jwt"));
        let found = open(&mut cookies, &one, NOW).unwrap();
        cookies.put_token(&found, &token, NOW + 10);
        assert!(open(&mut cookies, &one, NOW + 9).unwrap().token.is_some());
        assert!(open(&mut cookies, &one, NOW + 10).unwrap().token.is_none());
        let other = open(&mut cookies, &two, NOW).unwrap();
        assert!(other.token.is_none());
        cookies.put_token(&found, &token, NOW + 10);
        assert!(
            open(&mut cookies, &two, NOW).unwrap().token.is_none(),
            "not learned for another"
        );
    }
}
