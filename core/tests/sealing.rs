//! Sealed values: what can be opened, and what cannot.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, MAX_SEALED_BYTES, NONCE_BYTES, OpenError, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::encoding::base64url;
use proptest::prelude::*;

const KEY_1: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY_2: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f";
const SESSION: SessionId = SessionId([7; 32]);
const NOW: u64 = 1_800_000_000;

fn sealer(keys: &str) -> Sealer {
    Sealer::new(KeyRing::parse(keys, false).unwrap().0, "example", false)
}

fn content(value: &[u8]) -> Content<'_> {
    Content {
        value,
        session: SESSION,
        began_at: NOW,
        expires_at: NOW + 60,
    }
}

fn seal(sealer: &Sealer, purpose: Purpose, value: &[u8]) -> String {
    sealer.seal(purpose, &content(value), [9; NONCE_BYTES]).unwrap()
}

fn open_error(sealer: &Sealer, value: &[u8]) -> OpenError {
    sealer.open(Purpose::AccessToken, value, NOW).unwrap_err()
}

#[test]
fn what_was_sealed_opens_with_its_session_and_times() {
    let sealer = sealer(KEY_1);
    let opened = sealer
        .open(
            Purpose::AccessToken,
            seal(&sealer, Purpose::AccessToken, b"token").as_bytes(),
            NOW,
        )
        .unwrap();
    assert_eq!(&**opened.value, b"token");
    assert_eq!(
        (opened.session, opened.began_at, opened.expires_at),
        (Some(SESSION), NOW, NOW + 60)
    );
    assert_eq!(Some(opened.key_id), sealer.key_ids().next());
}

const VERSION_2: &str = "Ahw_FVgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQnC7XVC92_wlSOXAHYg9mWyvGaeNX3raaj7POawbvKE2t18DbHggdVOGYiKnMRqS48EPQVZrLonIKXoZmXJAg8EZbswowo";

const VERSION_4: &str = "BBw_FVgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQnC7XVC92_wlSOXAHYg9mWyvGaeNX3raaj7POawbvKE2t18DbHggdVOGYiKnMRqS48EPQVZrFqNvSmCqDnQoSd4EQ26OCs";

const VERSION_3: &str = "Axw_FVgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQnC7XVC92_wlSOXAHYg9mWyvGaeNX3raaj7POawbvKE2t18DbHggdVOGYiKnMRqS48EPQVZrMrr5RgEu3_NTXzuc43zmHo";

/// Recorded once from this implementation: cookies in browsers must open after an upgrade.
#[test]
fn the_form_of_version_2_does_not_change() {
    let text = seal(&sealer(KEY_1), Purpose::Csrf, b"value");
    let bytes = base64url::decode(text.as_bytes()).unwrap();
    assert_eq!(bytes[0], 2);
    assert_eq!(bytes[5..29], [9; NONCE_BYTES]);
    assert_eq!(bytes.len(), 1 + 4 + NONCE_BYTES + 8 + 8 + 32 + 5 + 16);
    assert_eq!(text, VERSION_2);
}

/// As above. Software without support for bound sessions opens no such value.
#[test]
fn the_forms_of_versions_3_and_4_do_not_change() {
    let (sealer, content) = (sealer(KEY_1), content(b"value"));
    for (binding, version, recorded) in [(Binding::Bound, 3, VERSION_3), (Binding::Provisional, 4, VERSION_4)] {
        let text = sealer
            .seal_in(binding, Purpose::Csrf, &content, [9; NONCE_BYTES])
            .unwrap();
        let bytes = base64url::decode(text.as_bytes()).unwrap();
        assert_eq!(
            (bytes[0], bytes.len()),
            (version, 1 + 4 + NONCE_BYTES + 8 + 8 + 32 + 5 + 16)
        );
        assert_eq!(text, recorded);
    }
}

#[test]
fn a_value_of_a_bound_session_opens_only_for_who_asks_for_its_proof_and_its_version_cannot_be_changed() {
    let (sealer, content) = (sealer(KEY_1), content(b"value"));
    let seal = |binding| {
        sealer
            .seal_in(binding, Purpose::AccessToken, &content, [9; NONCE_BYTES])
            .unwrap()
    };
    let [unbound, bound, provisional] = [Binding::Unbound, Binding::Bound, Binding::Provisional].map(seal);
    for refused in [&bound, &provisional] {
        assert_eq!(open_error(&sealer, refused.as_bytes()), OpenError::Malformed);
    }
    for (text, binding) in [
        (&bound, Binding::Bound),
        (&unbound, Binding::Unbound),
        (&provisional, Binding::Provisional),
    ] {
        let opened = sealer.open_in_any(Purpose::AccessToken, text.as_bytes(), NOW).unwrap();
        assert_eq!((&**opened.value, opened.binding), (&b"value"[..], binding));
        let bytes = base64url::decode(text.as_bytes()).unwrap();
        for version in (1..=5).filter(|version| *version != bytes[0]) {
            let mut bytes = bytes.clone();
            bytes[0] = version;
            let changed = base64url::encode(&bytes);
            let changed = changed.as_bytes();
            assert!(sealer.open_in_any(Purpose::AccessToken, changed, NOW).is_err());
            assert!(sealer.open(Purpose::AccessToken, changed, NOW).is_err());
        }
    }
    assert_eq!(
        sealer
            .open_in_any(Purpose::AccessToken, bound.as_bytes(), NOW + 60)
            .unwrap_err(),
        OpenError::Expired
    );
}

#[test]
fn one_altered_bit_anywhere_keeps_it_shut() {
    let sealer = sealer(KEY_1);
    let sealed = base64url::decode(seal(&sealer, Purpose::AccessToken, b"token").as_bytes()).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(
            sealer
                .open(Purpose::AccessToken, base64url::encode(&altered).as_bytes(), NOW)
                .is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn a_cut_value_and_a_value_with_junk_behind_it_stay_shut() {
    let sealer = sealer(KEY_1);
    let sealed = seal(&sealer, Purpose::AccessToken, b"token");
    for end in 0..sealed.len() {
        assert!(
            sealer
                .open(Purpose::AccessToken, &sealed.as_bytes()[..end], NOW)
                .is_err(),
            "cut at {end}"
        );
    }
    for junk in ["%%%%junk", "=", "==", "A", "AAAA", ".", " ", "\n", "\0", "\""] {
        assert!(
            sealer
                .open(Purpose::AccessToken, format!("{sealed}{junk}").as_bytes(), NOW)
                .is_err(),
            "{junk:?}"
        );
        assert!(
            sealer
                .open(Purpose::AccessToken, format!("{junk}{sealed}").as_bytes(), NOW)
                .is_err(),
            "{junk:?}"
        );
    }
}

/// If a length leaves unused bits in the last character, another character would decode to the same bytes.
#[test]
fn trailing_bits_and_the_other_alphabet_are_refused() {
    assert_eq!(base64url::decode(b"AA"), Some(vec![0]));
    for text in ["AB", "AAB", "A", "AA==", "AA=", "+w", "/w", "AAA\n"] {
        assert_eq!(base64url::decode(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn no_cookie_opens_in_anothers_place() {
    let sealer = sealer(KEY_1);
    for sealed_for in Purpose::ALL {
        let sealed = seal(&sealer, sealed_for, b"token");
        for opened_as in Purpose::ALL {
            let result = sealer
                .open(opened_as, sealed.as_bytes(), NOW)
                .map(|_| ())
                .map_err(|error| (error, sealed_for, opened_as));
            let expected = if sealed_for == opened_as {
                Ok(())
            } else {
                Err((OpenError::NotAuthentic, sealed_for, opened_as))
            };
            assert_eq!(result, expected);
        }
    }
}

#[test]
fn another_deployment_with_the_same_key_does_not_open_it() {
    let other = Sealer::new(KeyRing::parse(KEY_1, false).unwrap().0, "other", false);
    assert_eq!(
        open_error(&sealer(KEY_1), seal(&other, Purpose::AccessToken, b"token").as_bytes()),
        OpenError::NotAuthentic
    );
}

#[test]
fn an_expired_value_is_refused_from_its_second_on_and_only_if_authentic() {
    let sealer = sealer(KEY_1);
    let sealed = seal(&sealer, Purpose::AccessToken, b"token");
    assert!(sealer.open(Purpose::AccessToken, sealed.as_bytes(), NOW + 59).is_ok());
    assert_eq!(
        sealer
            .open(Purpose::AccessToken, sealed.as_bytes(), NOW + 60)
            .unwrap_err(),
        OpenError::Expired
    );
    assert_eq!(
        sealer.open(Purpose::Csrf, sealed.as_bytes(), NOW + 60).unwrap_err(),
        OpenError::NotAuthentic
    );
}

#[test]
fn keys_are_rotated_without_closing_a_cookie_and_a_removed_key_opens_none() {
    let old = seal(&sealer(KEY_1), Purpose::AccessToken, b"old");
    let both = sealer(&format!("{KEY_2},{KEY_1}"));
    let new = seal(&both, Purpose::AccessToken, b"new");
    assert!(both.open(Purpose::AccessToken, old.as_bytes(), NOW).is_ok());
    let only_new = sealer(KEY_2);
    assert!(only_new.open(Purpose::AccessToken, new.as_bytes(), NOW).is_ok());
    let [removed] = Vec::from_iter(sealer(KEY_1).key_ids())[..] else {
        panic!("one key")
    };
    assert_eq!(open_error(&only_new, old.as_bytes()), OpenError::UnknownKey(removed));
}

const V1_KEY: &str = "4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50";
const V1_COOKIE: &str = "AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A";

#[test]
fn version_1_opens_behind_its_switch_only() {
    let ring = KeyRing::parse(&format!("{KEY_1},{V1_KEY}"), true).unwrap().0;
    let opened = Sealer::new(ring.clone(), "example", true)
        .open(Purpose::AccessToken, V1_COOKIE.as_bytes(), NOW)
        .unwrap();
    assert_eq!(&**opened.value, b"42665300-efe8-419d-be52-07b53e208f46");
    assert_eq!(opened.session, None);
    assert_eq!(
        open_error(&Sealer::new(ring, "example", false), V1_COOKIE.as_bytes()),
        OpenError::Malformed
    );
    let other = Sealer::new(KeyRing::parse(KEY_1, false).unwrap().0, "example", true);
    assert_eq!(open_error(&other, V1_COOKIE.as_bytes()), OpenError::NotAuthentic);
}

#[test]
fn a_value_too_long_for_any_cookie_is_an_error_on_both_sides() {
    let content = Content {
        value: &[0; 50_000],
        session: SESSION,
        began_at: NOW,
        expires_at: NOW + 60,
    };
    assert!(
        sealer(KEY_1)
            .seal(Purpose::IdToken, &content, [9; NONCE_BYTES])
            .is_err()
    );
    let mut long = base64url::decode(VERSION_2.as_bytes()).unwrap();
    assert_eq!(
        open_error(&sealer(KEY_1), base64url::encode(&long).as_bytes()),
        OpenError::NotAuthentic
    );
    long.resize(MAX_SEALED_BYTES, 0);
    assert_eq!(
        open_error(&sealer(KEY_1), base64url::encode(&long).as_bytes()),
        OpenError::Malformed
    );
}

proptest! {
    #[test]
    fn any_value_comes_back_as_it_went_in(value in proptest::collection::vec(any::<u8>(), 0..3000), nonce: [u8; NONCE_BYTES], session: [u8; 32]) {
        let sealer = sealer(KEY_1);
        let content = Content { value: &value, session: SessionId(session), began_at: NOW, expires_at: u64::MAX };
        let sealed = sealer.seal(Purpose::IdToken, &content, nonce).unwrap();
        let opened = sealer.open(Purpose::IdToken, sealed.as_bytes(), NOW).unwrap();
        prop_assert_eq!(&*opened.value, &value);
        prop_assert_eq!(opened.session, Some(SessionId(session)));
    }

    #[test]
    fn arbitrary_bytes_never_open(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(sealer(KEY_1).open(Purpose::AccessToken, &value, NOW).is_err());
        prop_assert!(sealer(KEY_1).open(Purpose::AccessToken, base64url::encode(&value).as_bytes(), NOW).is_err());
    }
}
