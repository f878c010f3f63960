//! Cookies that opened before. A sealed value is its own key: the same bytes hold the same content, so they need not be
//! decrypted for each request. What can change is looked at each time: the time itself, and by the caller which sessions
//! are over. A key that is taken out of the ring comes with a new configuration, which begins with nothing kept.

use std::rc::Rc;

use crate::cookie::seal::{OpenError, Opened, Purpose, Sealer};
use crate::crypto::key_ring::KeyId;
use crate::encoding::bytes;
use crate::gateway::bounded_lru::Bounded;
use crate::gateway::token_info::Grant;

/// A cookie that opened.
pub(crate) struct OpenedCookie {
    purpose: Purpose,
    /// What the browser sent.
    sealed: Box<[u8]>,
    /// What was in it.
    pub(crate) content: Opened,
}

/// Where a kept cookie is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(u64);

struct Kept {
    cookie: Rc<OpenedCookie>,
    /// What its token is worth, and until when that is known.
    grant: Option<(Rc<Grant>, u64)>,
}

/// The cookies.
pub(crate) struct OpenedCookies {
    kept: Bounded<Place, Kept>,
    /// The key of a cookie that did not open since the ring does not have it.
    unknown_key: Option<KeyId>,
}

/// A cookie, opened now or before.
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) cookie: Rc<OpenedCookie>,
    /// What its token is worth, where that is known.
    pub(crate) grant: Option<Rc<Grant>>,
}

impl std::hash::Hash for Place {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl OpenedCookies {
    /// None yet, and bounds.
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            kept: Bounded::new(max_entries, max_bytes),
            unknown_key: None,
        }
    }

    /// Opens a cookie's value at the time `now`, in seconds since 1970; as [`Sealer::open`].
    pub(crate) fn open(
        &mut self,
        sealer: &Sealer,
        purpose: Purpose,
        sealed: &[u8],
        now: u64,
    ) -> Result<Found, OpenError> {
        let place = place(sealed);
        if let Some(kept) = self.kept.get(&place)
            && kept.cookie.purpose == purpose
            && bytes::equal(&kept.cookie.sealed, sealed)
        {
            if kept.cookie.content.expires_at <= now {
                self.kept.remove(&place);
                return Err(OpenError::Expired);
            }
            let known = kept.grant.as_ref().filter(|(_, until)| *until > now);
            return Ok(Found {
                place,
                cookie: Rc::clone(&kept.cookie),
                grant: known.map(|(grant, _)| Rc::clone(grant)),
            });
        }
        let content = sealer.open(purpose, sealed, now).inspect_err(|error| {
            if let OpenError::UnknownKey(key) = error {
                self.unknown_key = Some(*key);
            }
        })?;
        let cookie = Rc::new(OpenedCookie {
            purpose,
            sealed: sealed.into(),
            content,
        });
        let kept = Kept {
            cookie: Rc::clone(&cookie),
            grant: None,
        };
        self.kept.put(place, kept, cookie.size());
        Ok(Found {
            place,
            cookie,
            grant: None,
        })
    }

    /// Remembers what the token in a cookie is worth until `until`, in seconds since 1970.
    pub(crate) fn learn(&mut self, found: &Found, grant: &Rc<Grant>, until: u64) {
        // Another cookie may have taken its place.
        let is_there = self
            .kept
            .get(&found.place)
            .is_some_and(|kept| Rc::ptr_eq(&kept.cookie, &found.cookie));
        if is_there {
            let kept = Kept {
                cookie: Rc::clone(&found.cookie),
                grant: Some((Rc::clone(grant), until)),
            };
            self.kept
                .put(found.place, kept, found.cookie.size().saturating_add(grant.size()));
        }
    }

    /// The key of a cookie that was not in the ring, if there was one since this was asked last.
    pub(crate) fn take_unknown_key(&mut self) -> Option<KeyId> {
        self.unknown_key.take()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}

impl OpenedCookie {
    fn size(&self) -> usize {
        self.sealed
            .len()
            .saturating_add(self.content.value.len())
            .saturating_add(96)
    }
}

/// Where a sealed value would be kept. Its end is the end of an authentication tag, and only authentic values are kept:
/// nobody can choose these bytes so that many come to lie in one place. Two that do by chance put each other out.
fn place(sealed: &[u8]) -> Place {
    let mut rest = sealed;
    let mut eight = || {
        let (before, last) = rest.split_last_chunk::<8>().unwrap_or((&[], &[0; 8]));
        rest = before;
        u64::from_le_bytes(*last)
    };
    Place(eight() ^ eight().rotate_left(29))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::seal::{Content, NONCE_LEN, SessionId};
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
        let nonce = [3; NONCE_LEN];
        sealer().seal(Purpose::AccessToken, &content, nonce).unwrap()
    }

    fn open(cookies: &mut OpenedCookies, sealed: &str, now: u64) -> Result<Found, OpenError> {
        cookies.open(&sealer(), Purpose::AccessToken, sealed.as_bytes(), now)
    }

    #[test]
    fn a_cookie_that_opened_opens_until_its_expiry_and_for_its_purpose_alone() {
        let mut cookies = OpenedCookies::new(10, 10_000);
        let text = sealed("token");
        let first = open(&mut cookies, &text, NOW).unwrap();
        let again = open(&mut cookies, &text, NOW + 299).unwrap();
        assert!(Rc::ptr_eq(&first.cookie, &again.cookie), "not decrypted again");
        let other = cookies.open(&sealer(), Purpose::Csrf, text.as_bytes(), NOW);
        assert_eq!(other.err(), Some(OpenError::NotAuthentic));
        assert_eq!(open(&mut cookies, &text, NOW + 300).err(), Some(OpenError::Expired));
        assert_eq!(cookies.len(), 0);
    }

    #[test]
    fn what_differs_in_one_byte_from_a_kept_cookie_does_not_open() {
        let mut cookies = OpenedCookies::new(10, 10_000);
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
        let mut cookies = OpenedCookies::new(1, 10_000);
        let (one, two) = (sealed("one"), sealed("two"));
        let grant = Rc::new(Grant::bearer(b"jwt"));
        let found = open(&mut cookies, &one, NOW).unwrap();
        cookies.learn(&found, &grant, NOW + 10);
        assert!(open(&mut cookies, &one, NOW + 9).unwrap().grant.is_some());
        assert!(open(&mut cookies, &one, NOW + 10).unwrap().grant.is_none());
        let other = open(&mut cookies, &two, NOW).unwrap();
        assert!(other.grant.is_none());
        cookies.learn(&found, &grant, NOW + 10);
        assert!(
            open(&mut cookies, &two, NOW).unwrap().grant.is_none(),
            "not learned for another"
        );
    }
}
