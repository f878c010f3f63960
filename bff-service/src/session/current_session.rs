//! The session of a request, and which of its cookies are valid, by the rule of [`bff_core::session::current_session`].

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Opened};
use bff_core::cookie::session_id::{SessionId, SubjectHash};
use bff_core::session::current_session::{CurrentSession, DifferentSessions};

use super::cookies::request::{Authentic, CookieError, RequestCookies};
use super::device_binding::key_cookie::KeyContent;
use super::identity::Session;
use super::refresh_cookie::RefreshContent;

/// The session of a request's cookies. A cookie is present if it belongs to this session and has not expired. In place
/// of any other cookie, an error says why it does not count.
pub struct RequestSession {
    session: CurrentSession,
    /// The access token.
    pub access_token: Result<Opened, CookieError>,
    /// The refresh token.
    pub refresh_token: Result<RefreshContent, CookieError>,
    /// The ID token.
    pub id_token: Result<Opened, CookieError>,
    /// The CSRF value.
    pub csrf: Result<Opened, CookieError>,
    /// When the session ends if its user is not active, in seconds since 1970; `None` if no cookie says so.
    pub idle_ends_at: Option<u64>,
    /// When the session began, in seconds since 1970; 0 in a session of version 1.
    pub began_at: u64,
    /// The binding with which the cookies are sealed. The module `device_binding::standing` says which binding the
    /// session has now.
    pub sealed: Binding,
    /// The proof that the browser has the device's key.
    pub proof: Result<Opened, CookieError>,
    /// The device's public key, and the browser's identifier of the session.
    pub key: Result<KeyContent, CookieError>,
}

/// Why a request has no session.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// No access token cookie and no CSRF cookie identifies a session. The error is that of the CSRF cookie.
    #[error("the access token cookie is missing or cannot be decrypted, and the CSRF cookie {0}")]
    Nobody(CookieError),
    /// The cookies belong to different sessions.
    #[error("{0}")]
    Different(DifferentSessions),
    /// The session was ended before its cookies expired.
    #[error("the session has ended")]
    Ended,
    /// The user was not active in time, or the lifetime of the session has passed.
    #[error("the session has expired: its user was not active in time, or its lifetime has passed")]
    Expired,
}

impl RequestSession {
    /// Opens the cookies of the request.
    ///
    /// # Errors
    /// See [`NoSession`].
    pub fn of(cookies: &RequestCookies<'_>) -> Result<RequestSession, NoSession> {
        let now = cookies.now();
        let access_tokens = cookies.authentic(Purpose::AccessToken);
        let csrf = cookies.authentic(Purpose::Csrf);
        let ids = |authentic: &Authentic, at_least: u64| -> Vec<Option<SessionId>> {
            let unexpired = authentic.opened.iter().filter(|opened| opened.expires_at > at_least);
            unexpired.map(|opened| opened.session).collect()
        };
        let session =
            CurrentSession::named_by(ids(&access_tokens, 0), ids(&csrf, now)).map_err(NoSession::Different)?;
        let Some(session) = session else {
            return Err(NoSession::Nobody(
                csrf.unexpired(now).err().unwrap_or(CookieError::OfAnotherSession),
            ));
        };
        let first = access_tokens.opened.first().or(csrf.opened.first());
        let began_at = first.map_or(0, |opened| opened.began_at);
        if let Some(id) = session.id()
            && cookies.ended().has_ended(&id, began_at)
        {
            return Err(NoSession::Ended);
        }
        let (refresh_tokens, id_tokens) = (
            cookies.authentic(Purpose::RefreshToken),
            cookies.authentic(Purpose::IdToken),
        );
        // A session with a proof or a key is bound, even if these have expired, and whatever its other cookies say.
        let (proofs, keys) = (
            cookies.authentic(Purpose::DeviceBinding).bound(),
            cookies.authentic(Purpose::DeviceKey).bound(),
        );
        let sealed = [
            (Purpose::AccessToken, &access_tokens),
            (Purpose::Csrf, &csrf),
            (Purpose::RefreshToken, &refresh_tokens),
            (Purpose::IdToken, &id_tokens),
            (Purpose::DeviceBinding, &proofs),
            (Purpose::DeviceKey, &keys),
        ]
        .into_iter()
        .filter_map(|(purpose, authentic)| authentic.binding(&session, purpose))
        .max()
        .unwrap_or(Binding::Unbound);
        let pick =
            |purpose, authentic: Authentic| authentic.of_session(&session, purpose, now, |opened| opened.expires_at);
        let refresh_token = refresh_tokens
            .of_session(&session, Purpose::RefreshToken, now, RefreshContent::renewed_at)
            .and_then(|opened| {
                RefreshContent::parse(&opened)
                    .ok_or_else(|| CookieError::Unusable("contains no refresh token".to_owned()))
            });
        // A session does not last longer without its CSRF cookie, which somebody at an unattended browser may have deleted.
        let idle_ends_at = csrf
            .latest_end(&session, Purpose::Csrf)
            .or(refresh_token.as_ref().ok().and_then(|content| content.idle_ends_at));
        if idle_ends_at.is_some_and(|at| at <= now) {
            return Err(NoSession::Expired);
        }
        let access_token = pick(Purpose::AccessToken, access_tokens);
        if access_token.is_err() && matches!(refresh_token, Err(CookieError::Expired)) {
            return Err(NoSession::Expired);
        }
        Ok(RequestSession {
            access_token,
            refresh_token,
            id_token: pick(Purpose::IdToken, id_tokens),
            csrf: pick(Purpose::Csrf, csrf),
            idle_ends_at,
            began_at,
            sealed,
            proof: pick(Purpose::DeviceBinding, proofs),
            key: pick(Purpose::DeviceKey, keys).and_then(|opened| {
                KeyContent::parse(&opened).ok_or_else(|| CookieError::Unusable("contains no key".to_owned()))
            }),
            session,
        })
    }

    /// The session by its id, to compare cookies with.
    pub fn current(&self) -> CurrentSession {
        self.session
    }

    /// The session id; `None` for cookies of version 1, which have none.
    pub fn id(&self) -> Option<SessionId> {
        self.session.id()
    }

    /// The digest of the user's `sub`, if known.
    pub fn user(&self) -> Option<SubjectHash> {
        let (_, user, _) = self.id()?.parts();
        (user != SubjectHash::NONE).then_some(user)
    }

    /// Whether the user is signed in: there is a refresh token, or an access token that has not expired.
    pub fn is_signed_in(&self) -> bool {
        self.refresh_token.is_ok() || self.access_token.is_ok()
    }

    /// When the session ends even if its user is active, in seconds since 1970. A refresh may prolong that.
    pub fn ends_at(&self) -> u64 {
        let of_access_token = self.access_token.as_ref().map_or(0, |opened| opened.expires_at);
        self.refresh_token
            .as_ref()
            .map_or(of_access_token, |content| content.ends_at)
    }

    /// The session for a cookie that joins it at `now` (seconds since 1970), which counts as the start of the session if no
    /// valid token cookie says another one, as in version 1.
    pub fn identity(&self, binding: Binding, now: u64) -> Session {
        let began = self.refresh_token.as_ref().ok().and_then(|content| content.started_at);
        let sealed = self.access_token.as_ref().map(|opened| opened.began_at).ok();
        Session {
            id: self.id().unwrap_or(SessionId::NONE),
            started_at: began.or(sealed).filter(|at| *at != 0).unwrap_or(now),
            binding,
        }
    }
}
