//! Values that are split into several cookies, `<name>.1`, `<name>.2` and so on, and the joining of their parts.

use std::borrow::Cow;

use smallvec::SmallVec;

/// The maximum number of cookies that a value may be split into: the upper limit of the service's setting, and the
/// limit of the filter.
pub const MAX_PARTS: usize = 20;

/// The maximum number of values of one cookie that are examined. A page of a sibling domain can set one for each Path
/// that is a prefix of the request's, and for each domain that it shares with the host.
pub const MAX_VALUES: usize = 16;

/// The maximum length in bytes of all values that are joined from the parts of a cookie.
pub const MAX_VALUES_BYTES: usize = 128 * 1024;

/// The possible values of a cookie; nearly always one.
pub type CookieValues<'a> = SmallVec<[Cow<'a, [u8]>; 1]>;

/// The part of a value that a cookie holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Number(usize),
    /// Numbered as the service never does: not used, but removed like the others.
    Odd,
}

impl Part {
    /// Parses what follows the name: nothing, or a dot and a number.
    pub(super) fn of_suffix(suffix: &[u8]) -> Self {
        match suffix.strip_prefix(b".") {
            None => Self::Whole,
            Some(digits) => part_number(digits).map_or(Self::Odd, Self::Number),
        }
    }
}

/// The parts of one cookie by number. If the browser has a part with several Paths or Domains, several values have the
/// same number.
#[derive(Default)]
pub(super) struct Parts<'a>(Vec<SmallVec<[&'a [u8]; 1]>>);

impl<'a> Parts<'a> {
    /// Adds a part. `number` must be at least 1, and bounded.
    pub(super) fn add(&mut self, number: usize, value: &'a [u8]) {
        if self.0.len() < number {
            self.0.resize(number, SmallVec::new());
        }
        if let Some(same) = number.checked_sub(1).and_then(|index| self.0.get_mut(index))
            && same.len() < MAX_VALUES
        {
            same.push(value);
        }
    }

    /// Joins the parts in every combination, up to the bounds, in the order of a counter with a digit for each part, of
    /// which that of the first part changes fastest. A value ends before a missing part, and after a part that is
    /// shorter than the one before it: only the last part is, and what follows does not belong to this value.
    pub(super) fn join_into(self, values: &mut CookieValues<'a>) {
        let ways = self.0.iter().take_while(|same| !same.is_empty());
        let ways = ways.fold(1_usize, |ways, same| ways.saturating_mul(same.len()));
        if self.0.first().is_none_or(|first| first.is_empty()) {
            return;
        }
        let mut room = MAX_VALUES_BYTES;
        for way in 0..ways.min(MAX_VALUES) {
            let mut value: Vec<u8> = Vec::new();
            let (mut digits, mut before) = (way, 0);
            for same in &self.0 {
                let digit = digits.checked_rem(same.len()).and_then(|digit| same.get(digit));
                let Some(part) = digit else { break };
                digits = digits.checked_div(same.len()).unwrap_or_default();
                value.extend_from_slice(part);
                if part.len() < before {
                    break;
                }
                before = part.len();
            }
            room = room.saturating_sub(value.len());
            if room == 0 || values.len() >= MAX_VALUES {
                return;
            }
            if !values.iter().any(|other| **other == value) {
                values.push(Cow::Owned(value));
            }
        }
    }
}

/// Parses a part's number as the service writes it: no sign, no leading zero, at most nine digits.
fn part_number(digits: &[u8]) -> Option<usize> {
    let [first, ..] = digits else { return None };
    if *first == b'0' || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
