//! The refresh store of several replicas: in Redis, a lock, and the sealed result for as long as a caller may need it.
//!
//! Within the process the [in-process store](super::in_process) comes first, so only one caller of each replica asks for
//! the lock. The first of these takes the lock, refreshes, and publishes the new tokens for the others, sealed with the
//! cookie keys. The steps are [scripts](super::redis_scripts). The tests check a model of the whole protocol.
//!
//! * The lock has a short lifetime, and its holder renews it until the refresh is complete. If the holder crashes,
//!   another replica leads a few seconds later with the same refresh token: an authorization server that rotates refresh
//!   tokens without a grace period may end the session.
//! * The lock contains a unique value (a fencing token). A replica that has lost the lock publishes nothing, so an old
//!   result never replaces a newer one. If its refresh failed, the result of the other replica counts instead.
//! * If an outage of Redis has lost a lock, its holder takes the lock again. Without session affinity, no other replica
//!   leads until the holder has had the time for that.
//! * Without Redis, a replica does not know what the others do. If the proxy in front of the service sends all requests
//!   of a session to one replica, that replica decides alone. Otherwise a replica refreshes only with refresh tokens
//!   that it received itself: immediately if it received them after Redis went down, and older ones when any exchange
//!   of another replica with them is complete and its replay window has ended. Any other refresh is refused as
//!   temporarily unavailable, and the session stays as it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error_code::ErrorCode;
use bff_core::cookie::session_id::SessionId;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::in_process::InProcessRefreshStore;
use super::redis_lock::{Joined, LOCK_LIFETIME, RedisLock};
use super::replay_window::{is_for_late_callers, replay_window, until_delivered};
use super::sealed_outcome;
use super::store::{Holder, Lease, RefreshKey, RefreshOutcome, RefreshStore, RenewedTokens, Role, StoreFuture};
use crate::session::cookies::keys::RotatingSealer;
use crate::session::redis::{Redis, Unavailable};
use crate::telemetry::metrics::Metrics;
use crate::{clock, random};

/// How often the holder renews the lock.
const LOCK_RENEWAL: Duration = Duration::from_secs(1);
/// How often a waiting replica polls for the result.
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// Minimum lifetime of a result, for replicas that wait.
const MIN_OUTCOME_LIFETIME: Duration = Duration::from_secs(2);

/// The refresh store of several replicas, as the [module](self) describes it.
#[derive(Clone)]
pub struct RedisRefreshStore {
    local: InProcessRefreshStore,
    lock: RedisLock,
    sealer: RotatingSealer,
    settings: RedisRefreshSettings,
    metrics: Arc<Metrics>,
    /// The locks of this replica.
    held: Arc<Mutex<HashMap<Lease, Lock>>>,
}

/// Settings of a [`RedisRefreshStore`].
#[derive(Clone, Copy, Debug)]
pub struct RedisRefreshSettings {
    /// How long late callers get the new tokens.
    pub replay_window: Duration,
    /// How long a caller waits for the result of another caller.
    pub wait: Duration,
    /// Time limit after which a refresh is complete in any case.
    pub complete_after: Duration,
    /// Whether all requests of a session reach the same replica.
    pub session_affinity: bool,
}

struct Lock {
    token: Arc<str>,
    /// Whether Redis was unavailable, and the replica [leads alone](RedisRefreshStore::may_lead_alone).
    is_alone: bool,
    renewal: JoinHandle<()>,
}

/// The role of this replica.
enum ReplicaRole {
    /// This replica leads.
    Leader(Lock),
    /// Another replica completed the exchange while this one waited; or this one waited too long, or may not lead.
    Follower(RefreshOutcome),
    /// Another replica had completed the exchange before.
    Replay(RefreshOutcome),
}

/// The result of publishing.
enum Published {
    /// The other replicas have the result, or it cannot be sealed for them.
    Yes,
    /// Redis is unavailable.
    Unknown,
    /// Another replica has the lock, or has completed the exchange.
    LockLost,
}

impl RedisRefreshStore {
    /// `sealer` seals the published results, and must not be that of the cookies.
    pub fn new(
        local: InProcessRefreshStore,
        redis: Redis,
        sealer: RotatingSealer,
        settings: RedisRefreshSettings,
        metrics: Arc<Metrics>,
    ) -> RedisRefreshStore {
        RedisRefreshStore {
            local,
            lock: RedisLock(redis),
            sealer,
            settings,
            metrics,
            held: Arc::default(),
        }
    }

    /// Takes the lead, or returns the result of another replica.
    async fn join_others(&self, key: RefreshKey, holder: Holder) -> ReplicaRole {
        let failed = || ReplicaRole::Follower(Err(ErrorCode::AuthorizationServerError));
        let Ok(token) = random::token() else { return failed() };
        let begun = Instant::now();
        let (mut waited, mut may_lead) = (false, true);
        while begun.elapsed() <= self.settings.wait {
            // In the meantime, a replica whose lock Redis has lost takes it again.
            may_lead = self.settings.session_affinity || !self.lock.0.has_come_back_within(LOCK_LIFETIME);
            match self.lock.join(key, &token, may_lead).await {
                Ok(Joined::Outcome(sealed)) => {
                    let outcome = self.open(key, &sealed);
                    self.deliver(key, &outcome).await;
                    if waited {
                        return ReplicaRole::Follower(outcome);
                    }
                    if is_for_late_callers(&outcome, clock::now()) {
                        return ReplicaRole::Replay(outcome);
                    }
                    self.lock.discard(key, &sealed).await;
                }
                Ok(Joined::Acquired { is_replacement }) => {
                    if is_replacement {
                        log::warn!(
                            "another replica began a token request with this refresh token or code and did not complete \
                             it: repeating the request, which the authorization server may refuse (then the session \
                             of the refresh token ends): check why that replica failed"
                        );
                    }
                    return ReplicaRole::Leader(self.hold(key, &token, false));
                }
                Ok(Joined::Busy) => {
                    waited = true;
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Err(Unavailable) => {
                    self.metrics.count_refresh_without_redis();
                    return match self.may_lead_alone(holder) {
                        // New tokens are published when Redis is available again.
                        true => ReplicaRole::Leader(self.hold(key, &token, true)),
                        false => ReplicaRole::Follower(Err(ErrorCode::RefreshUnavailable)),
                    };
                }
            }
        }
        match may_lead {
            true => failed(),
            false => ReplicaRole::Follower(Err(ErrorCode::RefreshUnavailable)),
        }
    }

    /// Whether this replica may lead although Redis is unavailable: it gets all requests of the session, no other replica
    /// can have used the refresh token within the replay window, or a code is exchanged, before which there is no session.
    fn may_lead_alone(&self, holder: Holder) -> bool {
        let last_seen = self.lock.0.last_seen();
        let RedisRefreshSettings {
            replay_window,
            complete_after,
            ..
        } = self.settings;
        let forgotten_at = last_seen.saturating_add(replay_window.saturating_add(complete_after).as_secs());
        // One second for the rounding of times.
        let is_alone = |obtained_at: u64| {
            obtained_at > last_seen.saturating_add(1) || clock::now() > forgotten_at.saturating_add(1)
        };
        self.settings.session_affinity
            || match holder {
                Holder::ThisProcess(since) => is_alone(since),
                Holder::AnyProcess => false,
                Holder::Nobody => true,
            }
    }

    /// Renews the lock until the result is [published](RedisRefreshStore::share), within the time limit of an exchange.
    fn hold(&self, key: RefreshKey, token: &str, is_alone: bool) -> Lock {
        let token: Arc<str> = token.into();
        let (store, renewed) = (self.clone(), Arc::clone(&token));
        // An exchange that never completes must not block its session for ever.
        let until = Instant::now() + self.settings.complete_after;
        let renewal = tokio::spawn(async move {
            while Instant::now() < until {
                tokio::time::sleep(LOCK_RENEWAL).await;
                // A failed renewal is repeated after a second, and the lock lives for three seconds.
                if store.lock.renew(key, &renewed).await == Ok(false) {
                    return;
                }
            }
        });
        Lock {
            token,
            is_alone,
            renewal,
        }
    }

    async fn share(&self, key: RefreshKey, lock: &Lock, outcome: &RefreshOutcome) -> Published {
        lock.renewal.abort();
        let window = until_delivered(outcome, self.settings.replay_window, clock::now()).max(MIN_OUTCOME_LIFETIME);
        let Some(sealed) = sealed_outcome::seal(&self.sealer, key, outcome, window.as_secs()) else {
            log::error!(
                "sealing the result of a token request for the other replicas failed: the tokens are too long, or there \
                 are no random bytes: configure the authorization server to issue shorter tokens"
            );
            return Published::Yes;
        };
        match self.lock.publish(key, &lock.token, &sealed, window).await {
            Ok(true) => Published::Yes,
            Ok(false) => {
                log::warn!(
                    "another replica has taken over a token request, so the result of this replica's request is not \
                     shared: check why this replica or Redis was slow"
                );
                Published::LockLost
            }
            Err(Unavailable) => {
                if outcome.is_ok() {
                    self.publish_later(key, Arc::clone(&lock.token), sealed, window);
                }
                Published::Unknown
            }
        }
    }

    /// Shortens the lifetime of a result that waits in Redis for its first caller, who gets it now.
    async fn deliver(&self, key: RefreshKey, outcome: &RefreshOutcome) {
        if outcome.as_ref().is_ok_and(|tokens| tokens.is_undelivered) {
            let window = replay_window(outcome, self.settings.replay_window, clock::now());
            self.lock.shorten(key, window.max(MIN_OUTCOME_LIFETIME)).await;
        }
    }

    /// Publishes new tokens when Redis is available again, as long as a caller may need them: a late tab at another
    /// replica would use the refresh token again.
    fn publish_later(&self, key: RefreshKey, token: Arc<str>, sealed: String, window: Duration) {
        let store = self.clone();
        let until = Instant::now() + window;
        tokio::spawn(async move {
            while Instant::now() < until {
                tokio::time::sleep(LOCK_RENEWAL).await;
                let left = until.saturating_duration_since(Instant::now()).max(LOCK_RENEWAL);
                if store.lock.publish(key, &token, &sealed, left).await.is_ok() {
                    return;
                }
            }
        });
    }

    /// Publishes the result, and returns the one that counts.
    async fn publish_among(&self, key: RefreshKey, lock: &Lock, outcome: RefreshOutcome) -> RefreshOutcome {
        match self.share(key, lock, &outcome).await {
            Published::LockLost if outcome.is_err() => {}
            // Another replica may have had the lock before Redis became unavailable: the session may then still exist.
            Published::Unknown if !lock.is_alone && matches!(outcome, Err(ErrorCode::SessionExpired)) => {
                return Err(ErrorCode::RefreshUnavailable);
            }
            Published::Yes | Published::LockLost | Published::Unknown => return outcome,
        }
        // The refresh token may have been refused because the other replica used it.
        match self.join_others(key, Holder::AnyProcess).await {
            // A code has no session that could be kept.
            ReplicaRole::Follower(Err(ErrorCode::RefreshUnavailable)) if key.session() == SessionId::NONE => outcome,
            ReplicaRole::Follower(other) | ReplicaRole::Replay(other) => other,
            ReplicaRole::Leader(lock) => {
                self.share(key, &lock, &outcome).await;
                outcome
            }
        }
    }

    fn open(&self, key: RefreshKey, sealed: &[u8]) -> RefreshOutcome {
        sealed_outcome::open(&self.sealer, key, sealed).unwrap_or_else(|| {
            log::error!(
                "the result of a token request in Redis cannot be decrypted: check that all replicas have the same \
                 cookie keys"
            );
            Err(ErrorCode::AuthorizationServerError)
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Lease, Lock>> {
        // Every change is complete in itself.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshStore for RedisRefreshStore {
    fn join(&self, key: RefreshKey, holder: Holder) -> StoreFuture<'_, Role> {
        Box::pin(async move {
            let lease = match self.local.join(key, holder).await {
                Role::Leader(lease) => lease,
                role @ (Role::Follower(_) | Role::Replay(_)) => {
                    if let Role::Follower(outcome) | Role::Replay(outcome) = &role {
                        self.deliver(key, outcome).await;
                    }
                    return role;
                }
            };
            let role = match self.join_others(key, holder).await {
                ReplicaRole::Leader(lock) => {
                    self.held().insert(lease, lock);
                    return Role::Leader(lease);
                }
                ReplicaRole::Follower(outcome) => Role::Follower(outcome),
                ReplicaRole::Replay(outcome) => Role::Replay(outcome),
            };
            if let Role::Follower(outcome) | Role::Replay(outcome) = &role {
                let _ = self.local.publish(key, lease, outcome.clone()).await;
            }
            role
        })
    }

    fn publish(&self, key: RefreshKey, lease: Lease, outcome: RefreshOutcome) -> StoreFuture<'_, RefreshOutcome> {
        Box::pin(async move {
            let lock = self.held().remove(&lease);
            let outcome = match lock {
                Some(lock) => self.publish_among(key, &lock, outcome).await,
                None => outcome,
            };
            self.local.publish(key, lease, outcome).await
        })
    }

    fn published(&self, key: RefreshKey) -> StoreFuture<'_, Option<Arc<RenewedTokens>>> {
        Box::pin(async move {
            if let Some(tokens) = self.local.published(key).await {
                return Some(tokens);
            }
            match self.lock.join(key, "", false).await {
                Ok(Joined::Outcome(sealed)) => self.open(key, &sealed).ok(),
                Ok(Joined::Acquired { .. } | Joined::Busy) | Err(Unavailable) => None,
            }
        })
    }
}
