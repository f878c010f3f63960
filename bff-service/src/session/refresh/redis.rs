//! The refresh store of several replicas: a lock and the sealed outcome, for seconds, in Redis.
//!
//! Within the process the [in-process store](super::in_process) comes first, so that Redis sees one caller
//! of each replica. Of these the first takes the lock, refreshes, and leaves the new tokens, sealed with the cookies' key
//! ring, for the others. The steps are [scripts](super::redis_scripts); a model of the whole is checked by the tests.
//!
//! * The lock has a short life and is prolonged for as long as its holder is at work, however long that takes. When the holder
//!   dies, another replica leads a few seconds later, with the same refresh token: a server that grants a grace period
//!   accepts it, any other says that the session is over.
//! * The lock holds a number that nobody had before (a fencing token). A replica that lost the lock meanwhile publishes
//!   nothing, so that an old outcome never replaces a newer one. And if it failed, its failure counts for nothing: what
//!   another replica has got since does.
//! * A lock that Redis forgot is taken again by its holder. For the time that this takes, nobody else leads.
//! * Without Redis nobody knows what the other replicas do. Where the proxy in front sends all of a session to one replica,
//!   that one decides alone. Elsewhere a replica refreshes only with refresh tokens that it got itself: at once with those
//!   that it got since Redis is away, and with older ones when whatever another replica had begun with them is over and
//!   forgotten. Any other refresh is refused as temporarily impossible, and the session stays as it is. So nobody is
//!   logged out by a token that was used twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error_code::ErrorCode;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::in_process::InProcessRefreshStore;
use super::redis_lock::{Joined, LOCK_LIFETIME, RedisLock};
use super::replay_window::{is_for_late_callers, replay_window};
use super::sealed_outcome;
use super::store::{Holder, Lease, RefreshKey, RefreshOutcome, RefreshStore, RenewedTokens, Role, StoreFuture};
use crate::session::cookies::keys::RotatingSealer;
use crate::session::redis::{Redis, Unavailable};
use crate::telemetry::metrics::Metrics;
use crate::{clock, random};

/// How often the holder prolongs it.
const LOCK_RENEWAL: Duration = Duration::from_secs(1);
/// How often those who wait look for the outcome.
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// How long any outcome is there at least, for those who wait.
const MIN_OUTCOME_LIFETIME: Duration = Duration::from_secs(2);

/// See the [module](self).
#[derive(Clone)]
pub struct RedisRefreshStore {
    local: InProcessRefreshStore,
    lock: RedisLock,
    sealer: RotatingSealer,
    settings: RedisRefreshSettings,
    metrics: Arc<Metrics>,
    /// The locks that this replica holds.
    held: Arc<Mutex<HashMap<Lease, Lock>>>,
}

/// What a [`RedisRefreshStore`] goes by.
#[derive(Clone, Copy, Debug)]
pub struct RedisRefreshSettings {
    /// How long new tokens are handed to late callers.
    pub replay_window: Duration,
    /// How long a caller waits for another one's outcome.
    pub wait: Duration,
    /// After this time a refresh is over in any case.
    pub over: Duration,
    /// Whether all of a session's requests come to the same replica.
    pub session_affinity: bool,
}

struct Lock {
    token: Arc<str>,
    /// It was not to be had, and no other replica can have used what is exchanged.
    alone: bool,
    prolonging: JoinHandle<()>,
}

/// Where the replicas stand.
enum ReplicaRole {
    /// This one leads.
    Leader(Lock),
    /// Another one did it while this one waited.
    Follower(RefreshOutcome),
    /// Another one had done it before.
    Replay(RefreshOutcome),
}

/// What came of publishing an outcome.
enum Published {
    /// The others have it.
    Yes,
    /// Redis is away.
    Unknown,
    /// Another replica has taken this one's place.
    LockLost,
}

impl RedisRefreshStore {
    /// Over this connection. `sealer` seals what is left there, and is not the one of the cookies.
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

    /// Whether this replica leads, or what another one got.
    async fn join_others(&self, key: RefreshKey, holder: Holder) -> ReplicaRole {
        let refused = || ReplicaRole::Follower(Err(ErrorCode::AuthorizationServerError));
        let Ok(token) = random::token() else { return refused() };
        let begun = Instant::now();
        let mut waited = false;
        while begun.elapsed() <= self.settings.wait {
            // A replica whose lock Redis has forgotten takes it again meanwhile.
            let may_lead = self.settings.session_affinity || !self.lock.0.came_back_within(LOCK_LIFETIME);
            match self.lock.join(key, &token, may_lead).await {
                Ok(Joined::Outcome(sealed)) => {
                    let outcome = self.open(key, &sealed);
                    if waited {
                        return ReplicaRole::Follower(outcome);
                    }
                    if is_for_late_callers(&outcome, clock::now()) {
                        return ReplicaRole::Replay(outcome);
                    }
                    self.lock.discard(key, &sealed).await;
                }
                Ok(Joined::Acquired { instead }) => {
                    if instead {
                        log::warn!(
                            "another replica had begun to use this refresh token and did not finish; if the authorization \
                             server now ends the session, it has no grace period for that"
                        );
                    }
                    return ReplicaRole::Leader(self.hold(key, &token, false));
                }
                Ok(Joined::Busy) => {
                    waited = true;
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Err(Unavailable) => {
                    self.metrics.refresh_without_redis();
                    return match self.may_lead_alone(holder) {
                        // The others are told when Redis is back.
                        true => ReplicaRole::Leader(self.hold(key, &token, true)),
                        false => refused(),
                    };
                }
            }
        }
        refused()
    }

    /// Whether no other replica can have used what is to be exchanged, or whether it does not matter.
    fn may_lead_alone(&self, holder: Holder) -> bool {
        let last_seen = self.lock.0.last_seen();
        let RedisRefreshSettings {
            replay_window, over, ..
        } = self.settings;
        let over_since = last_seen.saturating_add(replay_window.saturating_add(over).as_secs());
        // A second for the rounding of times.
        let alone =
            |obtained_at: u64| obtained_at > last_seen.saturating_add(1) || clock::now() > over_since.saturating_add(1);
        self.settings.session_affinity
            || match holder {
                Holder::ThisProcess(since) => alone(since),
                Holder::AnyProcess => false,
                Holder::Nobody => true,
            }
    }

    /// Sees to it that the lock stays this replica's until it is [published](RedisRefreshStore::share) what came of it.
    fn hold(&self, key: RefreshKey, token: &str, alone: bool) -> Lock {
        let token: Arc<str> = token.into();
        let (store, prolonged) = (self.clone(), Arc::clone(&token));
        // A refresh that never ends must not keep its session from ever being refreshed.
        let until = Instant::now() + self.settings.over;
        let prolonging = tokio::spawn(async move {
            while Instant::now() < until {
                tokio::time::sleep(LOCK_RENEWAL).await;
                // A failure is tried again in a second; the lock lives three.
                if store.lock.keep(key, &prolonged).await == Ok(false) {
                    return;
                }
            }
        });
        Lock {
            token,
            alone,
            prolonging,
        }
    }

    async fn share(&self, key: RefreshKey, lock: &Lock, outcome: &RefreshOutcome) -> Published {
        lock.prolonging.abort();
        let window = replay_window(outcome, self.settings.replay_window, clock::now()).max(MIN_OUTCOME_LIFETIME);
        let Some(sealed) = sealed_outcome::seal(&self.sealer, key, outcome, window.as_secs()) else {
            log::error!("sealing the outcome of a refresh for the other replicas failed");
            return Published::Yes;
        };
        match self.lock.publish(key, &lock.token, &sealed, window).await {
            Ok(true) => Published::Yes,
            Ok(false) => {
                log::warn!("another replica has taken over a refresh; the outcome of this one is not shared");
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

    /// Publishes new tokens when Redis is back, as long as anybody may come for them: a late tab at another replica would use
    /// their refresh token again.
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

    /// The outcome that counts, once it is published.
    async fn publish_among(&self, key: RefreshKey, lock: &Lock, outcome: RefreshOutcome) -> RefreshOutcome {
        match self.share(key, lock, &outcome).await {
            Published::LockLost if outcome.is_err() => {}
            // Another replica may have taken this one's place before Redis went away: then the session need not be over.
            Published::Unknown if !lock.alone && matches!(outcome, Err(ErrorCode::SessionExpired)) => {
                return Err(ErrorCode::AuthorizationServerError);
            }
            Published::Yes | Published::LockLost | Published::Unknown => return outcome,
        }
        // The refresh token may have been refused because of what the other replica did with it.
        match self.join_others(key, Holder::AnyProcess).await {
            ReplicaRole::Follower(other) | ReplicaRole::Replay(other) => other,
            ReplicaRole::Leader(lock) => {
                self.share(key, &lock, &outcome).await;
                outcome
            }
        }
    }

    fn open(&self, key: RefreshKey, sealed: &[u8]) -> RefreshOutcome {
        sealed_outcome::open(&self.sealer, key, sealed).unwrap_or_else(|| {
            log::error!("an outcome in Redis cannot be decrypted: check that all replicas have the same cookie keys");
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
                role @ (Role::Follower(_) | Role::Replay(_)) => return role,
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
