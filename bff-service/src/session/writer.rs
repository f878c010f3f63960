//! Writes the tokens of a session to its cookies.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Content, SealError};
use bff_core::cookie::session_id::SessionId;

use super::cookies::response::{CookieTooLong, SetCookies};
use super::identity::{ReplicaId, Session, SessionLifetimes};
use super::pending_logins::PendingLogins;
use super::refresh_cookie;
use crate::random::{self, RandomError};

/// The tokens to write.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// Access token.
    pub access_token: &'a str,
    /// When the access token expires, in seconds since 1970.
    pub access_token_expires_at: u64,
    /// Refresh token, if the authorization server issued one.
    pub refresh_token: Option<&'a str>,
    /// When the refresh token expires, in seconds since 1970, if known.
    pub refresh_token_expires_at: Option<u64>,
    /// The scope for the next refresh, if known.
    pub scope: Option<&'a str>,
    /// ID token, if any.
    pub id_token: Option<&'a str>,
    /// The replica that received the tokens.
    pub renewed_by: ReplicaId,
    /// When that replica received the tokens, in seconds since 1970.
    pub renewed_at: u64,
}

/// Why cookies could not be written. The browser is never the cause.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The authorization server's token is too long for cookies.
    #[error(transparent)]
    TooLong(#[from] CookieTooLong),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Serialization failed.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Writes the cookies of one session, all with its id, and none with a longer lifetime.
pub struct SessionWriter<'w, 'a, 'b> {
    cookies: &'w mut SetCookies<'a, 'b>,
    session: Session,
    now: u64,
    ends_at: u64,
    lifetime: Option<u64>,
}

impl<'w, 'a, 'b> SessionWriter<'w, 'a, 'b> {
    /// Writes cookies for `session` at `now` (seconds since 1970).
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

    /// Writes all cookies of a session in the order of `docs/CONTRACT.md`, section 2: access token, CSRF value, pending
    /// logins if changed, refresh token, ID token. Clears cookies of an earlier session that this one does not have,
    /// and, before all others, cookies in other shapes.
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
                let content = refresh_cookie::content(
                    token,
                    self.session.started_at,
                    (tokens.renewed_by, tokens.renewed_at),
                    tokens.scope,
                    self.cookies.settings().shape(),
                )?;
                self.seal(Purpose::RefreshToken, &content, self.ends_at)?;
            }
            None => self.cookies.clear_if_sent(Purpose::RefreshToken),
        }
        match tokens.id_token {
            Some(token) => self.seal(Purpose::IdToken, token.as_bytes(), self.ends_at)?,
            None => self.cookies.clear_if_sent(Purpose::IdToken),
        }
        Ok(())
    }

    /// Writes the CSRF cookie only.
    pub fn csrf(&mut self, value: &[u8]) -> Result<(), WriteError> {
        self.seal(Purpose::Csrf, value, self.ends_at)
    }

    fn seal(&mut self, purpose: Purpose, value: &[u8], expires_at: u64) -> Result<(), WriteError> {
        let content = Content {
            value,
            session: self.session.id,
            // Not the time of sealing: otherwise a refresh would carry the session past a logout of all sessions of its
            // user.
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

/// Writes the pending logins, or clears the cookie if there are none. If they do not fit together, the oldest are
/// dropped.
///
/// # Errors
/// If a single login does not fit.
pub fn write_logins(cookies: &mut SetCookies<'_, '_>, logins: &PendingLogins, now: u64) -> Result<(), WriteError> {
    let mut logins = logins.clone();
    logins.keep_newest();
    loop {
        match try_to_write_logins(cookies, &logins, now) {
            Err(WriteError::TooLong(_) | WriteError::Seal(_)) if logins.drop_oldest() => {
                log::debug!("the pending logins do not fit into their cookie: dropping the oldest");
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
