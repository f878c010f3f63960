//! The cookies of a request.

use bff_core::cookie::jar::CookieJar;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, OpenError, Opened};
use bff_core::session::current_session::CurrentSession;

use super::settings::CookieSettings;
use crate::session::ended;

/// Why a cookie cannot be used. The response distinguishes at most [`CookieError::Missing`] and
/// [`CookieError::Expired`] from the others. The log distinguishes all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CookieError {
    /// The request has no such cookie.
    #[error("is missing")]
    Missing,
    /// The cookie is authentic and has expired.
    #[error("has expired")]
    Expired,
    /// The cookie is authentic and belongs to another session.
    #[error("belongs to another session")]
    OfAnotherSession,
    /// The cookie lacks a part, cannot be decrypted, or does not have the content that its purpose requires. The string says
    /// which.
    #[error("{0}")]
    Unusable(String),
}

/// The cookies of one request, which are opened on demand.
#[derive(Clone)]
pub struct RequestCookies<'a> {
    settings: &'a CookieSettings,
    ended: &'a ended::List,
    jar: CookieJar<'a>,
    place: Place<'a>,
    now: u64,
}

/// The URL of a request, which decides which cookies the browser sent.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The host, as the request names it.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
}

impl<'a> RequestCookies<'a> {
    /// The cookies in the `Cookie` lines of a request to `place` at `now` (seconds since 1970).
    pub fn new(
        settings: &'a CookieSettings,
        ended: &'a ended::List,
        lines: impl IntoIterator<Item = &'a [u8]>,
        place: Place<'a>,
        now: u64,
    ) -> RequestCookies<'a> {
        RequestCookies {
            place,
            settings,
            ended,
            jar: CookieJar::parse(lines, &settings.names),
            now,
        }
    }

    /// The cookie settings.
    pub fn settings(&self) -> &'a CookieSettings {
        self.settings
    }

    /// The received cookies by name.
    pub fn jar(&self) -> &CookieJar<'a> {
        &self.jar
    }

    /// The URL of the request.
    pub fn place(&self) -> Place<'a> {
        self.place
    }

    /// The time of the request, in seconds since 1970.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The list of ended sessions.
    pub fn ended(&self) -> &'a ended::List {
        self.ended
    }

    /// The authentic cookies for `purpose`, expired or not, of sessions with any binding.
    pub fn authentic(&self, purpose: Purpose) -> Authentic {
        let mut authentic = Authentic {
            opened: Vec::new(),
            error: match self.jar.has(purpose) {
                true => CookieError::Unusable("lacks a part".to_owned()),
                false => CookieError::Missing,
            },
        };
        for value in self.jar.values(purpose, self.settings.max_parts) {
            match self.settings.sealer.open_even_expired_in_any(purpose, &value) {
                Ok(opened) => authentic.opened.push(opened),
                Err(error) => authentic.error = CookieError::Unusable(error.to_string()),
            }
        }
        authentic
    }

    /// Whether a cookie that identifies the session, or the device key cookie, names a cookie key that is not in the
    /// ring.
    pub fn has_unknown_key(&self) -> bool {
        let purposes = [Purpose::AccessToken, Purpose::Csrf, Purpose::DeviceKey];
        purposes.into_iter().any(|purpose| {
            let values = self.jar.values(purpose, self.settings.max_parts);
            let sealer = &self.settings.sealer;
            let open = |value: &[u8]| sealer.open_even_expired_in_any(purpose, value);
            values
                .iter()
                .any(|value| matches!(open(value), Err(OpenError::UnknownKey(_))))
        })
    }

    /// Whether the request has the cookie for `purpose` under its unsplit name, valid or not.
    pub fn has_whole(&self, purpose: Purpose) -> bool {
        self.jar.has_whole(purpose)
    }

    /// Whether the request has the cookie for `purpose`, or a part of it, with a value, valid or not.
    pub fn has_value(&self, purpose: Purpose) -> bool {
        self.jar.has_value(purpose)
    }

    /// The numbers of the received parts of the cookie for `purpose`, valid or not.
    pub fn parts(&self, purpose: Purpose) -> Vec<usize> {
        let mut parts = self.jar.parts(purpose);
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

/// The authentic cookies of one name.
pub struct Authentic {
    /// In the order of [`CookieJar::values`].
    pub opened: Vec<Opened>,
    /// The error of the last cookie that is not authentic. If there is none: that a part is missing, or
    /// [`CookieError::Missing`].
    error: CookieError,
}

impl Authentic {
    /// The cookies that have not expired.
    ///
    /// # Errors
    /// All have expired, or there is no authentic cookie.
    pub fn unexpired(mut self, now: u64) -> Result<Vec<Opened>, CookieError> {
        let any = !self.opened.is_empty();
        self.opened.retain(|opened| opened.expires_at > now);
        match self.opened.is_empty() {
            false => Ok(self.opened),
            true if any => Err(CookieError::Expired),
            true => Err(self.error),
        }
    }

    /// When the last of the cookies of this session expires or expired, in seconds since 1970; `None` if there is none.
    pub fn latest_end(&self, session: &CurrentSession, purpose: Purpose) -> Option<u64> {
        let of_session = self.opened.iter().filter(|opened| session.has(purpose, opened.session));
        of_session.map(|opened| opened.expires_at).max()
    }

    /// The binding with which the cookies of this session are sealed, of several the greatest; `None` if there is no such
    /// cookie.
    pub fn binding(&self, session: &CurrentSession, purpose: Purpose) -> Option<Binding> {
        let of_session = self.opened.iter().filter(|opened| session.has(purpose, opened.session));
        of_session.map(|opened| opened.binding).max()
    }

    /// Only the cookies of bound sessions.
    pub fn bound(mut self) -> Authentic {
        self.opened.retain(|opened| opened.binding == Binding::Bound);
        self
    }

    /// The cookie that counts in this session: if there are several, the newest one, with the greatest `made`.
    ///
    /// # Errors
    /// This session has no such cookie that has not expired. The error is the most specific one.
    pub fn of_session(
        mut self,
        session: &CurrentSession,
        purpose: Purpose,
        now: u64,
        made: impl Fn(&Opened) -> u64,
    ) -> Result<Opened, CookieError> {
        let any = !self.opened.is_empty();
        self.opened.retain(|opened| session.has(purpose, opened.session));
        if any && self.opened.is_empty() {
            return Err(CookieError::OfAnotherSession);
        }
        let opened = self.unexpired(now)?;
        // If several are equal, the first one: browsers send the cookie with the longest Path first.
        let newest = opened.into_iter().rev().max_by_key(made);
        newest.ok_or(CookieError::Missing)
    }
}
