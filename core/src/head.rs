//! A request's head as the proxy has it: bytes, in the order in which they came.

/// Pseudo-headers and headers. Names are in lower case, as Envoy keeps them.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// All of them in one piece: copying them out of the proxy is a good part of what a request costs.
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// Where a line is in the bytes.
#[derive(Clone, Copy, Debug)]
struct Line {
    name_at: u32,
    name_len: u32,
    value_at: u32,
    value_len: u32,
}

/// How many lines of a name there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines<'a> {
    /// None.
    None,
    /// One.
    One(&'a [u8]),
    /// More: which one is meant cannot be known.
    Several,
}

impl Head {
    /// From the lines. A head of 4 GiB is no head.
    pub fn new(lines: Vec<(String, Vec<u8>)>) -> Self {
        let mut head = Self::default();
        for (name, value) in lines {
            let mut add = |text: &[u8]| {
                let start = u32::try_from(head.bytes.len()).unwrap_or(u32::MAX);
                head.bytes.extend_from_slice(text);
                (start, u32::try_from(text.len()).unwrap_or(0))
            };
            let ((name_at, name_len), (value_at, value_len)) = (add(name.as_bytes()), add(&value));
            head.lines.push(Line {
                name_at,
                name_len,
                value_at,
                value_len,
            });
        }
        head
    }

    /// From a header map as proxy-wasm hands it over: the number of lines, then the lengths of each name and value, all
    /// of them 32 bits in little endian; then the names and values, a zero byte after each. `None`: it is cut short.
    pub fn from_proxy_wasm(bytes: Vec<u8>) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let sizes_len = count.checked_mul(8)?;
        let (sizes, _) = rest.get(..sizes_len)?.as_chunks::<8>();
        let mut lines = Vec::with_capacity(count);
        let mut at = u32::try_from(sizes_len).ok()?.checked_add(4)?;
        for size in sizes {
            // The name's length in the lower half, the value's in the upper.
            let sizes = u64::from_le_bytes(*size);
            let (name_len, value_len) = (
                u32::try_from(sizes & 0xffff_ffff).ok()?,
                u32::try_from(sizes >> 32).ok()?,
            );
            let name_at = at;
            let value_at = name_at.checked_add(name_len)?.checked_add(1)?;
            at = value_at.checked_add(value_len)?.checked_add(1)?;
            lines.push(Line {
                name_at,
                name_len,
                value_at,
                value_len,
            });
        }
        // Each zero byte but the last is followed by something: when the end is there, so is all before it.
        let end = usize::try_from(at).ok()?.checked_sub(usize::from(count > 0))?;
        (end <= bytes.len()).then_some(Self { bytes, lines })
    }

    /// The values of a name, which is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.lines
            .iter()
            .filter(move |line| usize::try_from(line.name_len) == Ok(name.len()) && self.name(line) == name.as_bytes())
            .map(|line| self.text(line.value_at, line.value_len))
    }

    /// The value of a name that should be there once.
    pub fn one<'a>(&'a self, name: &'a str) -> Lines<'a> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Lines::None,
            (Some(value), None) => Lines::One(value),
            _ => Lines::Several,
        }
    }

    /// The names of all lines.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| self.name(line))
    }

    /// GET, HEAD and OPTIONS are safe; anything else, a missing method included, is not.
    pub fn is_safe(&self) -> bool {
        matches!(self.one(":method"), Lines::One(b"GET" | b"HEAD" | b"OPTIONS"))
    }

    /// Whether the connection would leave HTTP: `Upgrade` (RFC 9110, 7.8) or extended CONNECT (RFC 8441).
    pub fn is_upgrade(&self) -> bool {
        self.one("upgrade") != Lines::None || self.one(":protocol") != Lines::None
    }

    fn name(&self, line: &Line) -> &[u8] {
        self.text(line.name_at, line.name_len)
    }

    fn text(&self, at: u32, len: u32) -> &[u8] {
        let text = usize::try_from(at).ok().zip(usize::try_from(len).ok());
        text.and_then(|(at, len)| self.bytes.get(at..)?.get(..len))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialised(lines: &[(&str, &str)]) -> Vec<u8> {
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
        let head = Head::from_proxy_wasm(serialised(&lines)).unwrap();
        assert_eq!(head.one(":method"), Lines::One(b"GET"));
        assert_eq!(head.all("cookie").collect::<Vec<_>>(), [b"a=b", b"c=d"]);
        assert_eq!((head.one("empty"), head.one("none")), (Lines::One(b""), Lines::None));
        assert_eq!(head.one("cookie"), Lines::Several);
        assert!(Head::from_proxy_wasm(serialised(&[])).unwrap().names().next().is_none());
    }

    #[test]
    fn a_header_map_that_is_cut_short_or_lies_about_its_lengths_is_none() {
        let whole = serialised(&[("name", "value"), ("a", "b")]);
        // Without the last zero byte nothing of the text is missing.
        for length in 0..whole.len() - 1 {
            assert!(Head::from_proxy_wasm(whole[..length].to_vec()).is_none(), "{length}");
        }
        for at in 0..4 {
            for lie in [u32::MAX, u32::MAX / 8, 1 << 20] {
                let mut lying = whole.clone();
                lying[at * 4..at * 4 + 4].copy_from_slice(&lie.to_le_bytes());
                assert!(Head::from_proxy_wasm(lying).is_none());
            }
        }
    }
}
