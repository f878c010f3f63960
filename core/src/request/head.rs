//! A request's head as the proxy holds it: bytes, in the order in which they were received.

use super::values::Values;
use crate::encoding::bytes;

/// Pseudo-headers and headers. Names are in lower case, as Envoy keeps them.
///
/// The lines stay where the host has them: copying them is a large part of a request's cost.
#[derive(Clone, Debug, Default)]
pub struct RequestHead<'a> {
    lines: Vec<Line<'a>>,
    /// One bit for each tag of a line. Most names that are looked up are absent, and the bits tell that at once.
    tags: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    name: &'a [u8],
    value: &'a [u8],
    tag: u8,
}

impl<'a> RequestHead<'a> {
    /// Builds a head from its lines: names and values.
    pub fn new(lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let lines = lines.into_iter();
        let mut head = Self {
            lines: Vec::with_capacity(lines.size_hint().0),
            tags: 0,
        };
        lines.for_each(|(name, value)| head.add(name, value));
        head
    }

    /// Parses a header map of proxy-wasm: the number of lines and the lengths of each name and value, as 32-bit
    /// little-endian integers, then the names and values, each followed by a zero byte. `None` if it is cut short
    /// by more than the last zero byte.
    pub fn from_proxy_wasm(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let sizes_len = count.checked_mul(8)?;
        let (sizes, rest) = rest.split_at_checked(sizes_len)?;
        // `None` after the last text: its zero byte may be missing, since nothing follows it.
        let mut rest = Some(rest);
        let mut head = Self {
            lines: Vec::with_capacity(count),
            tags: 0,
        };
        let mut text = |len: u32| {
            let (text, behind) = rest?.split_at_checked(usize::try_from(len).ok()?)?;
            rest = behind.get(1..);
            Some(text)
        };
        for size in sizes.as_chunks::<8>().0 {
            // The name's length is in the lower half, the value's in the upper half.
            let sizes = u64::from_le_bytes(*size);
            let name = text(u32::try_from(sizes & 0xffff_ffff).ok()?)?;
            let value = text(u32::try_from(sizes >> 32).ok()?)?;
            head.add(name, value);
        }
        Some(head)
    }

    fn add(&mut self, name: &'a [u8], value: &'a [u8]) {
        let tag = tag(name.len(), name.first());
        self.tags |= bit(tag);
        self.lines.push(Line { name, value, tag });
    }

    /// Returns the values of a name, which must be in lower case.
    pub fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
        self.lines_tagged(name)
            .filter(move |line| bytes::is_equal(line.name, name.as_bytes()))
            .map(|line| line.value)
    }

    /// Returns the value of a name that may occur once.
    pub fn one(&self, name: &str) -> Values<&'a [u8]> {
        Values::of(self.all(name))
    }

    /// Returns the names in the head that frameworks may read as `name`, which must be in lower case: every byte other
    /// than a letter or digit counts as `-`.
    pub fn spellings<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
        self.lines_tagged(name).map(|line| line.name).filter(move |spelling| {
            spelling.len() == name.len()
                && spelling
                    .iter()
                    .zip(name.as_bytes())
                    .all(|(one, other)| dash(*one) == *other)
        })
    }

    /// Whether the head may have one of these names, or a spelling of it: a quick look that misses none.
    pub(crate) const fn may_have(&self, names: Tags) -> bool {
        self.tags & names.0 != 0
    }

    /// Whether the method is safe: GET, HEAD or OPTIONS. Anything else, including a missing method, is not.
    pub fn is_safe(&self) -> bool {
        matches!(self.one(":method"), Values::Single(b"GET" | b"HEAD" | b"OPTIONS"))
    }

    /// Whether the connection would leave HTTP: `Upgrade` (RFC 9110, section 7.8) or extended CONNECT (RFC 8441).
    pub fn is_upgrade(&self) -> bool {
        self.one("upgrade") != Values::Absent || self.one(":protocol") != Values::Absent
    }

    fn lines_tagged(&self, name: &str) -> impl Iterator<Item = &Line<'a>> {
        let tag = tag(name.len(), name.as_bytes().first());
        let lines = if self.tags & bit(tag) == 0 {
            &[][..]
        } else {
            self.lines.as_slice()
        };
        lines.iter().filter(move |line| line.tag == tag)
    }
}

/// The tags of several names, for [`RequestHead::may_have`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tags(u64);

impl Tags {
    /// Returns the tags of names in lower case.
    pub(crate) const fn of(mut names: &[&str]) -> Self {
        let mut tags = 0;
        while let [name, rest @ ..] = names {
            tags |= bit(tag(name.len(), name.as_bytes().first()));
            names = rest;
        }
        Self(tags)
    }
}

/// Returns the tag of a name, a number below 64, from its length and first byte. Names with different tags are
/// different, and not even spellings of one name.
const fn tag(len: usize, first: Option<&u8>) -> u8 {
    #[allow(clippy::cast_possible_truncation, reason = "six bits")]
    let len = (len & 63) as u8;
    let first = match first {
        Some(first) => *first,
        None => 0,
    };
    // With this factor, the names that the gateway looks for share few tags with those that browsers and proxies send.
    (len.wrapping_mul(57) ^ dash(first)) & 63
}

const fn bit(tag: u8) -> u64 {
    1u64.wrapping_shl(tag as u32)
}

/// Maps all bytes that many frameworks do not distinguish to `-`: if they name variables like CGI (RFC 3875, section
/// 4.1.18), `x_user`, `x.user` and `x-user` are one header.
const fn dash(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialized(lines: &[(&str, &str)]) -> Vec<u8> {
        let texts = || lines.iter().flat_map(|(name, value)| [name, value]);
        let mut bytes = u32::try_from(lines.len()).unwrap().to_le_bytes().to_vec();
        for text in texts() {
            bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        }
        for text in texts() {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn a_header_map_of_the_proxy_is_read_as_it_is() {
        let lines = [(":method", "GET"), ("cookie", "a=b"), ("empty", ""), ("cookie", "c=d")];
        let bytes = serialized(&lines);
        let head = RequestHead::from_proxy_wasm(&bytes).unwrap();
        assert_eq!(head.one(":method"), Values::Single(&b"GET"[..]));
        assert_eq!(head.all("cookie").collect::<Vec<_>>(), [b"a=b", b"c=d"]);
        assert_eq!(
            (head.one("empty"), head.one("none")),
            (Values::Single(&b""[..]), Values::Absent)
        );
        assert_eq!(head.one("cookie"), Values::Repeated);
        assert!(RequestHead::from_proxy_wasm(&serialized(&[])).unwrap().lines.is_empty());
    }

    #[test]
    fn a_name_is_found_in_every_spelling_that_frameworks_fold_and_nothing_else_is() {
        let lines = [
            ("x-a-b", "1"),
            ("x_a-b", "2"),
            ("x-a_b", "3"),
            ("x-a-c", "4"),
            ("-a_", "5"),
            ("_a-", "6"),
            ("x.a.b", "7"),
            ("x~a!b", "8"),
            ("x-a0b", "9"),
            (".a+", "10"),
        ];
        let bytes = serialized(&lines);
        let head = RequestHead::from_proxy_wasm(&bytes).unwrap();
        assert_eq!(
            head.spellings("x-a-b").collect::<Vec<_>>(),
            [&b"x-a-b"[..], b"x_a-b", b"x-a_b", b"x.a.b", b"x~a!b"]
        );
        assert_eq!(head.spellings("-a-").count(), 3);
        assert_eq!(head.one("x-a-b"), Values::Single(&b"1"[..]));
        assert_eq!((head.spellings("x-a").count(), head.spellings("").count()), (0, 0));
    }

    #[test]
    fn a_header_map_that_is_cut_short_or_lies_about_its_lengths_is_none() {
        let whole = serialized(&[("name", "value"), ("a", "b")]);
        for whole in [&whole, &serialized(&[("name", ""), ("a", "")])] {
            // Without the last zero byte, no text is missing.
            for length in 0..whole.len() - 1 {
                assert!(RequestHead::from_proxy_wasm(&whole[..length]).is_none(), "{length}");
            }
        }
        for at in 0..4 {
            for lie in [u32::MAX, u32::MAX / 8, 1 << 20] {
                let mut lying = whole.clone();
                lying[at * 4..at * 4 + 4].copy_from_slice(&lie.to_le_bytes());
                assert!(RequestHead::from_proxy_wasm(&lying).is_none());
            }
        }
    }
}
