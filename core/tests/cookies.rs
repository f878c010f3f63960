//! Cookie headers with any bytes: the BFF's cookies are removed, nothing else changes, and nothing panics.
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is what it is for"
)]

use bff_core::cookie::jar::CookieJar;
use bff_core::cookie::name_prefixes::{CookieNames, NamePrefixes};
use bff_core::cookie::purpose::Purpose;
use proptest::prelude::*;

fn names() -> CookieNames {
    CookieNames::new("example", NamePrefixes::Host, false, false).unwrap()
}

/// A cookie of the application: any bytes but the separator, and not a name of the BFF's cookies.
fn application_cookie() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(
        any::<u8>().prop_filter("a semicolon separates", |byte| *byte != b';'),
        1..20,
    );
    bytes.prop_filter("white space alone is no cookie", |piece| {
        !piece.trim_ascii().is_empty() && piece.trim_ascii_start() == piece
    })
}

fn our_cookie() -> impl Strategy<Value = Vec<u8>> {
    let name = proptest::sample::select(names().all().map(str::to_owned).to_vec());
    (name, proptest::option::of(0..12u32), "[A-Za-z0-9_-]{0,20}").prop_map(|(name, part, value)| {
        let part = part.map(|part| format!(".{part}")).unwrap_or_default();
        format!("{name}{part}={value}").into_bytes()
    })
}

#[derive(Clone, Debug)]
enum Piece {
    Application(Vec<u8>),
    Ours(Vec<u8>),
}

fn pieces() -> impl Strategy<Value = Vec<Vec<Piece>>> {
    let piece = prop_oneof![
        application_cookie().prop_map(Piece::Application),
        our_cookie().prop_map(Piece::Ours)
    ];
    proptest::collection::vec(proptest::collection::vec(piece, 1..8), 1..4)
}

fn line<'a>(pieces: impl Iterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    pieces.map(Vec::as_slice).collect::<Vec<_>>().join(&b"; "[..])
}

proptest! {
    #[test]
    fn the_applications_cookies_keep_their_bytes_and_order(lines in pieces()) {
        let sent: Vec<Vec<u8>> = lines
            .iter()
            .map(|pieces| line(pieces.iter().map(|piece| match piece { Piece::Application(bytes) | Piece::Ours(bytes) => bytes })))
            .collect();
        let application: Vec<&Vec<u8>> = lines
            .iter()
            .flatten()
            .filter_map(|piece| match piece { Piece::Application(bytes) => Some(bytes), Piece::Ours(_) => None })
            .collect();
        let expected = (!application.is_empty()).then(|| line(application.into_iter()));
        let names = names();
        let jar = CookieJar::parse(sent.iter().map(Vec::as_slice), &names);
        prop_assert_eq!(jar.without_bff_cookies(), expected);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_none_of_ours_is_left(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4)) {
        let names = names();
        let jar = CookieJar::parse(lines.iter().map(Vec::as_slice), &names);
        let _ = jar.values(Purpose::AccessToken, 5);
        let rest = jar.without_bff_cookies().unwrap_or_default();
        prop_assert!(!CookieJar::parse([rest.as_slice()], &names).has_bff_cookies());
    }
}
