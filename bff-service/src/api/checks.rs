//! The checks of a request: those before its endpoint runs, and those that endpoints make.

use crate::error_code::ErrorCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Opened};
use bff_core::request::origin::{self, CallerOrigin, OriginError, WithoutOrigin};
use bff_core::request::trusted_origins::TrustedOrigins;
use bff_core::request::values::Values;
use bff_core::session::csrf::{self, CsrfError};

use super::call::Call;
use super::error::{ApiError, Reason};
use crate::session::cookies::request::{CookieError, RequestCookies};
use crate::session::cookies::response::SetCookies;
use crate::session::cookies::settings::CookieSettings;
use crate::session::current_session::{NoSession, RequestSession};
use crate::session::device_binding::FRESH_PROOF_SECONDS;
use crate::session::device_binding::decisions::Undecided;
use crate::session::device_binding::proof::is_fresh as is_fresh_proof;
use crate::session::device_binding::standing::Standing;

/// Headers in which browsers mark a prefetch. The second one is that of older browsers.
const PREFETCH_HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The Origin of the request.
pub(super) fn caller_origin<'r>(headers: &'r HeaderMap, trusted: &TrustedOrigins) -> CallerOrigin<'r> {
    CallerOrigin::of(Values::of(headers.get_all(ORIGIN).map(HeaderValue::as_bytes)), trusted)
}

/// Checks Origin and Fetch Metadata. `is_required`: the request changes something, and must have a trusted Origin.
pub(super) fn check_origin(caller: CallerOrigin<'_>, headers: &HeaderMap, is_required: bool) -> Result<(), ApiError> {
    let sites = headers.get_all(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    let without = match is_required {
        true => WithoutOrigin::Rejected,
        false => WithoutOrigin::Allowed,
    };
    origin::check(caller, sites, without).map_err(|error| match error {
        OriginError::Untrusted => untrusted_origin(headers),
        OriginError::Missing => ApiError::unauthorized(error.details()).because(Reason::Origin),
        OriginError::CrossSite | OriginError::SameSite => {
            ApiError::unauthorized(error.details()).because(Reason::FetchMetadata)
        }
    })
}

/// The error for an Origin that is not trusted. It names the Origin for the operator, whose page may be at a new one.
pub(super) fn untrusted_origin(headers: &HeaderMap) -> ApiError {
    let details = OriginError::Untrusted.details();
    let why = match Values::of(headers.get_all(ORIGIN).map(HeaderValue::as_bytes)) {
        Values::Single(origin) => format!("{details}: `{}` is not in `trusted_web_origins`", origin::shown(origin)),
        Values::Absent | Values::Repeated => format!("{details}: the header is repeated"),
    };
    ApiError::unauthorized(why).because(Reason::Origin)
}

/// Checks by Fetch Metadata that the browser itself sent the request: the mode is `no-cors`, in which a script cannot
/// send the headers of the endpoints for device binding, and the site is `same-origin`. If `is_site_wide`, the site may
/// also be `same-site`: the browser sends the request on behalf of the site. Earlier versions of Chromium send neither
/// Fetch Metadata nor an Origin, whereas a script's POST always has an Origin.
pub(super) fn check_browser(headers: &HeaderMap, is_site_wide: bool) -> Result<(), ApiError> {
    if [SEC_FETCH_SITE, SEC_FETCH_MODE, ORIGIN]
        .iter()
        .all(|name| !headers.contains_key(name))
    {
        return Ok(());
    }
    let is = |name: HeaderName, value: &str| match Values::of(headers.get_all(&name)) {
        Values::Single(line) => line.as_bytes() == value.as_bytes(),
        Values::Absent | Values::Repeated => false,
    };
    let is_of_site = is(SEC_FETCH_SITE, "same-origin") || is_site_wide && is(SEC_FETCH_SITE, "same-site");
    match is_of_site && is(SEC_FETCH_MODE, "no-cors") {
        true => Ok(()),
        false => {
            let failure = ApiError::unauthorized("the browser itself did not send the request");
            Err(failure.because(Reason::FetchMetadata))
        }
    }
}

/// Checks that the request is a top-level navigation: not a background request of a page, and not for a frame or an
/// image. It may come from any site.
pub(super) fn check_navigation(origin: CallerOrigin<'_>, headers: &HeaderMap) -> Result<(), ApiError> {
    if origin == CallerOrigin::Untrusted {
        return Err(untrusted_origin(headers));
    }
    // Older browsers do not send Fetch Metadata.
    let is_only = |name, value: &str| {
        headers
            .get_all(name)
            .all(|line: &HeaderValue| line.as_bytes() == value.as_bytes())
    };
    match is_only("sec-fetch-mode", "navigate") && is_only("sec-fetch-dest", "document") {
        true => Ok(()),
        false => {
            let failure = ApiError::unauthorized("the request is not a navigation of the browser");
            Err(failure.because(Reason::FetchMetadata))
        }
    }
}

/// Refuses a prefetch, also one to prerender (`Sec-Purpose: prefetch;prerender`): the user may never navigate to the
/// URL, so it must not start a login or use anything up. After an error the browser requests the URL again when the
/// user navigates.
pub(super) fn check_not_prefetch(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_prefetch = |line: &HeaderValue| {
        let mut words = line.as_bytes().split(|byte| matches!(byte, b';' | b','));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"prefetch"))
    };
    match PREFETCH_HEADERS
        .iter()
        .any(|name| headers.get_all(name).any(is_prefetch))
    {
        true => Err(ApiError::new(ErrorCode::Prefetch, "the request is a prefetch")),
        false => Ok(()),
    }
}

/// Returns the session that a request acts on, and the standing of the request.
pub(super) async fn require_session(call: &Call<'_>) -> Result<(RequestSession, Standing), ApiError> {
    let session = require_even_unproven(&call.cookies)?;
    match standing(call, &session).await? {
        Some(standing) => Ok((session, standing)),
        None => Err(unproven(call, &session, ErrorCode::DeviceBindingRequired)),
    }
}

/// The error for a request without a valid proof, or without a fresh one where that is required, of a session that is
/// bound or was replaced. The response clears the device binding cookie, so that the browser gets a new proof before its
/// next request.
pub(super) fn unproven(call: &Call<'_>, session: &RequestSession, error_code: ErrorCode) -> ApiError {
    let name = call.cookies.settings().name(Purpose::DeviceBinding);
    let why = match &session.proof {
        Err(error) => format!("the session is bound to a device or was replaced, and the cookie {name} {error}"),
        Ok(_) => format!(
            "the session is bound to a device, and the proof in the cookie {name} is not known to be from the last \
             {FRESH_PROOF_SECONDS} s"
        ),
    };
    let mut set_cookies = SetCookies::new(&call.cookies);
    set_cookies.clear_if_sent(Purpose::DeviceBinding);
    ApiError::new(error_code, why)
        .because(Reason::DeviceProof)
        .with_cookies(set_cookies.into_lines())
}

/// If the session is bound to a device, checks that the device has just proved that it has the key. Actions that reach
/// beyond this session must not be possible with cookies that were copied together with an earlier proof.
pub(super) async fn check_fresh_proof(call: &Call<'_>, session: &RequestSession) -> Result<(), ApiError> {
    let is_fresh = match standing(call, session).await? {
        // There is no key, so nothing can be proved.
        Some(Standing::Live(Binding::Unbound | Binding::Provisional)) => true,
        Some(Standing::Live(Binding::Bound)) => session
            .proof
            .as_ref()
            .is_ok_and(|proof| is_fresh_proof(&proof.value, call.now)),
        Some(Standing::Superseded) | None => false,
    };
    match is_fresh {
        true => Ok(()),
        false => Err(unproven(call, session, ErrorCode::DeviceBindingRequired)),
    }
}

/// The standing of a request of this session; `None` if the request needs a proof and has none.
pub(super) async fn standing(call: &Call<'_>, session: &RequestSession) -> Result<Option<Standing>, ApiError> {
    let decisions = &call.worker.application.binding_decisions;
    let standing = Standing::of(decisions, session, call.now).await;
    standing.map_err(undecided)
}

/// The error if it is unknown whether a session is bound.
pub(super) fn undecided(why: Undecided) -> ApiError {
    match why {
        Undecided::Unavailable => ApiError::new(
            ErrorCode::RefreshUnavailable,
            "Redis is unavailable or has a malformed entry, or the list of binding decisions is full: the binding \
             decision on the session cannot be read or stored",
        ),
        Undecided::Lost => {
            let why = "it is no longer known whether the session was bound to a device: Redis has lost its entry for \
                       the session, or the service has restarted without Redis";
            ApiError::new(ErrorCode::SessionExpired, why).because(Reason::SessionExpired)
        }
    }
}

/// Returns the session of a request, even if the request needs a proof and has none.
pub(super) fn require_even_unproven(cookies: &RequestCookies<'_>) -> Result<RequestSession, ApiError> {
    RequestSession::of(cookies).map_err(|why| match why {
        NoSession::Nobody(error) => cookie_error(cookies.settings(), Purpose::Csrf, &error),
        NoSession::Different(error) => ApiError::unauthorized(error.to_string()).because(Reason::CookiesMixed),
        NoSession::Ended => ApiError::new(ErrorCode::SessionExpired, why.to_string()).because(Reason::SessionEnded),
        NoSession::Expired => ApiError::new(ErrorCode::SessionExpired, why.to_string()).because(Reason::SessionExpired),
    })
}

/// Checks that the CSRF header repeats the value of the session's CSRF cookie. Returns the value.
pub(super) fn check_csrf<'s>(
    headers: &HeaderMap,
    name: &HeaderName,
    settings: &CookieSettings,
    session: &'s RequestSession,
) -> Result<&'s [u8], ApiError> {
    let values = headers.get_all(name).map(HeaderValue::as_bytes);
    let value = csrf::header_value(Values::of(values)).map_err(csrf_error)?;
    check_csrf_value(value, settings, session)
}

/// Like [`check_csrf`], for a value from another place.
pub(super) fn check_csrf_value<'s>(
    value: Option<&[u8]>,
    settings: &CookieSettings,
    session: &'s RequestSession,
) -> Result<&'s [u8], ApiError> {
    let cookie = require(settings, Purpose::Csrf, &session.csrf)?;
    csrf::check(value, cookie, &session.current()).map_err(csrf_error)?;
    Ok(&cookie.value)
}

fn csrf_error(error: CsrfError) -> ApiError {
    ApiError::unauthorized(error.details()).because(Reason::Csrf)
}

/// Returns a cookie that the endpoint requires.
pub(super) fn require<'s, T>(
    settings: &CookieSettings,
    purpose: Purpose,
    cookie: &'s Result<T, CookieError>,
) -> Result<&'s T, ApiError> {
    cookie.as_ref().map_err(|error| cookie_error(settings, purpose, error))
}

/// The value of a cookie, if it is UTF-8.
pub(super) fn text(opened: &Opened) -> Option<String> {
    std::str::from_utf8(&opened.value).ok().map(str::to_owned)
}

/// The error for a cookie that cannot be used.
pub(super) fn cookie_error(settings: &CookieSettings, purpose: Purpose, error: &CookieError) -> ApiError {
    let reason = match error {
        CookieError::Missing => Reason::CookieMissing,
        CookieError::Expired => Reason::CookieExpired,
        CookieError::OfAnotherSession => Reason::CookiesMixed,
        CookieError::Unusable(_) => Reason::CookieUnreadable,
    };
    ApiError::unauthorized(format!("cookie {} {error}", settings.name(purpose))).because(reason)
}
