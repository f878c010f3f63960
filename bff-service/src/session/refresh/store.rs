//! One exchange for several callers.
//!
//! An authorization server that rotates refresh tokens treats a second use of one as theft and ends the session, but a
//! browser with several tabs uses one token several times in normal operation. So the first caller with a refresh token
//! is the leader: it alone sends the token request. Callers with the same token during the request, or within the
//! replay window after it (a late tab still sends the old cookie), get the same new tokens, or newer ones. The same
//! applies to a code, because a page that mounts twice completes its login twice.
//!
//! [`RefreshStore`] is the interface. The [in-process store](super::in_process) serves all workers of one process.
//! Replicas need either session affinity, or the store in [Redis](super::redis). This module has what both share: the
//! result of an exchange. [`replay_window`](super::replay_window) says how long late callers get it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error_code::ErrorCode;
use bff_core::cookie::session_id::SessionId;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::session::identity::{ReplicaId, Session};
use crate::session::tokens::Tokens;

/// Identifies one exchange: SHA-256 over its inputs. The hash is not truncated, so no caller can get the tokens of
/// another session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshKey {
    session: SessionId,
    digest: [u8; 32],
}

impl RefreshKey {
    /// The key for using `refresh_token` in `session`.
    pub fn new(session: SessionId, refresh_token: &str) -> RefreshKey {
        let mut hash = Sha256::new();
        hash.update(session.0);
        hash.update(refresh_token.as_bytes());
        RefreshKey {
            session,
            digest: hash.finalize().into(),
        }
    }

    /// The key for exchanging `code` in the login with this `state` and `code_verifier`: only the browser that started
    /// the login has the verifier, sealed in its cookie.
    pub fn of_login(state: &str, code_verifier: &str, code: &str) -> RefreshKey {
        let mut hash = Sha256::new();
        for part in ["login", state, code_verifier, code] {
            // With the length of each part, so that the boundaries are unambiguous.
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

    /// The session of the exchange; [`SessionId::NONE`] for a login, whose session does not exist yet.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

/// The tokens after an exchange. Wiped from memory when dropped.
#[derive(Clone)]
pub struct RenewedTokens {
    /// The new access token.
    pub access_token: Zeroizing<String>,
    /// When the access token expires, in seconds since 1970.
    pub access_token_expires_at: u64,
    /// The refresh token for the next refresh: the new one, or the old one if it was not rotated. Empty after a
    /// login without a refresh token.
    pub refresh_token: Zeroizing<String>,
    /// Whether the refresh token was rotated, or a code was used: the old one must not be used again.
    pub rotated: bool,
    /// Whether the caller that led the exchange did not wait for the tokens: unless another one did, nobody has them.
    pub is_undelivered: bool,
    /// When the refresh token expires, in seconds since 1970, if known.
    pub refresh_token_expires_at: Option<u64>,
    /// The scope for the next refresh, if known.
    pub scope: Option<String>,
    /// The new ID token, if the response has one.
    pub id_token: Option<Zeroizing<String>>,
    /// The replica that received the tokens.
    pub renewed_by: ReplicaId,
    /// When that replica received the tokens, in seconds since 1970.
    pub renewed_at: u64,
    /// The new session, after a login.
    pub begun: Option<BegunSession>,
}

/// The session that all responses to one login begin.
#[derive(Clone)]
pub struct BegunSession {
    /// Its identity.
    pub session: Session,
    /// Its CSRF value.
    pub csrf: Zeroizing<Vec<u8>>,
}

impl RenewedTokens {
    /// Whether both begin the same session.
    pub fn is_of_the_same_new_session(&self, other: &RenewedTokens) -> bool {
        let id = |tokens: &RenewedTokens| tokens.begun.as_ref().map(|begun| begun.session.id);
        id(self).is_some() && id(self) == id(other)
    }

    /// Whether the access token has not expired at `now` (seconds since 1970).
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

/// The result of an exchange, for all its callers.
pub type RefreshOutcome = Result<Arc<RenewedTokens>, ErrorCode>;

/// Which processes may have the token or code, as far as a caller knows: for replicas that cannot be coordinated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// This process received the refresh token at this time, in seconds since 1970.
    ThisProcess(u64),
    /// Another process may have received the refresh token.
    AnyProcess,
    /// A code: before its exchange there is no session that a second use could end.
    Nobody,
}

/// The right of a leader to [publish](RefreshStore::publish): a number that is unique in its store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease(pub u64);

/// The result of [`RefreshStore::join`].
pub enum Role {
    /// The caller must perform the exchange and then call [`RefreshStore::publish`].
    Leader(Lease),
    /// Another caller completed the exchange while this caller waited; or this caller waited too long, or may not lead.
    Follower(RefreshOutcome),
    /// Another caller had completed the exchange before.
    Replay(RefreshOutcome),
}

/// A future of a store, boxed so that the store can be a trait object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Selects the leader of an exchange, and stores its result for late callers.
pub trait RefreshStore: Send + Sync {
    /// Takes the lead for `key`, or waits for the result of the leader. After a time limit the result is
    /// [`ErrorCode::AuthorizationServerError`] or [`ErrorCode::RefreshUnavailable`]. The future must run to completion:
    /// a leader must publish.
    fn join(&self, key: RefreshKey, holder: Holder) -> StoreFuture<'_, Role>;

    /// Publishes the leader's result for its [replay window](super::replay_window), unless another leader has replaced
    /// it. Returns the result that counts: that of the other leader if this one failed and the other succeeded.
    fn publish(&self, key: RefreshKey, lease: Lease, outcome: RefreshOutcome) -> StoreFuture<'_, RefreshOutcome>;

    /// The new tokens for `key`, if stored.
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
            is_undelivered: false,
            refresh_token_expires_at: None,
            scope: None,
            id_token: None,
            renewed_by: ReplicaId(1),
            renewed_at: 0,
            begun: None,
        }))
    }

    /// The same tokens, for which nobody waited.
    pub(in crate::session) fn undelivered(outcome: RefreshOutcome) -> RefreshOutcome {
        let tokens = outcome?;
        Ok(Arc::new(RenewedTokens {
            is_undelivered: true,
            ..(*tokens).clone()
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
