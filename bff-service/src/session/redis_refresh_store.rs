//! The refresh store of several replicas: a lock and the sealed outcome, for seconds, in Redis.
//!
//! Within the process the [in-process store](super::in_process_refresh_store) comes first, so that Redis sees one caller
//! of each replica. Of these the first takes the lock, refreshes, and leaves the new tokens, sealed with the cookies' key
//! ring, for the others.
//!
//! * The lock has a short life and is prolonged while its holder is at work. When the holder dies, another replica leads
//!   a few seconds later, with the same refresh token: a server that grants a grace period accepts it, any other says
//!   that the session is over.
//! * The lock holds a number that nobody had before (a fencing token). Who lost the lock meanwhile publishes nothing, so
//!   that an old outcome never replaces a newer one.
//! * Without Redis nobody knows what the other replicas do. Where the proxy in front sends all of a session to one replica,
//!   that one decides alone. Elsewhere a replica refreshes only with refresh tokens that it got itself: at once with those
//!   that it got since Redis is away, and with older ones when whatever another replica had begun with them is over and
//!   forgotten. Any other refresh is refused as temporarily impossible, and the session stays as it is. So nobody is
//!   logged out by a token that was used twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bff_core::reply::Refusal;
use bff_core::seal::{Content, Purpose};
use redis::Script;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::cookie_keys::LiveSealer;
use super::in_process_refresh_store::InProcessRefreshStore;
use super::redis::{Redis, Unavailable};
use super::refresh_store::{RefreshKey, RefreshOutcome, RefreshStore, RenewedTokens, StoreFuture, Turn};
use super::tokens::ReplicaId;
use crate::clock;
use crate::metrics::Metrics;
use crate::random;

/// How long the lock outlives its holder.
const LOCK: Duration = Duration::from_secs(3);
/// How often the holder prolongs it.
const PROLONG: Duration = Duration::from_secs(1);
/// How often those who wait look for the outcome.
const LOOK: Duration = Duration::from_millis(30);
/// How long a failure is there for those who wait.
const FAILURE_SECONDS: u64 = 2;
/// How long it is remembered who began a refresh and did not finish it.
const COUNT_SECONDS: u64 = 600;

/// `KEYS`: outcome, lock, counter. `ARGV`: the lock's life in milliseconds, the counter's in seconds. Returns the outcome (a
/// text), or the fencing token of the lock that was taken (a number, 1 for the first to hold it), or nothing while somebody
/// else holds it.
const JOIN: &str = "
    local outcome = redis.call('GET', KEYS[1])
    if outcome then return outcome end
    if redis.call('EXISTS', KEYS[2]) == 1 then return false end
    local token = redis.call('INCR', KEYS[3])
    redis.call('EXPIRE', KEYS[3], ARGV[2])
    redis.call('SET', KEYS[2], token, 'PX', ARGV[1])
    return token";

/// `KEYS`: lock. `ARGV`: fencing token, the lock's life in milliseconds.
const KEEP: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 0";

/// `KEYS`: outcome, lock, counter. `ARGV`: fencing token, outcome, its life in seconds. Publishes only for the lock's
/// holder.
const SETTLE: &str = "
    if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    redis.call('DEL', KEYS[2], KEYS[3])
    return 1";

/// See the [module](self).
#[derive(Clone)]
pub struct RedisRefreshStore {
    local: InProcessRefreshStore,
    redis: Redis,
    sealer: LiveSealer,
    settings: Settings,
    metrics: Arc<Metrics>,
    /// The locks that this replica holds.
    held: Arc<Mutex<HashMap<RefreshKey, Lock>>>,
}

/// What a [`RedisRefreshStore`] goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long new tokens are handed to late callers, in seconds.
    pub replay_seconds: u64,
    /// How long a refresh may take, in seconds.
    pub refresh_seconds: u64,
    /// Whether all of a session's requests come to the same replica.
    pub session_affinity: bool,
}

struct Lock {
    token: u64,
    prolonging: JoinHandle<()>,
}

/// The outcome as it is sealed.
#[derive(Serialize, Deserialize)]
enum Stored {
    Renewed {
        access_token: String,
        access_token_expires_at: u64,
        refresh_token: String,
        refresh_token_expires_at: Option<u64>,
        id_token: Option<String>,
        renewed_by: ReplicaId,
        /// 0 from a replica of before this member: long ago.
        #[serde(default)]
        renewed_at: u64,
        /// Unknown to a replica of before this member.
        #[serde(default)]
        scope: Option<String>,
    },
    /// By the refusal's status: the session is over, or not.
    Refused(Ended),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Ended {
    SessionExpired,
    Rejected,
    Unavailable,
}

/// What [`JOIN`] found.
enum Found {
    Outcome(RefreshOutcome),
    Lead(u64),
    Busy,
}

impl RedisRefreshStore {
    /// Over this connection. `sealer` seals what is left there, and is not the one of the cookies.
    pub fn new(
        local: InProcessRefreshStore,
        redis: Redis,
        sealer: LiveSealer,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> RedisRefreshStore {
        RedisRefreshStore {
            local,
            redis,
            sealer,
            settings,
            metrics,
            held: Arc::default(),
        }
    }

    async fn look(&self, key: RefreshKey) -> Result<Found, Unavailable> {
        let name = name_of(key);
        let script = Script::new(JOIN);
        let mut call = script.key(self.redis.key(&format!("refreshed:{name}")));
        call.key(self.redis.key(&format!("refreshing:{name}")))
            .key(self.redis.key(&format!("refreshers:{name}")))
            .arg(millis(LOCK))
            .arg(COUNT_SECONDS);
        let answer: redis::Value = self.redis.invoke(&call).await?;
        Ok(match answer {
            redis::Value::Int(token) => Found::Lead(u64::try_from(token).unwrap_or_default()),
            redis::Value::BulkString(sealed) => match self.open(key, &sealed) {
                Some(outcome) => Found::Outcome(outcome),
                None => {
                    log::error!("an outcome in Redis is not one of ours; have the replicas different keys?");
                    Found::Outcome(Err(Refusal::AuthorizationServerError))
                }
            },
            _ => Found::Busy,
        })
    }

    /// Whether this replica leads, or what another one got.
    async fn join_others(&self, key: RefreshKey, got: Option<u64>) -> Turn {
        let mut waited = false;
        loop {
            match self.look(key).await {
                Ok(Found::Outcome(outcome)) if waited => return Turn::Settled(outcome),
                Ok(Found::Outcome(outcome)) => return Turn::Replayed(outcome),
                Ok(Found::Lead(token)) => {
                    if token > 1 {
                        log::warn!(
                            "another replica had begun to use this refresh token and did not finish; if the authorization \
                             server now ends the session, it has no grace period for that"
                        );
                    }
                    self.hold(key, token);
                    return Turn::Lead;
                }
                Ok(Found::Busy) => {
                    waited = true;
                    tokio::time::sleep(LOOK).await;
                }
                Err(Unavailable) => {
                    self.metrics.refresh_without_redis();
                    return match self.may_lead_alone(got) {
                        true => Turn::Lead,
                        false => Turn::Settled(Err(Refusal::AuthorizationServerError)),
                    };
                }
            }
        }
    }

    /// Whether no other replica can have used a refresh token that this process has since `got`.
    fn may_lead_alone(&self, got: Option<u64>) -> bool {
        let Settings {
            replay_seconds,
            refresh_seconds,
            session_affinity,
        } = self.settings;
        let last_seen = self.redis.last_seen();
        let over_since = last_seen.saturating_add(replay_seconds).saturating_add(refresh_seconds);
        // A second for the rounding of times.
        let alone = |got: u64| got > last_seen.saturating_add(1) || clock::now() > over_since.saturating_add(1);
        session_affinity || got.is_some_and(alone)
    }

    fn hold(&self, key: RefreshKey, token: u64) {
        let redis = self.redis.clone();
        let lock = redis.key(&format!("refreshing:{}", name_of(key)));
        // A refresh that never ends must not keep its session from ever being refreshed.
        let times = self.settings.refresh_seconds.saturating_add(1);
        let prolonging = tokio::spawn(async move {
            for _ in 0..times {
                tokio::time::sleep(PROLONG).await;
                let script = Script::new(KEEP);
                let mut call = script.key(&lock);
                call.arg(token).arg(millis(LOCK));
                // A failure is tried again in a second; the lock lives three.
                let kept: Result<u64, Unavailable> = redis.invoke(&call).await;
                if kept == Ok(0) {
                    return;
                }
            }
        });
        self.held().insert(key, Lock { token, prolonging });
    }

    async fn publish(&self, key: RefreshKey, outcome: &RefreshOutcome) {
        let Some(Lock { token, prolonging }) = self.held().remove(&key) else {
            // It led without Redis.
            return;
        };
        prolonging.abort();
        let seconds = match outcome {
            Ok(_) => self.settings.replay_seconds.max(1),
            Err(_) => FAILURE_SECONDS,
        };
        let Some(sealed) = self.seal(key, outcome, seconds) else {
            log::error!("the outcome of a refresh cannot be sealed for the other replicas");
            return;
        };
        let name = name_of(key);
        let script = Script::new(SETTLE);
        let mut call = script.key(self.redis.key(&format!("refreshed:{name}")));
        call.key(self.redis.key(&format!("refreshing:{name}")))
            .key(self.redis.key(&format!("refreshers:{name}")))
            .arg(token)
            .arg(sealed)
            .arg(seconds);
        if self.redis.invoke(&call).await == Ok(0) {
            log::warn!("a refresh took longer than its lock lived; its outcome is not shared");
        }
    }

    fn seal(&self, key: RefreshKey, outcome: &RefreshOutcome, seconds: u64) -> Option<String> {
        let stored = match outcome {
            Ok(tokens) => Stored::Renewed {
                access_token: tokens.access_token.to_string(),
                access_token_expires_at: tokens.access_token_expires_at,
                refresh_token: tokens.refresh_token.to_string(),
                refresh_token_expires_at: tokens.refresh_token_expires_at,
                id_token: tokens.id_token.as_ref().map(|token| token.to_string()),
                renewed_by: tokens.renewed_by,
                renewed_at: tokens.renewed_at,
                scope: tokens.scope.clone(),
            },
            Err(Refusal::SessionExpired) => Stored::Refused(Ended::SessionExpired),
            Err(Refusal::AuthorizationError) => Stored::Refused(Ended::Rejected),
            Err(_) => Stored::Refused(Ended::Unavailable),
        };
        // The digest keeps whoever can write to Redis from handing one rotation's outcome to another.
        let json = Zeroizing::new(serde_json::to_vec(&(key.digest(), stored)).ok()?);
        let now = clock::now();
        let content = Content {
            value: &json,
            session: key.session(),
            began_at: now,
            // Clocks of replicas may differ; Redis itself ends it in time.
            expires_at: now.saturating_add(seconds).saturating_add(60),
        };
        self.sealer
            .seal(Purpose::RefreshToken, &content, random::bytes().ok()?)
            .ok()
    }

    fn open(&self, key: RefreshKey, sealed: &[u8]) -> Option<RefreshOutcome> {
        let opened = self.sealer.open(Purpose::RefreshToken, sealed, clock::now()).ok()?;
        let (digest, stored): ([u8; 32], Stored) = serde_json::from_slice(&opened.value).ok()?;
        if opened.session != Some(key.session()) || digest != *key.digest() {
            return None;
        }
        Some(match stored {
            Stored::Renewed {
                access_token,
                access_token_expires_at,
                refresh_token,
                refresh_token_expires_at,
                id_token,
                renewed_by,
                renewed_at,
                scope,
            } => Ok(Arc::new(RenewedTokens {
                access_token: access_token.into(),
                access_token_expires_at,
                refresh_token: refresh_token.into(),
                refresh_token_expires_at,
                id_token: id_token.map(Into::into),
                renewed_by,
                renewed_at,
                scope,
            })),
            Stored::Refused(Ended::SessionExpired) => Err(Refusal::SessionExpired),
            Stored::Refused(Ended::Rejected) => Err(Refusal::AuthorizationError),
            Stored::Refused(Ended::Unavailable) => Err(Refusal::AuthorizationServerError),
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<RefreshKey, Lock>> {
        // Every change is complete in itself.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshStore for RedisRefreshStore {
    fn join(&self, key: RefreshKey, got: Option<u64>) -> StoreFuture<'_, Turn> {
        Box::pin(async move {
            match self.local.join(key, got).await {
                Turn::Lead => {}
                settled => return settled,
            }
            let turn = self.join_others(key, got).await;
            if let Turn::Settled(outcome) | Turn::Replayed(outcome) = &turn {
                self.local.settle(key, outcome.clone()).await;
            }
            turn
        })
    }

    fn settle(&self, key: RefreshKey, outcome: RefreshOutcome) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.publish(key, &outcome).await;
            self.local.settle(key, outcome).await;
        })
    }
}

/// Neither the token nor the session, but what both lead to.
fn name_of(key: RefreshKey) -> String {
    key.digest().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
