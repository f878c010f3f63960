//! The request's cookies, as bytes: finding ours, leaving the application's as they are.
//!
//! Several Cookie lines and HTTP/2 crumbs (RFC 9113, 8.2.3) are one list. Reading follows RFC 6265bis where it speaks to
//! servers: pairs are separated by semicolons, spaces and tabs around a name or value do not count, a piece without `=` is
//! not a cookie with a name. Values are never unquoted: a sealed value needs no quotes.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use smallvec::SmallVec;

use crate::names::CookieNames;
use crate::seal::Purpose;

/// Into how many cookies a value may be split at the very most: the highest bound that the service can be given, and the one
/// that the filter has.
pub const MAX_PARTS: usize = 20;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Number(usize),
    /// Numbered in no spelling of ours: not used, and taken out like the others.
    Odd,
}

/// Why a cookie of ours cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CookieError {
    /// The name, or a part of it, stands there twice: which one the browser meant cannot be known.
    Repeated,
    /// More parts than allowed.
    TooManyParts,
    /// Parts, but not all from the first on.
    MissingPart,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "is repeated",
            Self::TooManyParts => "has too many parts",
            Self::MissingPart => "lacks a part",
        })
    }
}

impl std::error::Error for CookieError {}

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

    /// The value of a cookie, joined from its parts `<name>.1`, `<name>.2`, … where it was split. At most [`MAX_PARTS`] are looked at.
    ///
    /// # Errors
    /// See [`CookieError`].
    pub fn get(&self, purpose: Purpose, max_parts: usize) -> Result<Option<Cow<'a, [u8]>>, CookieError> {
        let mut whole = None;
        let mut parts: Vec<(usize, &'a [u8])> = Vec::new();
        for piece in self.ours.iter().filter(|piece| piece.purpose == purpose) {
            match piece.part {
                Part::Whole if whole.is_some() => return Err(CookieError::Repeated),
                Part::Whole => whole = Some(piece.value),
                Part::Number(number) => {
                    if number > max_parts.min(MAX_PARTS) {
                        return Err(CookieError::TooManyParts);
                    }
                    if parts.iter().any(|(other, _)| *other == number) {
                        return Err(CookieError::Repeated);
                    }
                    parts.push((number, piece.value));
                }
                Part::Odd => {}
            }
        }
        match whole {
            Some(_) if !parts.is_empty() => Err(CookieError::Repeated),
            Some(value) => Ok(Some(Cow::Borrowed(value))),
            None if parts.is_empty() => Ok(None),
            None => {
                parts.sort_unstable_by_key(|(number, _)| *number);
                if (1..).zip(&parts).any(|(expected, (number, _))| expected != *number) {
                    return Err(CookieError::MissingPart);
                }
                Ok(Some(Cow::Owned(
                    parts.iter().flat_map(|(_, value)| value.iter().copied()).collect(),
                )))
            }
        }
    }

    /// How many parts (`<name>.1` …) of a cookie the browser sent: these have to be cleared when it shrinks.
    pub fn parts(&self, purpose: Purpose) -> Vec<usize> {
        let numbers = self.ours.iter().filter_map(|piece| match piece.part {
            Part::Number(number) if piece.purpose == purpose => Some(number),
            _ => None,
        });
        numbers.take(32).collect()
    }

    /// Whether a cookie of ours, or a part of one, is there.
    pub fn has_ours(&self) -> bool {
        !self.ours.is_empty()
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
    let part = match suffix.strip_prefix(b".") {
        None => Part::Whole,
        Some(digits) => part_number(digits).map_or(Part::Odd, Part::Number),
    };
    Some(Piece { purpose, part, value })
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

/// A part's number in the one spelling we write: no sign, no leading zero, and short.
fn part_number(digits: &[u8]) -> Option<usize> {
    let [first, ..] = digits else { return None };
    if *first == b'0' || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Hardening;

    fn names() -> CookieNames {
        CookieNames::new("example", Hardening::None, false, false).unwrap()
    }

    fn get(lines: &[&str]) -> Result<Option<String>, CookieError> {
        let names = names();
        let jar = CookieJar::parse(lines.iter().map(|line| line.as_bytes()), &names);
        jar.get(Purpose::AccessToken, 5)
            .map(|value| value.map(|value| String::from_utf8(value.into_owned()).unwrap()))
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
            assert_eq!(get(lines), Ok(Some("v".to_owned())), "{lines:?}");
        }
        assert_eq!(
            get(&[
                "a=b; example-at",
                "xexample-at=v; Example-at=v; example-at.0=v; example-at.01=v"
            ]),
            Ok(None)
        );
    }

    #[test]
    fn a_repeated_cookie_is_refused() {
        for lines in [
            &["example-at=v; example-at=v"][..],
            &["example-at=v", "example-at=w"],
            &["example-at=v; example-at.1=w"],
            &["example-at.1=v; example-at.1=v"],
        ] {
            assert_eq!(get(lines), Err(CookieError::Repeated), "{lines:?}");
        }
    }

    #[test]
    fn parts_are_joined_in_their_order_and_bounded() {
        assert_eq!(
            get(&["example-at.2=b; example-at.1=a", "example-at.3=c"]),
            Ok(Some("abc".to_owned()))
        );
        assert_eq!(get(&["example-at.2=b"]), Err(CookieError::MissingPart));
        assert_eq!(get(&["example-at.1=a; example-at.3=c"]), Err(CookieError::MissingPart));
        assert_eq!(get(&["example-at.6=f"]), Err(CookieError::TooManyParts));
        assert_eq!(get(&["example-at.999999999=f"]), Err(CookieError::TooManyParts));
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
