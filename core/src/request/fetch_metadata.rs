//! Fetch Metadata (W3C Fetch Metadata Request Headers): what the browser says about where a request comes from.

/// The value of `Sec-Fetch-Site`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchSite {
    /// From another site.
    CrossSite,
    /// From another origin of the same site, such as a sibling domain.
    SameSite,
    /// From the same origin.
    SameOrigin,
    /// Started by the user: a bookmark, the address bar.
    None,
    /// No such header, for example from an older browser or from no browser.
    Absent,
    /// A value that the specification does not define.
    Unknown,
}

impl FetchSite {
    /// Parses the header's value; `None` means that there is no such header. Values are lower-case tokens.
    pub fn parse(value: Option<&[u8]>) -> Self {
        match value {
            None => Self::Absent,
            Some(b"cross-site") => Self::CrossSite,
            Some(b"same-site") => Self::SameSite,
            Some(b"same-origin") => Self::SameOrigin,
            Some(b"none") => Self::None,
            Some(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_known_in_its_one_spelling() {
        for (value, site) in [
            (&b"cross-site"[..], FetchSite::CrossSite),
            (b"same-site", FetchSite::SameSite),
            (b"same-origin", FetchSite::SameOrigin),
            (b"none", FetchSite::None),
            (b"", FetchSite::Unknown),
            (b"Cross-Site", FetchSite::Unknown),
            (b"same-site, none", FetchSite::Unknown),
        ] {
            assert_eq!(FetchSite::parse(Some(value)), site, "{}", value.escape_ascii());
        }
        assert_eq!(FetchSite::parse(None), FetchSite::Absent);
    }
}
