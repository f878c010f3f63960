//! Whether a request comes from a permitted origin: `Origin` (RFC 6454) together with Fetch Metadata. One rule for the
//! gateway and the service's endpoints that a page calls.

use super::fetch_metadata::FetchSite;
use super::trusted_origins::TrustedOrigins;
use super::values::Values;

/// The origin that a request states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallerOrigin<'a> {
    /// A trusted web origin, as the request spells it.
    Trusted(&'a [u8]),
    /// Another origin, or several.
    Untrusted,
    /// There is no `Origin`.
    Absent,
}

impl<'a> CallerOrigin<'a> {
    /// Reads the values of `Origin`.
    pub fn of(values: Values<&'a [u8]>, trusted: &TrustedOrigins) -> Self {
        match values {
            Values::Absent => Self::Absent,
            Values::Single(origin) if trusted.is_trusted(origin) => Self::Trusted(origin),
            Values::Single(_) | Values::Repeated => Self::Untrusted,
        }
    }
}

/// What applies to a request without `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutOrigin {
    /// It is rejected: it changes something, or upgrades the connection.
    Rejected,
    /// It is allowed unless `Sec-Fetch-Site` says that it is from another origin, since it only reads.
    Allowed,
    /// It is also allowed from a sibling domain, since the browser navigates.
    AllowedFromSameSite,
}

/// Why a request's origin is not permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.details())]
pub enum OriginError {
    /// `Origin` is not trusted, or is repeated.
    Untrusted,
    /// There is no `Origin`.
    Missing,
    /// `Sec-Fetch-Site` is `cross-site`.
    CrossSite,
    /// `Sec-Fetch-Site` is `same-site`, and there is no trusted `Origin`.
    SameSite,
}

impl OriginError {
    /// Returns the string for the log.
    pub const fn details(self) -> &'static str {
        match self {
            Self::Untrusted => "the Origin is not trusted",
            Self::Missing => "missing Origin",
            Self::CrossSite => "Sec-Fetch-Site is cross-site",
            Self::SameSite => "Sec-Fetch-Site is same-site without a trusted Origin",
        }
    }
}

/// The maximum length of an Origin in the log, in bytes.
const MAX_SHOWN_BYTES: usize = 100;

/// Returns an `Origin` that anybody may have sent, fit for a log: on one line, without quotes, and bounded.
pub fn shown(origin: &[u8]) -> String {
    let bytes = origin.iter().take(MAX_SHOWN_BYTES);
    bytes
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'/' | b'[' | b']' => {
                char::from(*byte)
            }
            _ => '?',
        })
        .collect()
}

/// Checks `Origin` and all values of `Sec-Fetch-Site`.
///
/// # Errors
/// The first rule that the request violates.
pub fn check<'a>(
    origin: CallerOrigin<'_>,
    sites: impl IntoIterator<Item = &'a [u8]>,
    without: WithoutOrigin,
) -> Result<(), OriginError> {
    let trusted = match origin {
        CallerOrigin::Trusted(_) => true,
        CallerOrigin::Absent => false,
        CallerOrigin::Untrusted => return Err(OriginError::Untrusted),
    };
    for site in sites {
        match FetchSite::parse(Some(site)) {
            FetchSite::CrossSite => return Err(OriginError::CrossSite),
            // An image or a link on a sibling domain: a script of a trusted page would send its Origin.
            FetchSite::SameSite if !trusted && without != WithoutOrigin::AllowedFromSameSite => {
                return Err(OriginError::SameSite);
            }
            FetchSite::SameSite | FetchSite::SameOrigin | FetchSite::None | FetchSite::Absent | FetchSite::Unknown => {}
        }
    }
    match trusted || without != WithoutOrigin::Rejected {
        true => Ok(()),
        false => Err(OriginError::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://www.example.com";

    fn checked(origins: &[&str], sites: &[&str], without: WithoutOrigin) -> Result<(), OriginError> {
        let trusted = TrustedOrigins::parse(&[PAGE.to_owned()], false).unwrap();
        let caller = CallerOrigin::of(Values::of(origins.iter().map(|origin| origin.as_bytes())), &trusted);
        check(caller, sites.iter().map(|site| site.as_bytes()), without)
    }

    #[test]
    fn an_origin_is_shown_on_one_line_without_quotes_and_bounded() {
        assert_eq!(shown(b"https://new.example.com:8443"), "https://new.example.com:8443");
        assert_eq!(shown(b"https://a\n`\"<b>"), "https://a????b?");
        assert_eq!(shown(&[b'a'; 1000]).len(), MAX_SHOWN_BYTES);
    }

    #[test]
    fn an_opaque_origin_is_not_trusted_whatever_fetch_metadata_say() {
        for sites in [&[][..], &["same-origin"], &["same-site"], &["none"]] {
            for without in [
                WithoutOrigin::Rejected,
                WithoutOrigin::Allowed,
                WithoutOrigin::AllowedFromSameSite,
            ] {
                // Sent from sandboxed frames, and after some redirects.
                assert_eq!(
                    checked(&["null"], sites, without),
                    Err(OriginError::Untrusted),
                    "{sites:?}"
                );
            }
        }
        assert_eq!(
            checked(&[PAGE, PAGE], &[], WithoutOrigin::Allowed),
            Err(OriginError::Untrusted)
        );
    }

    #[test]
    fn a_request_that_changes_something_needs_an_origin_also_without_fetch_metadata() {
        assert_eq!(checked(&[], &[], WithoutOrigin::Rejected), Err(OriginError::Missing));
        assert_eq!(
            checked(&[], &["same-origin"], WithoutOrigin::Rejected),
            Err(OriginError::Missing)
        );
        assert_eq!(checked(&[PAGE], &[], WithoutOrigin::Rejected), Ok(()));
        assert_eq!(checked(&[], &[], WithoutOrigin::Allowed), Ok(()));
    }

    #[test]
    fn every_value_of_sec_fetch_site_counts() {
        for sites in [
            &["same-origin", "cross-site"][..],
            &["cross-site", "same-origin"],
            &["none", "cross-site"],
        ] {
            assert_eq!(
                checked(&[PAGE], sites, WithoutOrigin::Allowed),
                Err(OriginError::CrossSite),
                "{sites:?}"
            );
        }
        let sibling = ["same-origin", "same-site"];
        assert_eq!(
            checked(&[], &sibling, WithoutOrigin::Allowed),
            Err(OriginError::SameSite)
        );
        assert_eq!(checked(&[], &sibling, WithoutOrigin::AllowedFromSameSite), Ok(()));
        assert_eq!(checked(&[PAGE], &sibling, WithoutOrigin::Allowed), Ok(()));
    }
}
