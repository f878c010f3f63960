//! A request's head as the proxy has it: bytes, in the order in which they came.

/// Pseudo-headers and headers. Names are in lower case, as Envoy keeps them.
#[derive(Clone, Debug, Default)]
pub struct Head {
    lines: Vec<(String, Vec<u8>)>,
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
    /// From the lines.
    pub fn new(lines: Vec<(String, Vec<u8>)>) -> Self {
        Self { lines }
    }

    /// The values of a name, which is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.lines
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_slice())
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
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(name, _)| name.as_str())
    }

    /// GET, HEAD and OPTIONS are safe; anything else, a missing method included, is not.
    pub fn is_safe(&self) -> bool {
        matches!(self.one(":method"), Lines::One(b"GET" | b"HEAD" | b"OPTIONS"))
    }

    /// Whether the connection would leave HTTP: `Upgrade` (RFC 9110, 7.8) or extended CONNECT (RFC 8441).
    pub fn is_upgrade(&self) -> bool {
        self.one("upgrade") != Lines::None || self.one(":protocol") != Lines::None
    }
}
