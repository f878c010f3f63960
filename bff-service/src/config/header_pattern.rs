//! Header names, and prefixes of header names.

/// A header name, or a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPattern {
    /// A name, in lower case.
    Name(String),
    /// The prefix of longer names, in lower case.
    Prefix(String),
}

impl HeaderPattern {
    /// Parses `baggage` or `x-datadog-*`. `None`: neither.
    pub fn parse(pattern: &str) -> Option<HeaderPattern> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
        };
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_suffix("-*") {
            Some(name) => is_name(name).then(|| HeaderPattern::Prefix(format!("{name}-"))),
            None => is_name(&pattern).then_some(HeaderPattern::Name(pattern)),
        }
    }

    /// Whether the pattern matches this name, in lower case.
    pub fn is_match(&self, name: &str) -> bool {
        match self {
            HeaderPattern::Name(only) => only == name,
            HeaderPattern::Prefix(prefix) => prefix.len() < name.len() && name.starts_with(prefix),
        }
    }
}
