//! Writes the tokens of a session to its cookies.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, Opened, SealError};
use bff_core::cookie::session_id::SessionId;

use super::cookies::response::{CookieTooLong, SetCookies};
use super::device_binding::key_cookie::KeyContent;
use super::device_binding::{PROOF_MARGIN_SECONDS, PROVISIONAL_ACCESS_SECONDS, PROVISIONAL_SECONDS, proof};
use super::identity::{Session, SessionLifetimes};
use super::pending_logins::PendingLogins;
use super::refresh_cookie;
use super::tokens::Tokens;
use crate::random::{self, RandomError};

/// Why cookies could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A token of the authorization server, or a pending login, is too long for cookies.
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

/// The CSRF value of a session. With an idle time, its cookie also says when the session ends unless the user is active,
/// and a refresh leaves it as it is: so a refresh in progress, in whatever tab, cannot undo that the user was active.
pub enum CsrfValue<'a> {
    /// For a session that begins.
    New(&'a [u8]),
    /// The session's cookie.
    Kept(Opened),
}

/// Writes the cookies of one session, all with its id. The content of none is valid for longer than the session.
pub struct SessionWriter<'w, 'a, 'b> {
    cookies: &'w mut SetCookies<'a, 'b>,
    session: Session,
    lifetimes: SessionLifetimes,
    now: u64,
    ends_at: u64,
    /// When the session would end if it were not provisional, in seconds since 1970.
    end_if_not_provisional: u64,
}

impl<'w, 'a, 'b> SessionWriter<'w, 'a, 'b> {
    /// Creates a writer of the cookies of `session` at `now` (seconds since 1970).
    pub fn new(
        cookies: &'w mut SetCookies<'a, 'b>,
        session: Session,
        lifetimes: SessionLifetimes,
        now: u64,
    ) -> SessionWriter<'w, 'a, 'b> {
        let end_if_not_provisional = lifetimes.end(session.started_at, now);
        SessionWriter {
            cookies,
            session,
            lifetimes,
            now,
            ends_at: match session.binding {
                Binding::Provisional => {
                    end_if_not_provisional.min(session.started_at.saturating_add(PROVISIONAL_SECONDS))
                }
                Binding::Unbound | Binding::Bound => end_if_not_provisional,
            },
            end_if_not_provisional,
        }
    }

    /// Writes the cookies with the tokens of a session, in the order of `docs/CONTRACT.md`, section 2: access token, CSRF value
    /// unless its cookie stays, pending logins if changed, refresh token, ID token. If this session has no refresh token or
    /// no ID token, clears that cookie of an earlier session. Before all others, clears cookies in other shapes.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(
        &mut self,
        tokens: &Tokens<'_>,
        csrf: &CsrfValue<'_>,
        logins: Option<&PendingLogins>,
    ) -> Result<(), WriteError> {
        let has_other_shapes = self.cookies.clear_other_shapes();
        // The session ends with its refresh token at the latest.
        let ends_at = tokens
            .refresh_token_expires_at
            .map_or(self.ends_at, |expires_at| expires_at.min(self.ends_at));
        let idle_ends_at = self.idle_end(match csrf {
            CsrfValue::New(_) => None,
            CsrfValue::Kept(cookie) => Some(cookie.expires_at),
        });
        let provisional_ends_at = match self.session.binding {
            Binding::Provisional => self.session.started_at.saturating_add(PROVISIONAL_ACCESS_SECONDS),
            Binding::Unbound | Binding::Bound => u64::MAX,
        };
        // No request of an idle session reaches the API.
        let access_token_ends_at = tokens
            .access_token_expires_at
            .min(ends_at)
            .min(idle_ends_at.unwrap_or(u64::MAX))
            .min(provisional_ends_at);
        self.seal(
            Purpose::AccessToken,
            tokens.access_token.as_bytes(),
            access_token_ends_at,
        )?;
        let csrf_ends_at = idle_ends_at.unwrap_or(ends_at);
        match csrf {
            CsrfValue::New(value) => self.seal(Purpose::Csrf, value, csrf_ends_at)?,
            CsrfValue::Kept(cookie)
                if idle_ends_at.is_some() && !has_other_shapes && !self.is_changed(cookie, csrf_ends_at) => {}
            CsrfValue::Kept(cookie) => self.seal(Purpose::Csrf, &cookie.value, csrf_ends_at)?,
        }
        if let Some(logins) = logins {
            write_logins(self.cookies, logins, self.now)?;
        }
        match tokens.refresh_token {
            Some(token) => {
                let shape = self.cookies.settings().shape();
                let content = refresh_cookie::content(token, tokens, self.session.started_at, shape, idle_ends_at)?;
                self.seal(Purpose::RefreshToken, &content, ends_at)?;
            }
            None => self.cookies.clear_if_sent(Purpose::RefreshToken),
        }
        match tokens.id_token {
            Some(token) => self.seal(Purpose::IdToken, token.as_bytes(), ends_at)?,
            None => self.cookies.clear_if_sent(Purpose::IdToken),
        }
        Ok(())
    }

    /// Writes the device key cookie of a bound session.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_key(&mut self, key: &KeyContent) -> Result<(), WriteError> {
        self.seal(Purpose::DeviceKey, &key.to_json()?, self.ends_at)
    }

    /// Writes the proof that the browser has the key of a bound session. It is valid for `lifetime` (in seconds), but not
    /// longer than the session. The browser deletes it [`PROOF_MARGIN_SECONDS`] before that time has passed: the response
    /// takes time, and the clock of a gateway may differ.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_proof(&mut self, lifetime: u64) -> Result<(), WriteError> {
        let expires_at = self.now.saturating_add(lifetime).min(self.ends_at);
        let sealed = self.sealed(Purpose::DeviceBinding, &proof::content(self.now), expires_at)?;
        // Not shorter near the end of the session: the browser would sign again and again.
        let lifetime = lifetime.saturating_sub(PROOF_MARGIN_SECONDS);
        Ok(self.cookies.set(Purpose::DeviceBinding, &sealed, Some(lifetime))?)
    }

    /// Writes the CSRF cookie only, since the user is active. Returns when the session ends if the user is not active
    /// again, in seconds since 1970. `None`: the session has no idle time.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_active(&mut self, csrf: &[u8]) -> Result<Option<u64>, WriteError> {
        self.write_csrf(csrf, None)
    }

    /// Writes the CSRF cookie only, for a session that ends at `idle_ends_at` (seconds since 1970) unless its user is
    /// active. Returns that time, or that of a user who is active now if it is unknown or later. `None`: the session has no
    /// idle time.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write_csrf(&mut self, value: &[u8], idle_ends_at: Option<u64>) -> Result<Option<u64>, WriteError> {
        let idle_ends_at = self.idle_end(idle_ends_at);
        self.seal(Purpose::Csrf, value, idle_ends_at.unwrap_or(self.ends_at))?;
        Ok(idle_ends_at)
    }

    /// When the session ends if its user is not active. The time that is `known` may be that of another configuration.
    fn idle_end(&self, known: Option<u64>) -> Option<u64> {
        // The CSRF value alone gives access to nothing, so its cookie may expire later than the other provisional
        // cookies.
        let from_now = self.lifetimes.idle_end(self.now)?.min(self.end_if_not_provisional);
        Some(known.map_or(from_now, |known| known.min(from_now)))
    }

    /// Whether the session's CSRF cookie would be another one if it were written.
    fn is_changed(&self, cookie: &Opened, expires_at: u64) -> bool {
        cookie.expires_at != expires_at
            || cookie.session != Some(self.session.id)
            || cookie.binding != self.session.binding
            || !self.cookies.settings().sealer.is_sealing_key(cookie.key_id)
    }

    fn seal(&mut self, purpose: Purpose, value: &[u8], expires_at: u64) -> Result<(), WriteError> {
        let sealed = self.sealed(purpose, value, expires_at)?;
        // The browser keeps a cookie whose content has expired: that cookie still says to which session the others
        // belong, or that the session has ended.
        let lifetime = self
            .lifetimes
            .is_persistent()
            .then(|| self.ends_at.saturating_sub(self.now));
        Ok(self.cookies.set(purpose, &sealed, lifetime)?)
    }

    fn sealed(&self, purpose: Purpose, value: &[u8], expires_at: u64) -> Result<String, WriteError> {
        let content = Content {
            value,
            session: self.session.id,
            // Not the time of sealing: otherwise a refresh would carry the session past a logout of all sessions of its
            // user.
            began_at: self.session.started_at,
            expires_at,
        };
        let sealer = &self.cookies.settings().sealer;
        Ok(sealer.seal_in(self.session.binding, purpose, &content, random::bytes()?)?)
    }
}

/// Writes the pending logins, or clears the cookie if there are none. If they do not fit together, the oldest are
/// dropped.
///
/// # Errors
/// A single login does not fit, or sealing failed.
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
