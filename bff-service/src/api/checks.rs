//! Who may call: the checks that come before an endpoint's own work.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use bff_core::csrf;
use bff_core::fetch_metadata::FetchSite;
use bff_core::origin::TrustedOrigins;
use bff_core::reply::Refusal;
use bff_core::seal::Purpose;

use super::error::{ApiError, Reason};
use crate::occurrence::Occurrence;
use crate::session::cookies::request::{CookieError, RequestCookies};
use crate::session::cookies::settings::CookieSettings;
use crate::session::current_session::{NoSession, RequestSession};

/// In which browsers say that nobody has gone there yet; the second is of older ones.
const PURPOSES: [HeaderName; 2] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request says that it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum CallerOrigin {
    /// One of the trusted web origins, as the request spelled it.
    Trusted(HeaderValue),
    /// Another one, or more than one.
    Untrusted,
    /// No Origin was sent.
    Absent,
}

impl CallerOrigin {
    /// Judges the request's Origin lines.
    pub(super) fn of(headers: &HeaderMap, trusted: &TrustedOrigins) -> CallerOrigin {
        match Occurrence::of(headers.get_all(ORIGIN)) {
            Occurrence::Absent => CallerOrigin::Absent,
            Occurrence::Single(origin) if trusted.is_trusted(origin.as_bytes()) => {
                CallerOrigin::Trusted(origin.clone())
            }
            Occurrence::Single(_) | Occurrence::Repeated => CallerOrigin::Untrusted,
        }
    }
}

/// Origin and Fetch Metadata. A request that changes anything must name its origin; one that only reads may come
/// without, as same-origin reads do.
pub(super) fn check_origin(origin: &CallerOrigin, headers: &HeaderMap, required: bool) -> Result<(), ApiError> {
    let sites = || {
        headers
            .get_all(SEC_FETCH_SITE)
            .map(|site| FetchSite::parse(Some(site.as_bytes())))
    };
    match origin {
        CallerOrigin::Untrusted => return Err(untrusted_origin()),
        CallerOrigin::Absent if required => {
            return Err(ApiError::unauthorized("there is no Origin").because(Reason::Origin));
        }
        // An image or a link on a sibling domain: not a trusted page's script, which would send its Origin.
        CallerOrigin::Absent if sites().any(|site| site == FetchSite::SameSite) => {
            let failure = ApiError::unauthorized("Sec-Fetch-Site is same-site and there is no Origin");
            return Err(failure.because(Reason::FetchMetadata));
        }
        CallerOrigin::Absent | CallerOrigin::Trusted(_) => {}
    }
    match sites().any(|site| site == FetchSite::CrossSite) {
        true => Err(ApiError::unauthorized("Sec-Fetch-Site is cross-site").because(Reason::FetchMetadata)),
        false => Ok(()),
    }
}

/// The refusal for an Origin that is not trusted.
pub(super) fn untrusted_origin() -> ApiError {
    ApiError::unauthorized("the Origin is not trusted").because(Reason::Origin)
}

/// A navigation: nothing that a page does in its background, and nothing for a frame or an image. Whether it may have
/// come from anywhere is the endpoint's matter.
pub(super) fn check_navigation(origin: &CallerOrigin, headers: &HeaderMap) -> Result<(), ApiError> {
    if *origin == CallerOrigin::Untrusted {
        return Err(untrusted_origin());
    }
    // Absent from older browsers.
    let only = |name, value: &str| {
        headers
            .get_all(name)
            .all(|line: &HeaderValue| line.as_bytes() == value.as_bytes())
    };
    match only("sec-fetch-mode", "navigate") && only("sec-fetch-dest", "document") {
        true => Ok(()),
        false => {
            let failure = ApiError::unauthorized("the request is not a navigation of the browser");
            Err(failure.because(Reason::FetchMetadata))
        }
    }
}

/// A prefetch, perhaps to prerender (`Sec-Purpose: prefetch;prerender`): the user has not gone there, and perhaps never
/// will. What a navigation begins or uses up must wait for that; after any answer but a success the browser asks again.
pub(super) fn check_not_prefetch(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_prefetch = |line: &HeaderValue| {
        let mut words = line.as_bytes().split(|byte| matches!(byte, b';' | b','));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"prefetch"))
    };
    match PURPOSES.iter().any(|name| headers.get_all(name).any(is_prefetch)) {
        true => Err(ApiError::new(
            Refusal::Prefetch,
            "the browser fetches ahead of a navigation",
        )),
        false => Ok(()),
    }
}

/// The session that a request acts on.
pub(super) fn required_session(cookies: &RequestCookies<'_>) -> Result<RequestSession, ApiError> {
    RequestSession::of(cookies).map_err(|why| match why {
        NoSession::Nobody(fault) => cookie_error(cookies.settings(), Purpose::Csrf, &fault),
        NoSession::Different(error) => ApiError::unauthorized(error.to_string()).because(Reason::CookiesMixed),
        NoSession::Ended => {
            ApiError::new(Refusal::SessionExpired, "the session was ended").because(Reason::SessionEnded)
        }
    })
}

/// The CSRF header must repeat the value in the session's CSRF cookie. Returns the value.
pub(super) fn check_csrf<'s>(
    headers: &HeaderMap,
    name: &HeaderName,
    settings: &CookieSettings,
    session: &'s RequestSession,
) -> Result<&'s [u8], ApiError> {
    match Occurrence::of(headers.get_all(name)) {
        Occurrence::Repeated => Err(ApiError::unauthorized("the CSRF header is repeated").because(Reason::Csrf)),
        line @ (Occurrence::Absent | Occurrence::Single(_)) => {
            check_csrf_value(line.single().map(HeaderValue::as_bytes), settings, session)
        }
    }
}

/// As [`check_csrf`], for a value from elsewhere.
pub(super) fn check_csrf_value<'s>(
    value: Option<&[u8]>,
    settings: &CookieSettings,
    session: &'s RequestSession,
) -> Result<&'s [u8], ApiError> {
    let cookie = required(settings, Purpose::Csrf, &session.csrf)?;
    match csrf::matches(value, cookie, &session.current()) {
        true => Ok(&cookie.value),
        false => {
            let failure = ApiError::unauthorized("the CSRF header is not what the CSRF cookie holds");
            Err(failure.because(Reason::Csrf))
        }
    }
}

/// A cookie of the session that the endpoint cannot do without.
pub(super) fn required<'s, T>(
    settings: &CookieSettings,
    purpose: Purpose,
    cookie: &'s Result<T, CookieError>,
) -> Result<&'s T, ApiError> {
    cookie.as_ref().map_err(|fault| cookie_error(settings, purpose, fault))
}

/// The refusal for a cookie that cannot be used.
pub(super) fn cookie_error(settings: &CookieSettings, purpose: Purpose, fault: &CookieError) -> ApiError {
    let reason = match fault {
        CookieError::Missing => Reason::CookieMissing,
        CookieError::Expired => Reason::CookieExpired,
        CookieError::OfAnotherSession => Reason::CookiesMixed,
        CookieError::Unusable(_) => Reason::CookieUnreadable,
    };
    ApiError::unauthorized(format!("cookie {} {fault}", settings.name(purpose))).because(reason)
}
