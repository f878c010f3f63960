//! Names of headers, one by one or all that begin alike.

/// A header's name, or the beginning of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPattern {
    /// This one, in lower case.
    Name(String),
    /// Every longer one that begins so, in lower case.
    Prefix(String),
}

impl HeaderPattern {
    /// Reads `baggage` or `x-datadog-*`. `None`: neither.
    pub fn parse(text: &str) -> Option<HeaderPattern> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
        };
        let text = text.to_ascii_lowercase();
        match text.strip_suffix("-*") {
            Some(name) => is_name(name).then(|| HeaderPattern::Prefix(format!("{name}-"))),
            None => is_name(&text).then_some(HeaderPattern::Name(text)),
        }
    }

    /// Whether it has this name, which is in lower case.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            HeaderPattern::Name(only) => only == name,
            HeaderPattern::Prefix(prefix) => prefix.len() < name.len() && name.starts_with(prefix),
        }
    }
}
