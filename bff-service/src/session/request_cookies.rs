//! The cookies that a request brought.

use bff_core::cookie::{CookieError, CookieJar};
use bff_core::seal::{OpenError, Opened, Purpose};

use super::CookieSettings;
use super::ended_sessions::EndedList;

/// Why a cookie cannot be used. The caller of the API hears the same of all but [`CookieFault::Missing`] and
/// [`CookieFault::Expired`]; the log hears which it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CookieFault {
    /// It was not sent.
    Missing,
    /// It is ours, and its time is over.
    Expired,
    /// It is ours, and its session was ended.
    SessionEnded,
    /// It is none that we made for this purpose, or it was sent more than once.
    Unusable(String),
}

impl std::fmt::Display for CookieFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CookieFault::Missing => f.write_str("is missing"),
            CookieFault::Expired => f.write_str("has expired"),
            CookieFault::SessionEnded => f.write_str("is of a session that was ended"),
            CookieFault::Unusable(why) => f.write_str(why),
        }
    }
}

/// The cookies of one request, opened on demand.
#[derive(Clone)]
pub struct RequestCookies<'a> {
    settings: &'a CookieSettings,
    ended: &'a EndedList,
    jar: CookieJar<'a>,
    now: u64,
}

impl<'a> RequestCookies<'a> {
    /// The cookies of these `Cookie` lines, as seen at `now` (UNIX seconds).
    pub fn new(
        settings: &'a CookieSettings,
        ended: &'a EndedList,
        lines: impl IntoIterator<Item = &'a [u8]>,
        now: u64,
    ) -> RequestCookies<'a> {
        RequestCookies {
            settings,
            ended,
            jar: CookieJar::parse(lines, &settings.names),
            now,
        }
    }

    /// The settings by which they are read.
    pub fn settings(&self) -> &'a CookieSettings {
        self.settings
    }

    /// The time of the request, in UNIX seconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Opens the cookie for `purpose`.
    pub fn open(&self, purpose: Purpose) -> Result<Opened, CookieFault> {
        let value = match self.jar.get(purpose, self.settings.max_parts) {
            Ok(Some(value)) => value,
            Ok(None) => return Err(CookieFault::Missing),
            Err(error) => return Err(CookieFault::Unusable(error.to_string())),
        };
        let opened = self
            .settings
            .sealer
            .open(purpose, &value, self.now)
            .map_err(|error| match error {
                OpenError::Expired => CookieFault::Expired,
                error => CookieFault::Unusable(error.to_string()),
            })?;
        match opened.session {
            Some(session) if self.ended.contains(&session, opened.began_at) => Err(CookieFault::SessionEnded),
            _ => Ok(opened),
        }
    }

    /// Whether the request brought the cookie for `purpose` under its own name, usable or not.
    pub fn has_whole(&self, purpose: Purpose) -> bool {
        match self.jar.get(purpose, usize::MAX) {
            Ok(Some(_)) => self.jar.parts(purpose).is_empty(),
            // Among others this is what a whole cookie beside parts comes to.
            Err(CookieError::Repeated) => true,
            Ok(None) | Err(_) => false,
        }
    }

    /// The numbers of the parts of the cookie for `purpose` that the request brought, usable or not.
    pub fn parts(&self, purpose: Purpose) -> Vec<usize> {
        let mut parts = self.jar.parts(purpose);
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}
