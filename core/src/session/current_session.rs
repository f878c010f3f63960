//! The session of a request: one rule for the service's endpoints, the filter and `/authorize`.
//!
//! The host-locked cookies identify the session: the access token cookie, or otherwise the CSRF cookie. Their names
//! (`__Host-…`) keep every other host from setting them. Those of the refresh token and ID token cookies (by
//! default `__Http-…`) do not forbid `Domain`: a page of a sibling domain can set them, so they count only if they
//! belong to that session. Of several cookies of one name, the one counts that opens and belongs to the session.
//! Host-locked ones that open for different sessions belong to none. If names are not host-locked, the rule is the
//! same, but a sibling domain can set all of these cookies.

use crate::cookie::purpose::Purpose;
use crate::cookie::session_id::SessionId;

/// The session that the host-locked cookies of a request identify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentSession {
    /// `None` for cookies of version 1, which have no session id.
    id: Option<SessionId>,
}

/// Host-locked cookies of one name belong to different sessions: it is unknown which one the user began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("cookies of one name belong to different sessions")]
pub struct DifferentSessions;

impl CurrentSession {
    /// Returns the session that the authentic access token and CSRF cookies identify; `None` if there is none. An
    /// expired access token still identifies its session. An expired CSRF cookie must be left out, since its session
    /// has ended.
    ///
    /// # Errors
    /// See [`DifferentSessions`].
    pub fn named_by(
        access_tokens: impl IntoIterator<Item = Option<SessionId>>,
        csrf: impl IntoIterator<Item = Option<SessionId>>,
    ) -> Result<Option<Self>, DifferentSessions> {
        if let Some(session) = only(access_tokens)? {
            return Ok(Some(session));
        }
        // A CSRF cookie that was sealed beside tokens of version 1 identifies no session by itself.
        only(csrf.into_iter().filter(|id| *id != Some(SessionId::NONE)))
    }

    /// Returns the session of the access token cookie that counts in a request.
    pub const fn of_access_token(id: Option<SessionId>) -> Self {
        Self { id }
    }

    /// Returns the session id; `None` for a session of version 1.
    pub const fn id(&self) -> Option<SessionId> {
        self.id
    }

    /// Whether a cookie that opened for `purpose`, with the session id `id`, belongs to this session. Cookies of
    /// version 1 have no session id, and are never mixed with others: a refresh seals the whole session again. The
    /// CSRF cookie is an exception in one direction: beside tokens of version 1, any CSRF cookie counts. Pending logins
    /// belong to no session.
    pub fn has(&self, purpose: Purpose, id: Option<SessionId>) -> bool {
        match purpose {
            Purpose::AccessToken | Purpose::RefreshToken | Purpose::IdToken => self.id == id,
            // Beside tokens of a later version, the service leaves no CSRF cookie of version 1: such a cookie, which opens
            // in place of any cookie, was set by somebody else. It is bound to no session.
            Purpose::Csrf => self.id.is_none() || self.id == id,
            // Sessions of version 1 are never bound.
            Purpose::DeviceBinding | Purpose::DeviceKey => self.id.is_some() && self.id == id,
            Purpose::Login | Purpose::NavigationLogin => false,
        }
    }
}

/// Returns the session that all of these ids identify; `None` if there are no ids.
fn only(ids: impl IntoIterator<Item = Option<SessionId>>) -> Result<Option<CurrentSession>, DifferentSessions> {
    let mut ids = ids.into_iter();
    let Some(id) = ids.next() else { return Ok(None) };
    match ids.all(|other| other == id) {
        true => Ok(Some(CurrentSession { id })),
        false => Err(DifferentSessions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Option<SessionId> = Some(SessionId([1; 32]));
    const MALLORY: Option<SessionId> = Some(SessionId([2; 32]));
    const VERSION_1: Option<SessionId> = None;

    fn named(
        access_tokens: &[Option<SessionId>],
        csrf: &[Option<SessionId>],
    ) -> Result<Option<CurrentSession>, DifferentSessions> {
        CurrentSession::named_by(access_tokens.iter().copied(), csrf.iter().copied())
    }

    fn is_of(id: Option<SessionId>) -> Result<Option<CurrentSession>, DifferentSessions> {
        Ok(Some(CurrentSession { id }))
    }

    #[test]
    fn the_access_token_names_the_session_and_without_one_the_csrf_value_does() {
        assert_eq!(named(&[], &[]), Ok(None));
        assert_eq!(named(&[ALICE], &[]), is_of(ALICE));
        assert_eq!(named(&[], &[ALICE]), is_of(ALICE));
        assert_eq!(named(&[ALICE], &[MALLORY]), is_of(ALICE));
        assert_eq!(named(&[ALICE], &[MALLORY, ALICE]), is_of(ALICE));
        assert_eq!(named(&[VERSION_1], &[ALICE]), is_of(VERSION_1));
        assert_eq!(named(&[], &[VERSION_1]), is_of(VERSION_1));
        assert_eq!(named(&[], &[Some(SessionId::NONE)]), Ok(None));
    }

    #[test]
    fn one_name_for_two_sessions_names_none() {
        assert_eq!(named(&[ALICE, ALICE], &[]), is_of(ALICE));
        for mixed in [[ALICE, MALLORY], [ALICE, VERSION_1], [VERSION_1, ALICE]] {
            assert_eq!(named(&mixed, &[ALICE]), Err(DifferentSessions));
            assert_eq!(named(&[], &mixed), Err(DifferentSessions));
        }
    }

    #[test]
    fn a_cookie_counts_where_it_is_of_the_session() {
        let session = CurrentSession { id: ALICE };
        let of_version_1 = CurrentSession { id: VERSION_1 };
        for purpose in [
            Purpose::AccessToken,
            Purpose::RefreshToken,
            Purpose::IdToken,
            Purpose::Csrf,
        ] {
            assert!(session.has(purpose, ALICE) && of_version_1.has(purpose, VERSION_1));
            assert!(!session.has(purpose, MALLORY) && !session.has(purpose, VERSION_1));
            assert_eq!(of_version_1.has(purpose, ALICE), purpose == Purpose::Csrf);
        }
        for purpose in [Purpose::DeviceBinding, Purpose::DeviceKey] {
            assert!(session.has(purpose, ALICE) && !session.has(purpose, MALLORY));
            assert!(!of_version_1.has(purpose, VERSION_1));
        }
        assert!(!session.has(Purpose::Login, ALICE) && !of_version_1.has(Purpose::Login, VERSION_1));
    }
}
