//! A value that is split into several cookies, `<name>.1`, `<name>.2` and so on, and how the parts are joined again.

use std::borrow::Cow;

use smallvec::SmallVec;

/// Into how many cookies a value may be split at the very most: the highest bound that the service can be given, and the one
/// that the filter has.
pub const MAX_PARTS: usize = 20;

/// How many values of one cookie are looked at. A page of a sibling domain can set one for each Path that is a part of the
/// request's, and for each domain that it shares with the host.
pub const MAX_VALUES: usize = 16;

/// How many bytes the values that are joined from parts have in all.
pub const MAX_VALUES_LEN: usize = 128 * 1024;

/// The values that a cookie may have; nearly always one.
pub type CookieValues<'a> = SmallVec<[Cow<'a, [u8]>; 1]>;

/// Which part of a value a cookie holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Number(usize),
    /// Numbered in no spelling of ours: not used, and taken out like the others.
    Odd,
}

impl Part {
    /// From what follows the name: nothing, or a dot and a number.
    pub(super) fn of_suffix(suffix: &[u8]) -> Self {
        match suffix.strip_prefix(b".") {
            None => Self::Whole,
            Some(digits) => part_number(digits).map_or(Self::Odd, Self::Number),
        }
    }
}

/// The parts of one cookie, by number; of one number several where the browser has it with several Paths or Domains.
#[derive(Default)]
pub(super) struct Parts<'a>(Vec<SmallVec<[&'a [u8]; 1]>>);

impl<'a> Parts<'a> {
    /// `number` is at least 1, and bounded.
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

    /// Joins them in every way, up to the bounds: as the digits of a number are counted up, the first part's fastest. A value
    /// ends where a part is missing, and with a part that is shorter than the one before it: only the last is, and what
    /// comes behind it is not of this value.
    pub(super) fn join_into(self, values: &mut CookieValues<'a>) {
        let ways = self.0.iter().take_while(|same| !same.is_empty());
        let ways = ways.fold(1_usize, |ways, same| ways.saturating_mul(same.len()));
        if self.0.first().is_none_or(|first| first.is_empty()) {
            return;
        }
        let mut room = MAX_VALUES_LEN;
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

/// A part's number in the one spelling we write: no sign, no leading zero, and short.
fn part_number(digits: &[u8]) -> Option<usize> {
    let [first, ..] = digits else { return None };
    if *first == b'0' || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
