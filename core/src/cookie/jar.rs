//! The request's cookies, as bytes: finding ours, leaving the application's as they are.
//!
//! Several Cookie lines and HTTP/2 crumbs (RFC 9113, section 8.2.3) are one list. Reading follows RFC 6265bis where it speaks to
//! servers: pairs are separated by semicolons, spaces and tabs around a name or value do not count, a piece without `=` is
//! not a cookie with a name. CookieValues are never unquoted: a sealed value needs no quotes.

use std::borrow::Cow;

use memchr::memchr;
use smallvec::SmallVec;

use super::names::CookieNames;
use super::parts::{CookieValues, MAX_PARTS, MAX_VALUES, Part, Parts};
use super::purpose::Purpose;

/// All Cookie lines of a request, and what of them is ours.
#[derive(Clone, Debug)]
pub struct CookieJar<'a> {
    names: &'a CookieNames,
    lines: SmallVec<[&'a [u8]; 2]>,
    ours: SmallVec<[Piece<'a>; 6]>,
    /// Whether anything else is there.
    others: bool,
}

/// A cookie of ours, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    purpose: Purpose,
    part: Part,
    value: &'a [u8],
}

impl<'a> CookieJar<'a> {
    /// Reads the lines, once.
    pub fn parse(lines: impl IntoIterator<Item = &'a [u8]>, names: &'a CookieNames) -> Self {
        let mut jar = Self {
            names,
            lines: lines.into_iter().collect(),
            ours: SmallVec::new(),
            others: false,
        };
        for line in &jar.lines {
            for piece in pieces(line) {
                match our_piece(piece, names) {
                    Some(piece) => jar.ours.push(piece),
                    None => jar.others = jar.others || !trim(piece).is_empty(),
                }
            }
        }
        jar
    }

    /// The values that came under the name of a cookie, whole or joined from parts `<name>.1`, `<name>.2`, …, in the order in
    /// which the browser sent them. There is more than one where the browser has cookies of that name with several Paths or
    /// Domains: left over, or set by another host. What opens tells which of them is ours.
    ///
    /// Both bounds hold however many cookies came: parts up to `max_parts` and [`MAX_PARTS`], and up to [`MAX_VALUES`] values
    /// of [`MAX_VALUES_LEN`] bytes in all.
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

    /// Whether this cookie, or a part of it, came, usable or not.
    pub fn has(&self, purpose: Purpose) -> bool {
        self.ours.iter().any(|piece| piece.purpose == purpose)
    }

    /// Whether this cookie came whole, usable or not.
    pub fn has_whole(&self, purpose: Purpose) -> bool {
        let mut pieces = self.ours.iter().filter(|piece| piece.purpose == purpose);
        pieces.any(|piece| piece.part == Part::Whole)
    }

    /// The numbers of the parts (`<name>.1` …) of a cookie that the browser sent: these have to be cleared when it shrinks.
    pub fn parts(&self, purpose: Purpose) -> Vec<usize> {
        let numbers = self.ours.iter().filter_map(|piece| match piece.part {
            Part::Number(number) => Some(number).filter(|_| piece.purpose == purpose),
            Part::Whole | Part::Odd => None,
        });
        numbers.take(32).collect()
    }

    /// The names, of this cookie and of its parts, under which one has to be cleared where the browser has several: because the
    /// same name came twice, or the whole cookie beside parts.
    pub fn repeated(&self, purpose: Purpose) -> Vec<String> {
        let parts = self.parts(purpose);
        let pieces = self.ours.iter().filter(|piece| piece.purpose == purpose);
        let wholes = pieces.filter(|piece| piece.part == Part::Whole).count();
        let twice = parts
            .iter()
            .enumerate()
            .any(|(at, part)| parts.iter().skip(at.saturating_add(1)).any(|other| other == part));
        if wholes <= 1 && !twice && (wholes == 0 || parts.is_empty()) {
            return Vec::new();
        }
        self.sent(purpose)
    }

    /// The names, of this cookie and of its parts, that came.
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

    /// The names that came and were ours under another configuration; at most 32.
    pub fn in_other_forms(&self) -> Vec<(Purpose, String)> {
        let mut found: Vec<(Purpose, String)> = Vec::new();
        let names = self
            .lines
            .iter()
            .flat_map(|line| pieces(line))
            .filter_map(split_pair)
            .map(|(name, _)| name);
        for name in names {
            if let Some(purpose) = self.names.recognise_other_form(name)
                && let Ok(name) = std::str::from_utf8(name)
                && !found.iter().any(|(_, other)| other == name)
                && found.len() < 32
            {
                found.push((purpose, name.to_owned()));
            }
        }
        found
    }

    /// Whether a cookie of ours, or a part of one, is there.
    pub fn has_ours(&self) -> bool {
        !self.ours.is_empty()
    }

    /// Whether this cookie, or a part of it, came with a value, usable or not.
    pub fn has_value(&self, purpose: Purpose) -> bool {
        let mut pieces = self.ours.iter().filter(|piece| piece.purpose == purpose);
        pieces.any(|piece| !piece.value.is_empty())
    }

    /// The Cookie header without ours: the other pieces byte for byte and in order, lines joined by `; `. `None` when
    /// nothing is left. Where none of ours is in a line, the line is untouched.
    pub fn without_ours(&self) -> Option<Vec<u8>> {
        self.without(&[])
    }

    /// As [`Self::without_ours`], and without cookies of these names either.
    pub fn without(&self, names: &[String]) -> Option<Vec<u8>> {
        if !self.others {
            return None;
        }
        let goes = |piece| {
            let is_named = |name: &[u8]| names.iter().any(|other| other.as_bytes() == name);
            our_piece(piece, self.names).is_some()
                || !names.is_empty() && split_pair(piece).is_some_and(|(name, _)| is_named(name))
        };
        let mut is_empty = true;
        let mut kept: Vec<u8> = Vec::new();
        for line in &self.lines {
            let mut start_of_line = true;
            for piece in pieces(line) {
                if goes(piece) {
                    continue;
                }
                is_empty = is_empty && trim(piece).is_empty();
                if start_of_line {
                    // Spaces and tabs only: what else stands before a name keeps it from being ours.
                    let piece = trim_start(piece);
                    if !kept.is_empty() && !piece.is_empty() {
                        kept.extend_from_slice(b"; ");
                    }
                    kept.extend_from_slice(piece);
                } else {
                    kept.push(b';');
                    kept.extend_from_slice(piece);
                }
                start_of_line = false;
            }
        }
        (!is_empty).then_some(kept)
    }
}

/// What stands between the semicolons of a line.
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

/// The piece, if it is a cookie of ours.
fn our_piece<'a>(piece: &'a [u8], names: &CookieNames) -> Option<Piece<'a>> {
    let (name, value) = split_pair(piece)?;
    let (purpose, suffix) = names.recognise(name)?;
    Some(Piece {
        purpose,
        part: Part::of_suffix(suffix),
        value,
    })
}

/// Name and value of a piece between semicolons.
fn split_pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr(b'=', piece)?;
    let (name, value) = piece.split_at_checked(equals)?;
    Some((trim(name), trim(value.strip_prefix(b"=")?)))
}

/// Without spaces and tabs at both ends; other control characters are part of the text.
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
    use crate::cookie::names::NamePrefixes;
    use crate::cookie::parts::MAX_VALUES_LEN;

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
        CookieJar::parse(lines.iter().copied(), &names()).without_ours()
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
        assert!(long.iter().map(String::len).sum::<usize>() <= MAX_VALUES_LEN);
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
