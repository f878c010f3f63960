//! One exchange for many callers.
//!
//! An authorization server that rotates refresh tokens takes a second use of one for theft and ends the session, and a
//! browser with several tabs uses one token several times as a matter of course. So the first caller with a refresh
//! token leads: it alone asks the authorization server. Callers that come with the same token while that runs, or within
//! the replay window afterwards (a late tab still sends the cookie from before), get the very same new tokens. A code is
//! exchanged in the same way, since a page that mounts twice finishes its login twice.
//!
//! [`RefreshStore`] is what it takes to do so; the [in-process one](super::in_process) serves all workers
//! of one process. Replicas need either routing by session, or the one over
//! [Redis](super::redis). What holds for both is here: what an outcome is, and how long it is there for late
//! callers ([`replay_window`](super::replay_window)).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error_code::ErrorCode;
use bff_core::cookie::session_id::SessionId;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::session::identity::{ReplicaId, Session};
use crate::session::writer::Tokens;

/// Names one exchange: SHA-256 over all that must be the same. The whole hash, so that no caller can ever be handed what
/// belongs to another session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshKey {
    session: SessionId,
    digest: [u8; 32],
}

impl RefreshKey {
    /// The key of using `refresh_token` in `session`.
    pub fn new(session: SessionId, refresh_token: &str) -> RefreshKey {
        let mut hash = Sha256::new();
        hash.update(session.0);
        hash.update(refresh_token.as_bytes());
        RefreshKey {
            session,
            digest: hash.finalize().into(),
        }
    }

    /// The key of exchanging `code` in the login with this `state` and `code_verifier`: the verifier is known to nobody but
    /// the browser that began the login, in whose cookie it is sealed.
    pub fn of_login(state: &str, code_verifier: &str, code: &str) -> RefreshKey {
        let mut hash = Sha256::new();
        for part in ["login", state, code_verifier, code] {
            // Parts with their lengths: what ends one must not be able to begin the next.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        RefreshKey {
            session: SessionId::NONE,
            digest: hash.finalize().into(),
        }
    }

    /// The hash.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The session that the exchange belongs to; none for a login, whose session is yet to begin.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

/// The tokens after an exchange. Wiped from memory when the last holder lets go.
#[derive(Clone)]
pub struct RenewedTokens {
    /// The new access token.
    pub access_token: Zeroizing<String>,
    /// When the access token expires, in UNIX seconds.
    pub access_token_expires_at: u64,
    /// The refresh token to use from now on: the new one, or the old one where the server does not rotate. Empty where a login
    /// brought none.
    pub refresh_token: Zeroizing<String>,
    /// Whether the refresh token that was used is another one: it is not to be used again.
    pub rotated: bool,
    /// When the refresh token expires, in UNIX seconds, where the server said so.
    pub refresh_token_expires_at: Option<u64>,
    /// The scope that the next refresh is to ask for, where it is known.
    pub scope: Option<String>,
    /// The new ID token, where the server sent one.
    pub id_token: Option<Zeroizing<String>>,
    /// The replica that got them.
    pub renewed_by: ReplicaId,
    /// When it got them, in UNIX seconds.
    pub renewed_at: u64,
    /// The session that begins with them, after a login.
    pub begun: Option<BegunSession>,
}

/// A session as all answers to one login begin it.
#[derive(Clone)]
pub struct BegunSession {
    /// Its identity.
    pub session: Session,
    /// Its CSRF value.
    pub csrf: Zeroizing<Vec<u8>>,
}

impl RenewedTokens {
    /// Whether the access token is still good at `now` (UNIX seconds).
    pub fn is_live(&self, now: u64) -> bool {
        self.access_token_expires_at > now
    }
}

impl<'a> From<&'a RenewedTokens> for Tokens<'a> {
    fn from(tokens: &'a RenewedTokens) -> Tokens<'a> {
        Tokens {
            access_token: &tokens.access_token,
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: Some(tokens.refresh_token.as_str()).filter(|token| !token.is_empty()),
            refresh_token_expires_at: tokens.refresh_token_expires_at,
            scope: tokens.scope.as_deref(),
            id_token: tokens.id_token.as_ref().map(|id_token| id_token.as_str()),
            renewed_by: tokens.renewed_by,
            renewed_at: tokens.renewed_at,
        }
    }
}

/// How an exchange ended: the same for every caller of the flight.
pub type RefreshOutcome = Result<Arc<RenewedTokens>, ErrorCode>;

/// Who may have what is to be exchanged, as far as a caller can tell. It matters where the replicas cannot be coordinated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A refresh token that this very process got at this time, in UNIX seconds.
    ThisProcess(u64),
    /// A refresh token that another process got.
    AnyProcess,
    /// A code, which ends no session when it is used twice.
    Nobody,
}

/// A leader's right to [publish](RefreshStore::publish): a number that no other leader in this process has had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease(pub u64);

/// What [`RefreshStore::join`] found.
pub enum Role {
    /// Nobody is at it: the caller must do the exchange and then call [`RefreshStore::publish`].
    Leader(Lease),
    /// Somebody else did it while this caller waited.
    Follower(RefreshOutcome),
    /// Somebody else had done it before this caller came.
    Replay(RefreshOutcome),
}

/// A future of a store. Boxed, so that the store can be a trait object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decides who leads an exchange, and keeps its outcome for those who come late.
pub trait RefreshStore: Send + Sync {
    /// Takes the lead for `key`, or waits for the outcome of whoever has it; not for ever: what is not over in time is
    /// refused for now. Not to be abandoned: who has the lead must use it.
    fn join(&self, key: RefreshKey, holder: Holder) -> StoreFuture<'_, Role>;

    /// Publishes the leader's outcome for its [replay window](super::replay_window), unless another leader has taken its place. Returns the outcome
    /// that counts: another one where the leader failed and that other one knows better.
    fn publish(&self, key: RefreshKey, lease: Lease, outcome: RefreshOutcome) -> StoreFuture<'_, RefreshOutcome>;

    /// The new tokens for `key`, if they are there.
    fn published(&self, key: RefreshKey) -> StoreFuture<'_, Option<Arc<RenewedTokens>>>;
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Tokens whose access token expires at this time.
    pub(in crate::session) fn renewed(
        access_token: &str,
        rotated: bool,
        access_token_expires_at: u64,
    ) -> RefreshOutcome {
        Ok(Arc::new(RenewedTokens {
            access_token: access_token.to_owned().into(),
            access_token_expires_at,
            refresh_token: String::new().into(),
            rotated,
            refresh_token_expires_at: None,
            scope: None,
            id_token: None,
            renewed_by: ReplicaId(1),
            renewed_at: 0,
            begun: None,
        }))
    }

    #[test]
    fn the_key_depends_on_the_session_and_on_the_token() {
        let key = |session, token| RefreshKey::new(SessionId([session; 32]), token);
        assert!(key(1, "a") == key(1, "a"));
        assert!(key(1, "a") != key(1, "b"));
        assert!(key(1, "a") != key(2, "a"));
    }

    #[test]
    fn the_key_of_a_login_depends_on_each_of_its_parts() {
        let key = RefreshKey::of_login;
        assert!(key("state", "verifier", "code") == key("state", "verifier", "code"));
        for other in [
            key("another", "verifier", "code"),
            key("state", "another", "code"),
            key("state", "verifier", "another"),
            key("statev", "erifier", "code"),
            RefreshKey::new(SessionId::NONE, "code"),
        ] {
            assert!(key("state", "verifier", "code") != other);
        }
    }
}
