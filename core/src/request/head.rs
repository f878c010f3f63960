//! A request's head as the proxy holds it: bytes, in the order in which they were received.

use super::values::Values;
use crate::encoding::bytes;

/// Pseudo-headers and headers. Names are in lower case, as Envoy keeps them.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// All lines in one buffer: copying them out of the proxy is a large part of a request's cost.
    bytes: Vec<u8>,
    lines: Vec<Line>,
    /// One bit for each tag of a line. Most names that are looked up are absent, and the bits tell that at once.
    tags: u64,
}

/// The position of a line in the bytes: the name, a zero byte, the value.
#[derive(Clone, Copy, Debug)]
struct Line {
    at: u32,
    name_len: u32,
    value_len: u32,
    tag: u8,
}

impl RequestHead {
    /// Builds a head from its lines, which must have less than 4 GiB in total.
    pub fn new(lines: Vec<(String, Vec<u8>)>) -> Self {
        let len = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut head = Self::default();
        for (name, value) in lines {
            let (at, name) = (len(&head.bytes), name.as_bytes());
            head.bytes.extend_from_slice(name);
            head.bytes.push(0);
            head.bytes.extend_from_slice(&value);
            head.add(Line {
                at,
                name_len: len(name),
                value_len: len(&value),
                tag: tag(name.len(), name.first()),
            });
        }
        head
    }

    /// Parses a header map of proxy-wasm: the number of lines and the lengths of each name and value, as 32-bit
    /// little-endian integers; then the names and values, each followed by a zero byte. `None` if it is cut short.
    pub fn from_proxy_wasm(bytes: Vec<u8>) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let sizes_len = count.checked_mul(8)?;
        let (sizes, _) = rest.get(..sizes_len)?.as_chunks::<8>();
        let mut head = Self {
            bytes: Vec::new(),
            lines: Vec::with_capacity(count),
            tags: 0,
        };
        let mut at = u32::try_from(sizes_len).ok()?.checked_add(4)?;
        for size in sizes {
            // The name's length is in the lower half, the value's in the upper half.
            let sizes = u64::from_le_bytes(*size);
            let (name_len, value_len) = (
                u32::try_from(sizes & 0xffff_ffff).ok()?,
                u32::try_from(sizes >> 32).ok()?,
            );
            let (name, first) = (usize::try_from(name_len).ok()?, usize::try_from(at).ok()?);
            head.add(Line {
                at,
                name_len,
                value_len,
                tag: tag(name, bytes.get(first)),
            });
            at = at.checked_add(name_len)?.checked_add(value_len)?.checked_add(2)?;
        }
        // Only the last zero byte may be missing: nothing follows it, so the text is complete without it.
        let end = usize::try_from(at).ok()?.checked_sub(usize::from(count > 0))?;
        let is_whole = end <= bytes.len();
        head.bytes = bytes;
        is_whole.then_some(head)
    }

    fn add(&mut self, line: Line) {
        self.tags |= bit(line.tag);
        self.lines.push(line);
    }

    /// Returns the values of a name, which must be in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.lines_tagged(name)
            .filter(move |line| bytes::equal(self.name(line), name.as_bytes()))
            .map(|line| self.value(line))
    }

    /// Returns the value of a name that may occur once.
    pub fn one<'a>(&'a self, name: &'a str) -> Values<&'a [u8]> {
        Values::of(self.all(name))
    }

    /// Returns the names in the head that frameworks may read as `name`, which must be in lower case: every byte other
    /// than a letter or digit counts as `-`.
    pub fn spellings<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.lines_tagged(name)
            .map(|line| self.name(line))
            .filter(move |spelling| {
                spelling.len() == name.len()
                    && spelling
                        .iter()
                        .zip(name.as_bytes())
                        .all(|(one, other)| dash(*one) == *other)
            })
    }

    /// Whether the method is safe: GET, HEAD or OPTIONS. Anything else, including a missing method, is not.
    pub fn is_safe(&self) -> bool {
        matches!(self.one(":method"), Values::Single(b"GET" | b"HEAD" | b"OPTIONS"))
    }

    /// Whether the connection would leave HTTP: `Upgrade` (RFC 9110, section 7.8) or extended CONNECT (RFC 8441).
    pub fn is_upgrade(&self) -> bool {
        self.one("upgrade") != Values::Absent || self.one(":protocol") != Values::Absent
    }

    fn lines_tagged(&self, name: &str) -> impl Iterator<Item = &Line> {
        let tag = tag(name.len(), name.as_bytes().first());
        let lines = if self.tags & bit(tag) == 0 {
            &[][..]
        } else {
            self.lines.as_slice()
        };
        lines.iter().filter(move |line| line.tag == tag)
    }

    fn name(&self, line: &Line) -> &[u8] {
        self.text(line.at, line.name_len)
    }

    fn value(&self, line: &Line) -> &[u8] {
        let at = line.at.saturating_add(line.name_len).saturating_add(1);
        self.text(at, line.value_len)
    }

    fn text(&self, at: u32, len: u32) -> &[u8] {
        let range = usize::try_from(at).ok().zip(usize::try_from(len).ok());
        range
            .and_then(|(at, len)| self.bytes.get(at..)?.get(..len))
            .unwrap_or_default()
    }
}

/// Returns a fingerprint of a name, below 64, from its length and first byte. Names with different tags are different,
/// and not even spellings of one name.
fn tag(len: usize, first: Option<&u8>) -> u8 {
    let len = u8::try_from(len & 63).unwrap_or(0);
    (len ^ dash(first.copied().unwrap_or(0)).rotate_left(3)) & 63
}

fn bit(tag: u8) -> u64 {
    1u64.wrapping_shl(u32::from(tag))
}

/// Maps all bytes that many frameworks do not distinguish to `-`: if they name variables like CGI (RFC 3875, section
/// 4.1.18), `x_user`, `x.user` and `x-user` are one header.
fn dash(byte: u8) -> u8 {
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
        let head = RequestHead::from_proxy_wasm(serialized(&lines)).unwrap();
        assert_eq!(head.one(":method"), Values::Single(&b"GET"[..]));
        assert_eq!(head.all("cookie").collect::<Vec<_>>(), [b"a=b", b"c=d"]);
        assert_eq!(
            (head.one("empty"), head.one("none")),
            (Values::Single(&b""[..]), Values::Absent)
        );
        assert_eq!(head.one("cookie"), Values::Repeated);
        assert!(RequestHead::from_proxy_wasm(serialized(&[])).unwrap().lines.is_empty());
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
        let head = RequestHead::from_proxy_wasm(serialized(&lines)).unwrap();
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
        // Without the last zero byte, no text is missing.
        for length in 0..whole.len() - 1 {
            assert!(
                RequestHead::from_proxy_wasm(whole[..length].to_vec()).is_none(),
                "{length}"
            );
        }
        for at in 0..4 {
            for lie in [u32::MAX, u32::MAX / 8, 1 << 20] {
                let mut lying = whole.clone();
                lying[at * 4..at * 4 + 4].copy_from_slice(&lie.to_le_bytes());
                assert!(RequestHead::from_proxy_wasm(lying).is_none());
            }
        }
    }
}
