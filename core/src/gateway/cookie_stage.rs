//! The cookie stage (`bff_token`): Origin and Fetch Metadata, access token cookie, CSRF, device binding.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::config::BffToken;
use super::cookie_cache::{CachedCookie, CookieCache};
use super::error_code::ErrorCode;
use super::header_mutations::HeaderMutations;
use super::rejection::Rejection;
use crate::cookie::jar::CookieJar;
use crate::cookie::parts::MAX_PARTS;
use crate::cookie::purpose::Purpose;
use crate::cookie::seal::{Binding, OpenError, Opened};
use crate::request::access_token;
use crate::request::head::RequestHead;
use crate::request::origin::{self, CallerOrigin, WithoutOrigin};
use crate::request::values::Values;
use crate::session::csrf::{self, CsrfError};
use crate::session::current_session::{CurrentSession, DifferentSessions};

/// Returns the access token cookie of a request that passes the stage. `None`: the request has `Authorization` and no
/// session cookies, and skips the stage (`allow_tokens`).
pub(crate) fn access_token(
    stage: &BffToken,
    cookies: &mut CookieCache,
    head: &RequestHead,
    mutations: &mut HeaderMutations,
    now: u64,
) -> Result<Option<CachedCookie>, Rejection> {
    let jar = CookieJar::parse(head.all("cookie"), &stage.names);
    let has_session = jar.has(Purpose::AccessToken) || jar.has(Purpose::Csrf);
    if stage.allow_tokens && !has_session && head.one("authorization") != Values::Absent {
        // Cookies with the service's names may be from another host: they do not count and are not forwarded.
        if jar.has_bff_cookies() || !stage.drop_cookies.is_empty() {
            mutations.replace_cookies(jar.without(&stage.drop_cookies));
        }
        return Ok(None);
    }
    let is_safe = head.is_safe();
    check_origin(stage, head, is_safe)?;

    // Refresh token, ID token and login cookies are not needed here, so they are not opened.
    let found = open_access_token(stage, cookies, &jar, now)?;
    let session = CurrentSession::of_access_token(found.cookie.content.session);
    if stage.verify_csrf && (stage.require_header || !is_safe) {
        let header = csrf::header_value(head.one(&stage.csrf_header));
        let header = header.map_err(|error| Rejection::unauthorized(error.details()))?;
        check_cookie(stage, cookies, &jar, Purpose::Csrf, &CSRF, now, |cookie| {
            csrf::check(header, cookie, &session).map_err(CsrfError::details)
        })
        .map_err(Rejection::unauthorized)?;
    }
    if found.cookie.content.binding == Binding::Bound {
        check_cookie(
            stage,
            cookies,
            &jar,
            Purpose::DeviceBinding,
            &DEVICE_BINDING,
            now,
            |cookie| {
                let is_of_session = session.has(Purpose::DeviceBinding, cookie.session);
                match cookie.binding == Binding::Bound && is_of_session {
                    true => Ok(()),
                    false => Err("the device binding cookie belongs to another session"),
                }
            },
        )
        .map_err(|details| Rejection::new(ErrorCode::DeviceBindingRequired, details))?;
    }
    // If information about the token is cached, the token has passed this check before.
    if found.token.is_none() {
        access_token::check(&found.cookie.content.value).map_err(Rejection::unauthorized)?;
    }
    mutations.replace_cookies(jar.without(&stage.drop_cookies));
    Ok(Some(found))
}

fn check_origin(stage: &BffToken, head: &RequestHead, is_safe: bool) -> Result<(), Rejection> {
    let without = if !is_safe || head.is_upgrade() {
        WithoutOrigin::Rejected
    } else if stage.allow_navigation && is_navigation(head) {
        WithoutOrigin::AllowedFromSameSite
    } else {
        WithoutOrigin::Allowed
    };
    let caller = CallerOrigin::of(head.one("origin"), &stage.origins);
    origin::check(caller, head.all("sec-fetch-site"), without).map_err(|error| Rejection::unauthorized(error.details()))
}

/// Whether the browser navigates, for example because the user follows a link.
fn is_navigation(head: &RequestHead) -> bool {
    head.one(":method") == Values::Single(b"GET") && head.one("sec-fetch-mode") == Values::Single(b"navigate")
}

fn open_access_token(
    stage: &BffToken,
    cookies: &mut CookieCache,
    jar: &CookieJar<'_>,
    now: u64,
) -> Result<CachedCookie, Rejection> {
    const UNREADABLE: &str = "the access token cookie cannot be decrypted (unknown key, or altered)";
    let values = jar.values(Purpose::AccessToken, MAX_PARTS);
    let value = match values.as_slice() {
        [] => return Err(Rejection::unauthorized("missing access token cookie")),
        [value] => value,
        several => newest(stage, cookies, several)?.ok_or(Rejection::unauthorized(UNREADABLE))?,
    };
    cookies
        .open(&stage.sealer, Purpose::AccessToken, value, now)
        .map_err(|error| {
            Rejection::unauthorized(match error {
                OpenError::Expired => "the access token cookie has expired",
                OpenError::Malformed | OpenError::UnknownKey(_) | OpenError::NotAuthentic => UNREADABLE,
            })
        })
}

/// Returns the access token cookie that expires last of several of one session; `None` if none can be decrypted.
fn newest<'a>(
    stage: &BffToken,
    cookies: &mut CookieCache,
    values: &'a [Cow<'_, [u8]>],
) -> Result<Option<&'a Cow<'a, [u8]>>, Rejection> {
    let open = |value: &'a Cow<'_, [u8]>| {
        let opened = stage
            .sealer
            .open_even_expired_in_any(Purpose::AccessToken, value)
            .inspect_err(|error| cookies.note_unknown_key(error))
            .ok()?;
        Some((value, opened))
    };
    let opened: SmallVec<[_; 4]> = values.iter().filter_map(open).collect();
    match CurrentSession::named_by(opened.iter().map(|(_, opened)| opened.session), []) {
        Ok(_) => {
            let newest = opened.iter().max_by_key(|(_, opened)| opened.expires_at);
            Ok(newest.map(|(value, _)| *value))
        }
        Err(DifferentSessions) => Err(Rejection::unauthorized(
            "the access token cookies belong to different sessions",
        )),
    }
}

/// What the log says of a cookie that a request needs beside the access token cookie.
struct Details {
    missing: &'static str,
    expired: &'static str,
    unreadable: &'static str,
}

const CSRF: Details = Details {
    missing: "missing CSRF cookie",
    expired: "the CSRF cookie has expired",
    unreadable: "the CSRF cookie cannot be decrypted (unknown key, or altered)",
};

const DEVICE_BINDING: Details = Details {
    missing: "missing device binding cookie",
    expired: "the device binding cookie has expired",
    unreadable: "the device binding cookie cannot be decrypted (unknown key, or altered)",
};

/// Checks that one of the cookies for a purpose opens and passes `check`. The error says what is wrong with the last one.
fn check_cookie(
    stage: &BffToken,
    cookies: &mut CookieCache,
    jar: &CookieJar<'_>,
    purpose: Purpose,
    details: &Details,
    now: u64,
    check: impl Fn(&Opened) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mut last = details.missing;
    for value in jar.values(purpose, MAX_PARTS) {
        last = match cookies.open(&stage.sealer, purpose, &value, now) {
            Ok(found) => match check(&found.cookie.content) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            Err(OpenError::Expired) => details.expired,
            Err(OpenError::Malformed | OpenError::UnknownKey(_) | OpenError::NotAuthentic) => details.unreadable,
        };
    }
    Err(last)
}
