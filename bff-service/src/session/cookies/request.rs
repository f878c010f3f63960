//! The cookies that a request brought.

use bff_core::cookie::jar::CookieJar;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Opened;
use bff_core::session::current_session::CurrentSession;

use super::settings::CookieSettings;
use crate::session::ended;

/// Why a cookie cannot be used. The caller of the API hears the same of all but [`CookieError::Missing`] and
/// [`CookieError::Expired`]; the log hears which it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CookieError {
    /// It was not sent.
    #[error("is missing")]
    Missing,
    /// It is ours, and its time is over.
    #[error("has expired")]
    Expired,
    /// It is ours, and of another session.
    #[error("is of another session")]
    OfAnotherSession,
    /// It is none that we made for this purpose.
    #[error("{0}")]
    Unusable(String),
}

/// The cookies of one request, opened on demand.
#[derive(Clone)]
pub struct RequestCookies<'a> {
    settings: &'a CookieSettings,
    ended: &'a ended::List,
    jar: CookieJar<'a>,
    place: Place<'a>,
    now: u64,
}

/// Where a request went: that decides which cookies the browser sent along.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The host, as the request names it.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
}

impl<'a> RequestCookies<'a> {
    /// The cookies of these `Cookie` lines of a request to `place`, as seen at `now` (UNIX seconds).
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

    /// The settings by which they are read.
    pub fn settings(&self) -> &'a CookieSettings {
        self.settings
    }

    /// What came, under which names.
    pub fn jar(&self) -> &CookieJar<'a> {
        &self.jar
    }

    /// Where the request went.
    pub fn place(&self) -> Place<'a> {
        self.place
    }

    /// The time of the request, in UNIX seconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The list of the sessions that are over.
    pub fn ended(&self) -> &'a ended::List {
        self.ended
    }

    /// What came under the name of the cookie for `purpose` and is authentic, expired or not.
    pub fn authentic(&self, purpose: Purpose) -> Authentic {
        let mut authentic = Authentic {
            opened: Vec::new(),
            fault: match self.jar.has(purpose) {
                true => CookieError::Unusable("lacks a part".to_owned()),
                false => CookieError::Missing,
            },
        };
        for value in self.jar.values(purpose, self.settings.max_parts) {
            match self.settings.sealer.open_even_expired(purpose, &value) {
                Ok(opened) => authentic.opened.push(opened),
                Err(error) => authentic.fault = CookieError::Unusable(error.to_string()),
            }
        }
        authentic
    }

    /// Whether the request brought the cookie for `purpose` under its own name, usable or not.
    pub fn has_whole(&self, purpose: Purpose) -> bool {
        self.jar.has_whole(purpose)
    }

    /// Whether the request brought the cookie for `purpose`, or a part of it, with a value, usable or not.
    pub fn has_value(&self, purpose: Purpose) -> bool {
        self.jar.has_value(purpose)
    }

    /// The numbers of the parts of the cookie for `purpose` that the request brought, usable or not.
    pub fn parts(&self, purpose: Purpose) -> Vec<usize> {
        let mut parts = self.jar.parts(purpose);
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

/// The cookies of one name that are authentic.
pub struct Authentic {
    /// In the order in which the browser sent them.
    pub opened: Vec<Opened>,
    /// What is wrong with the last that is not authentic; that there is none, where none came.
    fault: CookieError,
}

impl Authentic {
    /// Those whose time is not over.
    ///
    /// # Errors
    /// There is none.
    pub fn unexpired(mut self, now: u64) -> Result<Vec<Opened>, CookieError> {
        let any = !self.opened.is_empty();
        self.opened.retain(|opened| opened.expires_at > now);
        match self.opened.is_empty() {
            false => Ok(self.opened),
            true if any => Err(CookieError::Expired),
            true => Err(self.fault),
        }
    }

    /// The one that counts in this session: of several the one that was made last, which has the greatest `made`.
    ///
    /// # Errors
    /// There is none, for the reason that comes nearest to one.
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
        // Of equals the first: browsers send the one with the longest Path first.
        let newest = opened.into_iter().rev().max_by_key(made);
        newest.ok_or(CookieError::Missing)
    }
}
