//! A session's tokens, and the cookies that hold them.

use bff_core::seal::{Content, NameDigest, Opened, Purpose, SealError, SessionId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[cfg(doc)]
use super::CookieSettings;
use super::cookies::response::{CookieTooLong, SetCookies};
use super::pending_logins::PendingLogins;
use crate::random::{self, RandomError};

/// What is sealed for a session without any bound of its own ends after 400 days, as browsers end every cookie
/// (RFC 6265bis, 5.5). In seconds.
const UNBOUNDED: u64 = 400 * 24 * 60 * 60;

/// How long sessions last, over and above what the authorization server says.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// Seconds from login to the end, whatever happens in between.
    pub absolute: Option<u64>,
    /// Seconds from the last refresh to the end.
    pub idle: Option<u64>,
}

impl SessionLifetimes {
    /// When a session ends, in UNIX seconds, if nothing happens from `now` on.
    fn end(&self, started_at: u64, now: u64) -> u64 {
        let absolute = self
            .absolute
            .map_or(u64::MAX, |seconds| started_at.saturating_add(seconds));
        absolute.min(now.saturating_add(self.idle.unwrap_or(UNBOUNDED)))
    }

    /// Whether cookies carry `Max-Age`. Without a configured lifetime they end with the browser.
    fn persistent(&self) -> bool {
        self.absolute.is_some() || self.idle.is_some()
    }
}

/// A session's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Sealed into each of its cookies.
    pub id: SessionId,
    /// The time of login, in UNIX seconds.
    pub started_at: u64,
}

impl Session {
    /// A new one, begun `now` (UNIX seconds), of the user and the login that `issuer` calls `sub` and `sid`.
    pub fn new(issuer: &str, sub: Option<&str>, sid: Option<&str>, now: u64) -> Result<Session, RandomError> {
        let digest = |name: Option<&str>| name.map_or(NameDigest::NONE, |name| NameDigest::of(issuer, name));
        Ok(Session {
            id: SessionId::new(random::bytes()?, digest(sub), digest(sid)),
            started_at: now,
        })
    }
}

/// The tokens to write.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Access token.
    pub access_token: &'a str,
    /// When it expires, in UNIX seconds.
    pub access_token_expires_at: u64,
    /// Refresh token, where the authorization server gave one.
    pub refresh_token: Option<&'a str>,
    /// When the refresh token expires, in UNIX seconds, where known.
    pub refresh_token_expires_at: Option<u64>,
    /// The scope that a refresh is to ask for, where it is known.
    pub scope: Option<&'a str>,
    /// ID token, where there is one.
    pub id_token: Option<&'a str>,
    /// The replica that got them.
    pub renewed_by: ReplicaId,
    /// When it got them, in UNIX seconds.
    pub renewed_at: u64,
}

/// A process of this service: a random number made at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaId(pub u64);

/// What the refresh token's cookie holds: with the token, when the session began, since that bounds it.
pub struct RefreshContent {
    /// The refresh token.
    pub refresh_token: Zeroizing<String>,
    /// The session; `None` in a version 1 cookie.
    pub session: Option<SessionId>,
    /// The time of login, in UNIX seconds; `None` in a version 1 cookie.
    pub started_at: Option<u64>,
    /// The replica that got the token, and when (UNIX seconds); `None` in a version 1 cookie.
    pub renewed: Option<(ReplicaId, u64)>,
    /// The scope that was granted; `None` where the cookie does not say.
    pub scope: Option<String>,
    /// In which shape the session was written, as [`CookieSettings::shape`]; `None` where that is not known.
    pub shape: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SealedRefreshContent {
    refresh_token: String,
    started_at: u64,
    renewed_by: ReplicaId,
    /// Cookies from before this member are of another process, for which it does not count.
    #[serde(default)]
    renewed_at: u64,
    /// Cookies from before this member do not say, and are refreshed without a scope, as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Absent from cookies of before it was there.
    #[serde(default)]
    shape: Option<String>,
}

impl RefreshContent {
    /// When the token in an opened cookie came from the authorization server, in UNIX seconds; 0 where that is not known.
    pub fn renewed_at(opened: &Opened) -> u64 {
        let content = RefreshContent::parse(opened);
        content.and_then(|content| content.renewed).map_or(0, |(_, at)| at)
    }

    /// Reads an opened cookie. In version 1 the value is the token itself.
    pub fn parse(opened: &Opened) -> Option<RefreshContent> {
        if opened.session.is_none() {
            let token = std::str::from_utf8(&opened.value).ok()?;
            return Some(RefreshContent {
                refresh_token: token.to_owned().into(),
                session: None,
                started_at: None,
                renewed: None,
                scope: None,
                shape: None,
            });
        }
        let content: SealedRefreshContent = serde_json::from_slice(&opened.value).ok()?;
        Some(RefreshContent {
            refresh_token: content.refresh_token.into(),
            session: opened.session,
            started_at: Some(content.started_at),
            renewed: Some((content.renewed_by, content.renewed_at)),
            scope: content.scope,
            shape: content.shape,
        })
    }
}

/// Why cookies could not be written. Never the browser's fault.
#[derive(Debug)]
pub enum WriteError {
    /// The authorization server's token is too long for cookies.
    TooLong(CookieTooLong),
    /// Sealing failed.
    Seal(SealError),
    /// The operating system gave no randomness.
    Random(RandomError),
    /// A content could not be put into JSON.
    Json(serde_json::Error),
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WriteError::TooLong(error) => error.fmt(f),
            WriteError::Seal(error) => error.fmt(f),
            WriteError::Random(error) => error.fmt(f),
            WriteError::Json(error) => error.fmt(f),
        }
    }
}

impl From<CookieTooLong> for WriteError {
    fn from(error: CookieTooLong) -> WriteError {
        WriteError::TooLong(error)
    }
}
impl From<SealError> for WriteError {
    fn from(error: SealError) -> WriteError {
        WriteError::Seal(error)
    }
}
impl From<RandomError> for WriteError {
    fn from(error: RandomError) -> WriteError {
        WriteError::Random(error)
    }
}
impl From<serde_json::Error> for WriteError {
    fn from(error: serde_json::Error) -> WriteError {
        WriteError::Json(error)
    }
}

/// Writes the cookies of one session, all with the same id and none living longer than it.
pub struct SessionWriter<'w, 'a, 'b> {
    cookies: &'w mut SetCookies<'a, 'b>,
    session: Session,
    now: u64,
    ends_at: u64,
    lifetime: Option<u64>,
}

impl<'w, 'a, 'b> SessionWriter<'w, 'a, 'b> {
    /// Writes for `session` at `now` (UNIX seconds).
    pub fn new(
        cookies: &'w mut SetCookies<'a, 'b>,
        session: Session,
        lifetimes: SessionLifetimes,
        now: u64,
    ) -> SessionWriter<'w, 'a, 'b> {
        let ends_at = lifetimes.end(session.started_at, now);
        let lifetime = lifetimes.persistent().then(|| ends_at.saturating_sub(now));
        SessionWriter {
            cookies,
            session,
            now,
            ends_at,
            lifetime,
        }
    }

    /// Writes all of a session, in the order of the contract (section 2): access token, CSRF value, pending logins
    /// where they changed, refresh token, ID token. What this session lacks and an earlier one had is cleared; in front of all
    /// of them, what the browser may hold in other shapes.
    pub fn write(
        &mut self,
        tokens: &Tokens<'_>,
        csrf: &[u8],
        logins: Option<&PendingLogins>,
    ) -> Result<(), WriteError> {
        self.cookies.clear_other_shapes();
        // The session ends with its refresh token at the latest.
        self.ends_at = tokens
            .refresh_token_expires_at
            .map_or(self.ends_at, |expires_at| expires_at.min(self.ends_at));
        let expires_at = tokens.access_token_expires_at.min(self.ends_at);
        self.seal(Purpose::AccessToken, tokens.access_token.as_bytes(), expires_at)?;
        self.csrf(csrf)?;
        if let Some(logins) = logins {
            write_logins(self.cookies, logins, self.now)?;
        }
        match tokens.refresh_token {
            Some(token) => {
                let content = SealedRefreshContent {
                    refresh_token: token.to_owned(),
                    started_at: self.session.started_at,
                    renewed_by: tokens.renewed_by,
                    renewed_at: tokens.renewed_at,
                    scope: tokens.scope.map(str::to_owned),
                    shape: Some(self.cookies.settings().shape()),
                };
                let json = Zeroizing::new(serde_json::to_vec(&content)?);
                self.seal(Purpose::RefreshToken, &json, self.ends_at)?;
            }
            None => self.cookies.clear_if_sent(Purpose::RefreshToken),
        }
        match tokens.id_token {
            Some(token) => self.seal(Purpose::IdToken, token.as_bytes(), self.ends_at)?,
            None => self.cookies.clear_if_sent(Purpose::IdToken),
        }
        Ok(())
    }

    /// Writes the CSRF value alone.
    pub fn csrf(&mut self, value: &[u8]) -> Result<(), WriteError> {
        self.seal(Purpose::Csrf, value, self.ends_at)
    }

    fn seal(&mut self, purpose: Purpose, value: &[u8], expires_at: u64) -> Result<(), WriteError> {
        let content = Content {
            value,
            session: self.session.id,
            // Not the time of sealing: a refresh would carry a session past the end of all that its user had.
            began_at: self.session.started_at,
            expires_at,
        };
        let sealed = self
            .cookies
            .settings()
            .sealer
            .seal(purpose, &content, random::bytes()?)?;
        Ok(self.cookies.set(purpose, &sealed, self.lifetime)?)
    }
}

/// Writes the pending logins, or clears their cookie where none is left. Of logins that are too long for it together the
/// oldest go.
///
/// # Errors
/// One of them alone is too long.
pub fn write_logins(cookies: &mut SetCookies<'_, '_>, logins: &PendingLogins, now: u64) -> Result<(), WriteError> {
    let mut logins = logins.clone();
    logins.keep_newest();
    loop {
        match try_to_write_logins(cookies, &logins, now) {
            Err(WriteError::TooLong(_) | WriteError::Seal(_)) if logins.drop_oldest() => {
                log::debug!("the pending logins are too long for their cookie together: the oldest is dropped");
            }
            outcome => return outcome,
        }
    }
}

fn try_to_write_logins(cookies: &mut SetCookies<'_, '_>, logins: &PendingLogins, now: u64) -> Result<(), WriteError> {
    let finish = logins.finish();
    let Some(expires_at) = logins.expires_at() else {
        cookies.clear(finish.purpose());
        return Ok(());
    };
    let value = logins.to_content()?;
    let content = Content {
        value: &value,
        session: SessionId::NONE,
        began_at: now,
        expires_at,
    };
    let sealer = &cookies.settings().sealer;
    let sealed = sealer.seal(finish.purpose(), &content, random::bytes()?)?;
    Ok(cookies.set_with(finish.purpose(), &sealed, None, finish.same_site())?)
}
