//! One refresh for many callers.
//!
//! An authorization server that rotates refresh tokens takes a second use of one for theft and ends the session, and a
//! browser with several tabs uses one token several times as a matter of course. So the first caller with a refresh
//! token leads: it alone asks the authorization server. Whoever comes with the same token while that runs, or within
//! the replay window afterwards (a late tab still sends the cookie from before), gets the very same new tokens.
//!
//! [`RefreshStore`] is what it takes to do so; the [in-process one](super::in_process_refresh_store) serves all workers
//! of one process. Replicas need either routing by session, or the one over
//! [Redis](super::redis_refresh_store).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bff_core::reply::Refusal;
use bff_core::seal::SessionId;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::tokens::ReplicaId;

/// Names one rotation: SHA-256 over the session and the refresh token that is to be used. The whole hash, and both
/// parts, so that no caller can ever be handed what belongs to another session.
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

    /// The hash.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The session that the rotation belongs to.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

/// The tokens after a rotation. Wiped from memory when the last holder lets go.
pub struct RenewedTokens {
    /// The new access token.
    pub access_token: Zeroizing<String>,
    /// When the access token expires, in UNIX seconds.
    pub access_token_expires_at: u64,
    /// The refresh token to use from now on: the new one, or the old one where the server does not rotate.
    pub refresh_token: Zeroizing<String>,
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
}

/// How a refresh ended: the same for every caller of the flight.
pub type RefreshOutcome = Result<Arc<RenewedTokens>, Refusal>;

/// What [`RefreshStore::join`] found.
pub enum Turn {
    /// Nobody is at it: the caller must do the refresh and then call [`RefreshStore::settle`].
    Lead,
    /// Somebody else did it while this caller waited.
    Settled(RefreshOutcome),
    /// Somebody else had done it before this caller came.
    Replayed(RefreshOutcome),
}

/// A future of a store. Boxed, so that the store can be a trait object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decides who leads a refresh, and keeps its outcome for those who come late.
pub trait RefreshStore: Send + Sync {
    /// Takes the lead for `key`, or waits for the outcome of whoever has it. `got` tells since when this very process has
    /// the refresh token, in UNIX seconds; `None`: another process got it. Not to be abandoned: who has the lead must use
    /// it.
    fn join(&self, key: RefreshKey, got: Option<u64>) -> StoreFuture<'_, Turn>;

    /// Publishes the leader's outcome. New tokens are kept for the replay window; a failure is told to those who wait and
    /// then forgotten, since the next caller may fare better.
    fn settle(&self, key: RefreshKey, outcome: RefreshOutcome) -> StoreFuture<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_the_session_and_on_the_token() {
        let key = |session, token| RefreshKey::new(SessionId([session; 32]), token);
        assert!(key(1, "a") == key(1, "a"));
        assert!(key(1, "a") != key(1, "b"));
        assert!(key(1, "a") != key(2, "a"));
    }
}
