//! Whose session a request is of: the one rule of the service's endpoints, the filter and `/authorize`.
//!
//! A session is what its host-locked cookies say: the access token, else the CSRF value. Their names (`__Host-…`) keep every
//! other host from setting them. The refresh and ID token cookies have names that do not forbid `Domain` (`__Http-…`): a page
//! of a sibling domain can set them, so that they count only where they are of that session. Of several cookies of one name
//! the one counts that opens and is of the session; what is host-locked and opens for two sessions is of neither. Where the
//! names are not host-locked the rule is the same, and keeps apart what it can.

use crate::cookie::purpose::Purpose;
use crate::cookie::session_id::SessionId;

/// The session that the host-locked cookies of a request name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentSession {
    /// Its id; `None` for cookies of version 1, which have none.
    id: Option<SessionId>,
}

/// Host-locked cookies of one name open for different sessions: which of them the user began cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("cookies of one name belong to different sessions")]
pub struct DifferentSessions;

impl CurrentSession {
    /// The session that these cookies name: those under the names of the access token and of the CSRF value that are authentic.
    /// An access token that has expired still says whose it was; a CSRF value that has expired comes from a session that is
    /// over. `None`: no session.
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
        // A CSRF value that was made beside tokens of version 1 names no session by itself.
        only(csrf.into_iter().filter(|id| *id != Some(SessionId::NONE)))
    }

    /// The session of an access token that is the only one of its name.
    pub const fn of_access_token(id: Option<SessionId>) -> Self {
        Self { id }
    }

    /// Its id; `None` for a session of version 1.
    pub const fn id(&self) -> Option<SessionId> {
        self.id
    }

    /// Whether a cookie that opened for `purpose`, with this session inside, is of the session. Cookies of version 1 do not
    /// know theirs, and are never mixed with those that do: every write seals the whole session again. A CSRF value is an
    /// exception in one direction: any serves tokens of version 1. Pending logins are of no session.
    pub fn has(&self, purpose: Purpose, id: Option<SessionId>) -> bool {
        match purpose {
            Purpose::AccessToken | Purpose::RefreshToken | Purpose::IdToken => self.id == id,
            // A service that writes a session in version 2 writes its CSRF value in version 2. A version 1 value, which opens in any
            // place, was put there by somebody else, and would undo the binding.
            Purpose::Csrf => self.id.is_none() || self.id == id,
            Purpose::Login | Purpose::NavigationLogin => false,
        }
    }
}

/// The one session of them all.
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
        assert!(!session.has(Purpose::Login, ALICE) && !of_version_1.has(Purpose::Login, VERSION_1));
    }
}
