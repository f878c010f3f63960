//! The CSRF check.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Content, NONCE_BYTES, Opened, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::request::values::Values;
use bff_core::session::csrf::{self, CsrfError};
use bff_core::session::current_session::CurrentSession;

fn is_valid(header: Option<&[u8]>, cookie: &Opened, session: &CurrentSession) -> bool {
    csrf::check(header, cookie, session).is_ok()
}

fn csrf_cookie(value: &[u8], session: SessionId) -> Opened {
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let sealer = Sealer::new(KeyRing::parse(key, false).unwrap().0, "example", false);
    let content = Content {
        value,
        session,
        began_at: 0,
        expires_at: 2,
    };
    let sealed = sealer.seal(Purpose::Csrf, &content, [0; NONCE_BYTES]).unwrap();
    sealer.open(Purpose::Csrf, sealed.as_bytes(), 1).unwrap()
}

fn of(id: Option<SessionId>) -> CurrentSession {
    CurrentSession::of_access_token(id)
}

#[test]
fn the_csrf_header_must_equal_the_cookie_of_the_same_session() {
    let (session, other) = (SessionId([1; 32]), SessionId([2; 32]));
    let cookie = csrf_cookie(b"value", session);
    let (version_1, session, other) = (of(None), of(Some(session)), of(Some(other)));
    assert!(is_valid(Some(b"value"), &cookie, &session));
    assert!(
        is_valid(Some(b"value"), &cookie, &version_1),
        "beside a version 1 token there is no session to compare"
    );
    assert!(!is_valid(Some(b"value"), &cookie, &other));
    for header in [
        None,
        Some(&b""[..]),
        Some(b"valu"),
        Some(b"value "),
        Some(b"Value"),
        Some(b"valuf"),
    ] {
        assert!(!is_valid(header, &cookie, &session), "{header:?}");
    }
    assert!(
        !is_valid(Some(b""), &csrf_cookie(b"", SessionId([1; 32])), &session),
        "an empty value proves nothing"
    );
}

/// The test vector of version 1: a sealed value that has no purpose and belongs to no session.
fn version_1_value() -> Opened {
    let key = "4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50";
    let cookie = b"AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A";
    let sealer = Sealer::new(KeyRing::parse(key, true).unwrap().0, "example", true);
    sealer.open(Purpose::Csrf, cookie, 1).unwrap()
}

#[test]
fn a_version_1_csrf_value_does_not_serve_a_version_2_session() {
    let (cookie, header) = (version_1_value(), b"42665300-efe8-419d-be52-07b53e208f46");
    assert!(is_valid(Some(header), &cookie, &of(None)), "all of version 1");
    assert!(!is_valid(Some(header), &cookie, &of(Some(SessionId([1; 32])))));
}

#[test]
fn a_repeated_header_is_an_error_of_its_own() {
    let value = &b"value"[..];
    assert_eq!(
        csrf::header_value(Values::of([value, value])),
        Err(CsrfError::HeaderRepeated)
    );
    assert_eq!(csrf::header_value(Values::of([value])), Ok(Some(value)));
    assert_eq!(csrf::header_value(Values::of([])), Ok(None));
}
