//! The cookies of a request, as bytes: finds those of the BFF, and leaves the application's unchanged.
//!
//! Several Cookie lines and HTTP/2 crumbs (RFC 9113, section 8.2.3) are one list. Parsing follows the rules of
//! draft-ietf-httpbis-rfc6265bis for servers: semicolons separate pairs, spaces and tabs around a name or value are
//! ignored, and a piece without `=` is not a cookie with a name. Values are never unquoted: a sealed value needs no
//! quotes.

use std::borrow::Cow;

use memchr::memchr;
use smallvec::SmallVec;

use super::name_prefixes::CookieNames;
use super::parts::{CookieValues, MAX_PARTS, MAX_VALUES, Part, Parts};
use super::purpose::Purpose;

/// All Cookie lines of a request, and the BFF's cookies in them.
#[derive(Clone, Debug)]
pub struct CookieJar<'a> {
    names: &'a CookieNames,
    lines: SmallVec<[&'a [u8]; 2]>,
    ours: SmallVec<[Piece<'a>; 6]>,
    /// Whether the lines contain anything but cookies of the BFF.
    has_others: bool,
}

/// A cookie of the BFF, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    purpose: Purpose,
    part: Part,
    value: &'a [u8],
}

impl<'a> CookieJar<'a> {
    /// Parses the Cookie lines of a request.
    pub fn parse(lines: impl IntoIterator<Item = &'a [u8]>, names: &'a CookieNames) -> Self {
        let mut jar = Self {
            names,
            lines: lines.into_iter().collect(),
            ours: SmallVec::new(),
            has_others: false,
        };
        for line in &jar.lines {
            for piece in pieces(line) {
                match our_piece(piece, names) {
                    Some(piece) => jar.ours.push(piece),
                    None => jar.has_others = jar.has_others || !trim(piece).is_empty(),
                }
            }
        }
        jar
    }

    /// Returns the values of a cookie: the whole ones in the order in which the browser sent them, then those joined
    /// from parts `<name>.1`, `<name>.2`, … There are several if the browser has cookies of that name with several
    /// Paths or Domains: left over, or set by another host. Only opening them tells which is the BFF's.
    ///
    /// However many cookies were sent, these bounds hold: `max_parts` and [`MAX_PARTS`] for the parts, [`MAX_VALUES`]
    /// for the values, and [`MAX_VALUES_BYTES`](super::parts::MAX_VALUES_BYTES) for the joined values in total.
    pub fn values(&self, purpose: Purpose, max_parts: usize) -> CookieValues<'a> {
        let mut values = CookieValues::new();
        let mut parts = Parts::default();
        for piece in self.ours.iter().filter(|piece| piece.purpose == purpose) {
            match piece.part {
                Part::Whole if values.len() < MAX_VALUES => values.push(Cow::Borrowed(piece.value)),
                Part::Number(number) if number <= max_parts.min(MAX_PARTS) => parts.add(number, piece.value),
                Part::Whole | Part::Number(_) | Part::Odd => {}
            }
        }
        parts.join_into(&mut values);
        values
    }

    /// Whether this cookie, or a part of it, was sent, usable or not.
    pub fn has(&self, purpose: Purpose) -> bool {
        self.ours.iter().any(|piece| piece.purpose == purpose)
    }

    /// Whether this cookie was sent whole, usable or not.
    pub fn has_whole(&self, purpose: Purpose) -> bool {
        let mut pieces = self.ours.iter().filter(|piece| piece.purpose == purpose);
        pieces.any(|piece| piece.part == Part::Whole)
    }

    /// Returns the numbers of the sent parts (`<name>.1` …), at most 32: the service clears those of a longer value.
    pub fn parts(&self, purpose: Purpose) -> Vec<usize> {
        let numbers = self.ours.iter().filter_map(|piece| match piece.part {
            Part::Number(number) => Some(number).filter(|_| piece.purpose == purpose),
            Part::Whole | Part::Odd => None,
        });
        numbers.take(32).collect()
    }

    /// Returns the names, of this cookie and its parts, that have to be cleared because the browser has several values:
    /// one name was sent twice, or the whole cookie beside parts. If neither is the case, the list is empty.
    pub fn repeated(&self, purpose: Purpose) -> Vec<String> {
        let parts = self.parts(purpose);
        let pieces = self.ours.iter().filter(|piece| piece.purpose == purpose);
        let wholes = pieces.filter(|piece| piece.part == Part::Whole).count();
        let has_twice = parts
            .iter()
            .enumerate()
            .any(|(at, part)| parts.iter().skip(at.saturating_add(1)).any(|other| other == part));
        if wholes <= 1 && !has_twice && (wholes == 0 || parts.is_empty()) {
            return Vec::new();
        }
        self.sent(purpose)
    }

    /// Returns the names, of this cookie and its parts, that were sent.
    pub fn sent(&self, purpose: Purpose) -> Vec<String> {
        let name = self.names.of(purpose);
        let whole = self.has_whole(purpose).then(|| name.to_owned());
        let mut parts = self.parts(purpose);
        parts.sort_unstable();
        parts.dedup();
        whole
            .into_iter()
            .chain(parts.into_iter().map(|part| format!("{name}.{part}")))
            .collect()
    }

    /// Returns the sent names that were the BFF's under another configuration, with their purposes; at most 32.
    pub fn in_other_forms(&self) -> Vec<(Purpose, String)> {
        let mut found: Vec<(Purpose, String)> = Vec::new();
        let names = self
            .lines
            .iter()
            .flat_map(|line| pieces(line))
            .filter_map(split_pair)
            .map(|(name, _)| name);
        for name in names {
            if let Some(purpose) = self.names.recognize_other_form(name)
                && let Ok(name) = std::str::from_utf8(name)
                && !found.iter().any(|(_, other)| other == name)
                && found.len() < 32
            {
                found.push((purpose, name.to_owned()));
            }
        }
        found
    }

    /// Whether a cookie of the BFF, or a part of one, was sent.
    pub fn has_bff_cookies(&self) -> bool {
        !self.ours.is_empty()
    }

    /// Whether this cookie, or a part of it, was sent with a value that is not empty, usable or not.
    pub fn has_value(&self, purpose: Purpose) -> bool {
        let mut pieces = self.ours.iter().filter(|piece| piece.purpose == purpose);
        pieces.any(|piece| !piece.value.is_empty())
    }

    /// Returns the Cookie header without the BFF's cookies: the other pieces in order, byte for byte except for
    /// spaces and tabs at the start of a line, and lines joined by `; `. A line without cookies of the BFF keeps all
    /// its pieces. `None` if nothing is left.
    pub fn without_bff_cookies(&self) -> Option<Vec<u8>> {
        self.without(&[])
    }

    /// Like [`Self::without_bff_cookies`], but also without the cookies of these names.
    pub fn without(&self, names: &[String]) -> Option<Vec<u8>> {
        if !self.has_others {
            return None;
        }
        let is_removed = |piece| {
            let is_named = |name: &[u8]| names.iter().any(|other| other.as_bytes() == name);
            our_piece(piece, self.names).is_some()
                || !names.is_empty() && split_pair(piece).is_some_and(|(name, _)| is_named(name))
        };
        let mut is_empty = true;
        let mut kept: Vec<u8> = Vec::new();
        for line in &self.lines {
            let mut is_start_of_line = true;
            for piece in pieces(line) {
                if is_removed(piece) {
                    continue;
                }
                is_empty = is_empty && trim(piece).is_empty();
                if is_start_of_line {
                    // Trims spaces and tabs only: without any other byte before it, a name could become one of the
                    // BFF's.
                    let piece = trim_start(piece);
                    if !kept.is_empty() && !piece.is_empty() {
                        kept.extend_from_slice(b"; ");
                    }
                    kept.extend_from_slice(piece);
                } else {
                    kept.push(b';');
                    kept.extend_from_slice(piece);
                }
                is_start_of_line = false;
            }
        }
        (!is_empty).then_some(kept)
    }
}

/// Splits a line at its semicolons.
fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        match memchr(b';', line).and_then(|at| line.split_at_checked(at)) {
            Some((piece, behind)) => {
                rest = behind.strip_prefix(b";");
                Some(piece)
            }
            None => rest.take(),
        }
    })
}

/// Returns the piece if it is a cookie of the BFF.
fn our_piece<'a>(piece: &'a [u8], names: &CookieNames) -> Option<Piece<'a>> {
    let (name, value) = split_pair(piece)?;
    let (purpose, suffix) = names.recognize(name)?;
    Some(Piece {
        purpose,
        part: Part::of_suffix(suffix),
        value,
    })
}

/// Splits a piece into name and value; `None` without `=`.
fn split_pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr(b'=', piece)?;
    let (name, value) = piece.split_at_checked(equals)?;
    Some((trim(name), trim(value.strip_prefix(b"=")?)))
}

/// Trims spaces and tabs at both ends. Other control characters are part of the text.
fn trim(mut text: &[u8]) -> &[u8] {
    text = trim_start(text);
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::name_prefixes::NamePrefixes;
    use crate::cookie::parts::MAX_VALUES_BYTES;

    fn names() -> CookieNames {
        CookieNames::new("example", NamePrefixes::None, false, false).unwrap()
    }

    fn values(lines: &[&str]) -> Vec<String> {
        let names = names();
        let jar = CookieJar::parse(lines.iter().map(|line| line.as_bytes()), &names);
        let values = jar.values(Purpose::AccessToken, 5);
        values
            .into_iter()
            .map(|value| String::from_utf8(value.into_owned()).unwrap())
            .collect()
    }

    fn without(lines: &[&[u8]]) -> Option<Vec<u8>> {
        CookieJar::parse(lines.iter().copied(), &names()).without_bff_cookies()
    }

    #[test]
    fn a_cookie_is_found_in_any_line_and_place() {
        for lines in [
            &["example-at=v"][..],
            &["a=b; example-at=v;c=d"],
            &["a=b", " example-at = v\t"],
            &["a;;=;example-at=v;"],
        ] {
            assert_eq!(values(lines), ["v"], "{lines:?}");
        }
        let odd = "xexample-at=v; Example-at=v; example-at.0=v; example-at.01=v";
        assert!(values(&["a=b; example-at", odd]).is_empty());
    }

    #[test]
    fn of_a_cookie_that_came_more_than_once_each_value_is_there_in_the_order_in_which_it_came() {
        assert_eq!(values(&["example-at=v; a=b", "example-at=w"]), ["v", "w"]);
        assert_eq!(values(&["example-at.1=v; example-at=w"]), ["w", "v"]);
        assert_eq!(values(&["example-at.1=v; example-at.1=w"]), ["v", "w"]);
        let mixed = "example-at.1=aa; example-at.1=AA; example-at.2=B; example-at.2=b";
        assert_eq!(values(&[mixed]), ["aaB", "AAB", "aab", "AAb"]);
    }

    #[test]
    fn parts_are_joined_in_their_order_and_end_with_the_first_that_is_shorter() {
        assert_eq!(values(&["example-at.2=b; example-at.1=a", "example-at.3=c"]), ["abc"]);
        assert_eq!(
            values(&["example-at.1=aa; example-at.2=b; example-at.3=planted"]),
            ["aab"]
        );
        assert!(values(&["example-at.2=b"]).is_empty());
        assert_eq!(values(&["example-at.1=a; example-at.3=c"]), ["a"]);
        assert!(values(&["example-at.6=f; example-at.999999999=f"]).is_empty());
    }

    #[test]
    fn a_flood_of_cookies_makes_no_more_values_than_are_looked_at() {
        let wholes: Vec<String> = (0..700).map(|number| format!("example-at={number}")).collect();
        assert_eq!(values(&[&wholes.join("; ")]).len(), MAX_VALUES);
        let part = |number: usize| (0..100).map(move |value| format!("example-at.{number}={value:03}"));
        let parts: Vec<String> = (1..=5).flat_map(part).collect();
        assert_eq!(values(&[&parts.join("; ")]).len(), MAX_VALUES);
        let long = "x".repeat(20_000);
        let long: Vec<String> = (1..=5)
            .flat_map(|number| vec![format!("example-at.{number}={long}"); 2])
            .collect();
        let long = values(&[&long.join(";")]);
        assert!(long.iter().map(String::len).sum::<usize>() <= MAX_VALUES_BYTES);
    }

    #[test]
    fn the_parts_that_were_sent_are_listed() {
        let line = b"example-at.2=b; example-at.1=a; example-at.01=x; example-id.3=c";
        let names = names();
        assert_eq!(
            CookieJar::parse([&line[..]], &names).parts(Purpose::AccessToken),
            [2, 1]
        );
    }

    #[test]
    fn the_applications_cookies_stay_as_they_are() {
        assert_eq!(
            without(&[b"a=b; example-at=v; c=\xff\"d\" ;e"]).unwrap(),
            b"a=b; c=\xff\"d\" ;e"
        );
        assert_eq!(
            without(&[b"example-at=v; a=b", b"example-csrf.1=w", b"c=d"]).unwrap(),
            b"a=b; c=d"
        );
        assert_eq!(without(&[b"example-at=v;example-login=x", b" example-id.2=y; "]), None);
    }

    #[test]
    fn taking_ours_out_makes_no_new_cookie_of_ours() {
        for line in [&b"\x0cexample-at=v"[..], b"\nexample-at=v"] {
            assert_eq!(without(&[line]).unwrap(), line);
            let behind_ours = [b"example-csrf=w; ", line].concat();
            assert_eq!(without(&[&behind_ours]).unwrap(), line);
        }
    }

    #[test]
    fn nothing_but_separators_is_nothing() {
        assert_eq!(without(&[b"example-at=v;;"]), None);
    }
}
