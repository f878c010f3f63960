//! The refresh store of a single process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bff_core::reply::Refusal;
use tokio::sync::watch;
use tokio::time::Instant;

use super::refresh_store::{RefreshKey, RefreshOutcome, RefreshStore, StoreFuture, Turn};

/// Bounds of an [`InProcessRefreshStore`].
#[derive(Clone, Copy, Debug)]
pub struct RefreshStoreLimits {
    /// How long new tokens are handed to late callers.
    pub replay_window: Duration,
    /// After this long a leader that said nothing counts as lost and another may lead.
    pub lead: Duration,
    /// How many settled refreshes are kept at most; the oldest go first.
    pub settled: usize,
}

/// The store of a single process: a map behind a mutex, shared by its workers.
#[derive(Clone)]
pub struct InProcessRefreshStore {
    limits: RefreshStoreLimits,
    flights: Arc<Mutex<Flights>>,
}

/// That of a [`RefreshKey`]: there may be many of these, and the session is in it.
type Digest = [u8; 32];

#[derive(Default)]
struct Flights {
    by_key: HashMap<Digest, Flight>,
    /// Settled flights in the order in which they end.
    settled: VecDeque<(Instant, Digest)>,
    /// Whether somebody sees to it that these are forgotten in time.
    swept: bool,
}

struct Flight {
    ends: Instant,
    state: State,
}

enum State {
    /// Somebody leads; the others wait here.
    Led(watch::Sender<Option<RefreshOutcome>>),
    /// Over. There may be many of these, so that they hold nothing but the outcome.
    Settled(RefreshOutcome),
}

enum Joined {
    Leads,
    Waits(watch::Receiver<Option<RefreshOutcome>>),
    Late(RefreshOutcome),
}

impl InProcessRefreshStore {
    /// An empty store.
    pub fn new(limits: RefreshStoreLimits) -> InProcessRefreshStore {
        InProcessRefreshStore {
            limits,
            flights: Arc::default(),
        }
    }

    /// A poisoned lock is taken over: every change below is complete in itself.
    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join_now(&self, key: Digest, now: Instant) -> Joined {
        let mut flights = self.flights();
        flights.forget_ended(now);
        match flights.by_key.get(&key).filter(|flight| flight.ends > now) {
            Some(Flight {
                state: State::Led(outcome),
                ..
            }) => return Joined::Waits(outcome.subscribe()),
            Some(Flight {
                state: State::Settled(outcome),
                ..
            }) => return Joined::Late(outcome.clone()),
            None => {}
        }
        let flight = Flight {
            ends: now + self.limits.lead,
            state: State::Led(watch::Sender::new(None)),
        };
        flights.by_key.insert(key, flight);
        Joined::Leads
    }

    /// Returns whether somebody has to be found who sees to it that settled flights are forgotten.
    fn settle_now(&self, key: Digest, outcome: RefreshOutcome, now: Instant) -> bool {
        let mut flights = self.flights();
        let Some(flight) = flights.by_key.get_mut(&key) else {
            return false;
        };
        let ends = now + self.limits.replay_window;
        flight.ends = ends;
        if let State::Led(waiting) = std::mem::replace(&mut flight.state, State::Settled(outcome.clone())) {
            waiting.send_replace(Some(outcome.clone()));
        }
        if outcome.is_err() {
            flights.by_key.remove(&key);
            return false;
        }
        flights.settled.push_back((ends, key));
        while flights.settled.len() > self.limits.settled {
            flights.forget_oldest();
        }
        !std::mem::replace(&mut flights.swept, true)
    }

    /// Tokens do not stay in memory for want of a next request.
    async fn sweep(self) {
        loop {
            let next = {
                let mut flights = self.flights();
                flights.forget_ended(Instant::now());
                let next = flights.settled.front().map(|(ends, _)| *ends);
                flights.swept = next.is_some();
                next
            };
            match next {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => return,
            }
        }
    }
}

impl Flights {
    fn forget_ended(&mut self, now: Instant) {
        while self.settled.front().is_some_and(|(ends, _)| *ends <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((ends, key)) = self.settled.pop_front() else {
            return;
        };
        // A key that was led anew since has another end, and stays.
        if self.by_key.get(&key).is_some_and(|flight| flight.ends == ends) {
            self.by_key.remove(&key);
        }
    }
}

impl RefreshStore for InProcessRefreshStore {
    fn join(&self, key: RefreshKey, _got: Option<u64>) -> StoreFuture<'_, Turn> {
        Box::pin(async move {
            let mut outcome = match self.join_now(*key.digest(), Instant::now()) {
                Joined::Leads => return Turn::Lead,
                Joined::Late(outcome) => return Turn::Replayed(outcome),
                Joined::Waits(outcome) => outcome,
            };
            let settled = match outcome.wait_for(Option::is_some).await {
                Ok(settled) => settled.clone(),
                // The leader was lost and another has taken its place. This caller has waited long enough.
                Err(_) => None,
            };
            Turn::Settled(settled.unwrap_or(Err(Refusal::AuthorizationServerError)))
        })
    }

    fn settle(&self, key: RefreshKey, outcome: RefreshOutcome) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.settle_now(*key.digest(), outcome, Instant::now()) {
                tokio::spawn(self.clone().sweep());
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use bff_core::seal::SessionId;

    use super::*;
    use crate::session::refresh_store::RenewedTokens;
    use crate::session::tokens::ReplicaId;

    const LIMITS: RefreshStoreLimits = RefreshStoreLimits {
        replay_window: Duration::from_secs(30),
        lead: Duration::from_secs(20),
        settled: 2,
    };

    fn key(name: &str) -> RefreshKey {
        RefreshKey::new(SessionId([1; 32]), name)
    }

    fn renewed(access_token: &str) -> RefreshOutcome {
        Ok(Arc::new(RenewedTokens {
            access_token: access_token.to_owned().into(),
            access_token_expires_at: 0,
            refresh_token: String::new().into(),
            refresh_token_expires_at: None,
            scope: None,
            id_token: None,
            renewed_by: ReplicaId(1),
            renewed_at: 0,
        }))
    }

    async fn access_token_of(store: &InProcessRefreshStore, key: RefreshKey) -> Option<String> {
        match store.join(key, None).await {
            Turn::Lead => None,
            Turn::Settled(Ok(tokens)) | Turn::Replayed(Ok(tokens)) => Some(tokens.access_token.to_string()),
            Turn::Settled(Err(refusal)) | Turn::Replayed(Err(refusal)) => Some(refusal.code().to_owned()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_while_the_leader_is_at_it_get_its_outcome() {
        let store = InProcessRefreshStore::new(LIMITS);
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
        let follower = {
            let store = store.clone();
            tokio::spawn(async move { access_token_of(&store, key("a")).await })
        };
        tokio::task::yield_now().await;
        store.settle(key("a"), renewed("new")).await;
        assert_eq!(follower.await.unwrap().as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_caller_gets_the_same_tokens_until_the_replay_window_ends() {
        let store = InProcessRefreshStore::new(LIMITS);
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
        store.settle(key("a"), renewed("new")).await;
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("new"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_forgotten_although_no_further_request_comes() {
        let store = InProcessRefreshStore::new(LIMITS);
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
        let outcome = renewed("new");
        let tokens = Arc::downgrade(outcome.as_ref().ok().unwrap());
        store.settle(key("a"), outcome).await;
        assert!(tokens.upgrade().is_some());
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert!(tokens.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_to_those_who_wait_and_then_forgotten() {
        let store = InProcessRefreshStore::new(LIMITS);
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
        let follower = {
            let store = store.clone();
            tokio::spawn(async move { access_token_of(&store, key("a")).await })
        };
        tokio::task::yield_now().await;
        store.settle(key("a"), Err(Refusal::AuthorizationServerError)).await;
        assert_eq!(
            follower.await.unwrap().as_deref(),
            Some(Refusal::AuthorizationServerError.code())
        );
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_leader_is_replaced_after_its_time() {
        let store = InProcessRefreshStore::new(LIMITS);
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_kept_outcomes_is_bounded() {
        let store = InProcessRefreshStore::new(LIMITS);
        for name in ["a", "b", "c"] {
            assert!(matches!(store.join(key(name), None).await, Turn::Lead));
            store.settle(key(name), renewed(name)).await;
        }
        assert_eq!(store.flights().by_key.len(), 2);
        assert!(matches!(store.join(key("a"), None).await, Turn::Lead));
        assert_eq!(access_token_of(&store, key("c")).await.as_deref(), Some("c"));
    }
}
