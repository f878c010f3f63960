//! Which session a request belongs to, judged by all of its cookies.

use bff_core::seal::{Opened, Purpose, SessionId};

use super::request_cookies::{CookieFault, RequestCookies};
use super::tokens::{RefreshContent, Session};

/// The session behind a request's cookies.
pub struct LiveSession {
    /// Its id; `None` where the cookies are of version 1, which had none.
    pub id: Option<SessionId>,
    /// The access token, where there is one that has not expired.
    pub access_token: Option<Opened>,
    /// The refresh token.
    pub refresh_token: Option<RefreshContent>,
    /// The ID token.
    pub id_token: Option<Opened>,
    /// The CSRF value, where its cookie opens and is of this session.
    pub csrf: Option<Opened>,
}

impl LiveSession {
    /// A session is live when its tokens open and are of one session, and at least one of them is good for something:
    /// the refresh token, or an access token. A token cookie that was tampered with ends it; an expired access token
    /// does not, as a refresh cures that, and neither does an unreadable CSRF value, as that is simply replaced.
    ///
    /// The error says why not, for the log.
    pub fn of(cookies: &RequestCookies<'_>) -> Result<LiveSession, String> {
        let access_token = usable(cookies, Purpose::AccessToken)?;
        let id_token = usable(cookies, Purpose::IdToken)?;
        let refresh_token = match usable(cookies, Purpose::RefreshToken)? {
            Some(opened) => Some(RefreshContent::parse(&opened).ok_or("the refresh token's cookie holds no token")?),
            None => None,
        };
        let id = match (&refresh_token, &access_token) {
            (Some(content), _) => content.session,
            (None, Some(opened)) => opened.session,
            (None, None) => return Err("no refresh token and no access token".to_owned()),
        };
        for token in [&access_token, &id_token].into_iter().flatten() {
            if !same_session(token.session, id) {
                return Err("cookies of different sessions".to_owned());
            }
        }
        let csrf = cookies
            .open(Purpose::Csrf)
            .ok()
            .filter(|csrf| csrf_fits(csrf.session, id));
        Ok(LiveSession {
            id,
            access_token,
            refresh_token,
            id_token,
            csrf,
        })
    }

    /// What to seal into a cookie that joins this session `now` (UNIX seconds). Of a session of version 1 is not known when it
    /// began.
    pub fn identity(&self, now: u64) -> Session {
        let began = self.refresh_token.as_ref().and_then(|content| content.started_at);
        let sealed = self.access_token.as_ref().map(|opened| opened.began_at);
        Session {
            id: self.id.unwrap_or(SessionId::NONE),
            started_at: began.or(sealed).filter(|at| *at != 0).unwrap_or(now),
        }
    }
}

/// Whether two tokens may be of one session. Version 1 cookies do not know theirs, and are never mixed with those that do:
/// every write seals a whole session anew.
pub fn same_session(one: Option<SessionId>, other: Option<SessionId>) -> bool {
    one == other
}

/// Whether a CSRF value is one of a session. A version 1 value opens in any place and for any session, so it counts beside
/// version 1 tokens only; else a planted one would undo the binding.
pub fn csrf_fits(csrf: Option<SessionId>, session: Option<SessionId>) -> bool {
    session.is_none() || csrf == session
}

/// The cookie, or nothing where it is missing or expired; an error where it is not usable at all.
fn usable(cookies: &RequestCookies<'_>, purpose: Purpose) -> Result<Option<Opened>, String> {
    match cookies.open(purpose) {
        Ok(opened) => Ok(Some(opened)),
        Err(CookieFault::Missing | CookieFault::Expired) => Ok(None),
        Err(fault) => Err(format!("cookie {} {fault}", cookies.settings().name(purpose))),
    }
}
