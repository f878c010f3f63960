//! Whether a request comes from where it may: `Origin` (RFC 6454) together with Fetch Metadata. The one rule of the gateway and of the
//! service's endpoints.

use super::fetch_metadata::FetchSite;
use super::trusted_origins::TrustedOrigins;
use super::values::Values;

/// Where a request says that it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallerOrigin<'a> {
    /// A trusted web origin, as the request spells it.
    Trusted(&'a [u8]),
    /// Another origin, or more than one.
    Untrusted,
    /// There is no `Origin`.
    Absent,
}

impl<'a> CallerOrigin<'a> {
    /// From the values of `Origin`.
    pub fn of(values: Values<&'a [u8]>, trusted: &TrustedOrigins) -> Self {
        match values {
            Values::Absent => Self::Absent,
            Values::Single(origin) if trusted.is_trusted(origin) => Self::Trusted(origin),
            Values::Single(_) | Values::Repeated => Self::Untrusted,
        }
    }
}

/// What a request must show that has no trusted origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutOrigin {
    /// Nothing may come without: the request changes something, or reaches for more than an answer.
    Refused,
    /// A request that only reads may come from the same origin, or from the user.
    Allowed,
    /// It may also come from a sibling domain: the browser navigates.
    AllowedFromSameSite,
}

/// Why a request may not come from where it comes from.
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
    /// For the log.
    pub const fn details(self) -> &'static str {
        match self {
            Self::Untrusted => "the Origin is not trusted",
            Self::Missing => "missing Origin",
            Self::CrossSite => "Sec-Fetch-Site is cross-site",
            Self::SameSite => "Sec-Fetch-Site is same-site without a trusted Origin",
        }
    }
}

/// Checks `Origin` and the values of `Sec-Fetch-Site`, each of which counts.
///
/// # Errors
/// The first rule that the request breaks.
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
    match trusted || without != WithoutOrigin::Refused {
        true => Ok(()),
        false => Err(OriginError::Missing),
    }
}
