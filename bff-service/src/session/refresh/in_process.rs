//! The refresh store of a single process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error_code::ErrorCode;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::flights::{Digest, Flight, FlightState, Flights};
use super::replay_window::{replay_window, until_delivered};
use super::store::{Holder, Lease, RefreshKey, RefreshOutcome, RefreshStore, RenewedTokens, Role, StoreFuture};
use crate::clock;

/// Limits of an [`InProcessRefreshStore`].
#[derive(Clone, Copy, Debug)]
pub struct RefreshStoreLimits {
    /// How long late callers get the new tokens.
    pub replay_window: Duration,
    /// Time limit of a leader, after which another caller may lead.
    pub lead: Duration,
    /// How long a caller waits for the result of another caller.
    pub wait: Duration,
    /// Maximum number of completed exchanges. Those whose windows end first are dropped first.
    pub entries: usize,
    /// Whether another store has results until a caller receives them.
    pub undelivered_elsewhere: bool,
}

/// The store of a single process: a map behind a mutex, which all workers share.
#[derive(Clone)]
pub struct InProcessRefreshStore {
    limits: RefreshStoreLimits,
    flights: Arc<Mutex<Flights>>,
}

/// How long a completed flight may stay after its window.
const SWEEP: Duration = Duration::from_secs(1);

enum Joined {
    Leads(Lease),
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

    /// A poisoned lock can be used: every change below is complete in itself.
    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join_now(&self, key: Digest, now: Instant) -> Joined {
        let mut flights = self.flights();
        flights.forget_ended(now);
        match flights.by_key.get(&key).filter(|flight| flight.ends > now) {
            Some(Flight {
                state: FlightState::Led(_, outcome),
                ..
            }) => return Joined::Waits(outcome.subscribe()),
            Some(Flight {
                state: FlightState::Published(outcome),
                ..
            }) => {
                let outcome = outcome.clone();
                let window = replay_window(&outcome, self.limits.replay_window, clock::now());
                flights.end_at_latest(key, now + window);
                return Joined::Late(outcome);
            }
            None => {}
        }
        let lease = Lease(flights.leases);
        flights.leases = flights.leases.wrapping_add(1);
        let flight = Flight {
            ends: now + self.limits.lead,
            state: FlightState::Led(lease, watch::Sender::new(None)),
        };
        flights.by_key.insert(key, flight);
        Joined::Leads(lease)
    }

    /// Publishes the result. Returns whether the caller must start the task that removes expired flights.
    fn publish_now(&self, key: Digest, lease: Lease, outcome: &RefreshOutcome, now: Instant) -> bool {
        let mut flights = self.flights();
        let has_no_room = flights.count_ending_after(now + self.limits.replay_window) >= self.limits.entries / 2;
        // A leader that another caller has replaced does not publish.
        let is_led = |flight: &&mut Flight| matches!(flight.state, FlightState::Led(holder, _) if holder == lease);
        let Some(flight) = flights.by_key.get_mut(&key).filter(is_led) else {
            return false;
        };
        let somebody_waits = matches!(&flight.state, FlightState::Led(_, waiting) if waiting.receiver_count() > 0);
        // Results that wait for their first caller leave room for those that a late tab may need in a moment.
        let window = match somebody_waits || has_no_room || self.limits.undelivered_elsewhere {
            true => replay_window,
            false => until_delivered,
        };
        let window = window(outcome, self.limits.replay_window, clock::now());
        let ends = now + window;
        flight.ends = ends;
        if let FlightState::Led(_, waiting) =
            std::mem::replace(&mut flight.state, FlightState::Published(outcome.clone()))
        {
            waiting.send_replace(Some(outcome.clone()));
        }
        if window.is_zero() {
            flights.by_key.remove(&key);
            return false;
        }
        flights.order(ends, key);
        while flights.published.len() > self.limits.entries {
            flights.forget_oldest();
        }
        !std::mem::replace(&mut flights.is_swept, true)
    }

    /// Removes expired flights, so that tokens do not stay in memory until the next request.
    async fn sweep(self) {
        loop {
            let next = {
                let mut flights = self.flights();
                flights.forget_ended(Instant::now());
                let next = flights.published.front().map(|(ends, _)| *ends);
                flights.is_swept = next.is_some();
                next
            };
            match next {
                // A flight with a shorter window may have been added in the meantime.
                Some(ends) => tokio::time::sleep_until(ends.min(Instant::now() + SWEEP)).await,
                None => return,
            }
        }
    }
}

impl RefreshStore for InProcessRefreshStore {
    fn join(&self, key: RefreshKey, _holder: Holder) -> StoreFuture<'_, Role> {
        Box::pin(async move {
            let mut outcome = match self.join_now(*key.digest(), Instant::now()) {
                Joined::Leads(lease) => return Role::Leader(lease),
                Joined::Late(outcome) => return Role::Replay(outcome),
                Joined::Waits(outcome) => outcome,
            };
            let settled = match timeout(self.limits.wait, outcome.wait_for(Option::is_some)).await {
                Ok(Ok(settled)) => settled.clone(),
                // The refresh takes too long, or another caller has replaced the leader.
                Ok(Err(_)) | Err(_) => None,
            };
            Role::Follower(settled.unwrap_or(Err(ErrorCode::AuthorizationServerError)))
        })
    }

    fn publish(&self, key: RefreshKey, lease: Lease, outcome: RefreshOutcome) -> StoreFuture<'_, RefreshOutcome> {
        Box::pin(async move {
            if self.publish_now(*key.digest(), lease, &outcome, Instant::now()) {
                tokio::spawn(self.clone().sweep());
            }
            outcome
        })
    }

    fn published(&self, key: RefreshKey) -> StoreFuture<'_, Option<Arc<RenewedTokens>>> {
        let now = Instant::now();
        let found = match self.flights().by_key.get(key.digest()) {
            Some(Flight {
                state: FlightState::Published(Ok(tokens)),
                ends,
            }) if *ends > now => Some(Arc::clone(tokens)),
            _ => None,
        };
        Box::pin(std::future::ready(found))
    }
}

#[cfg(test)]
mod tests {
    use bff_core::cookie::session_id::SessionId;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::session::refresh::store::tests::{renewed as renewed_until, undelivered};

    const LIMITS: RefreshStoreLimits = RefreshStoreLimits {
        replay_window: Duration::from_secs(30),
        lead: Duration::from_secs(20),
        wait: Duration::from_secs(5),
        entries: 2,
        undelivered_elsewhere: false,
    };

    fn key(name: &str) -> RefreshKey {
        RefreshKey::new(SessionId([1; 32]), name)
    }

    fn renewed(access_token: &str) -> RefreshOutcome {
        renewed_until(access_token, true, u64::MAX)
    }

    async fn lead(store: &InProcessRefreshStore, key: RefreshKey) -> Lease {
        match store.join(key, Holder::AnyProcess).await {
            Role::Leader(lease) => lease,
            Role::Follower(_) | Role::Replay(_) => panic!("another caller leads, or has led"),
        }
    }

    async fn access_token_of(store: &InProcessRefreshStore, key: RefreshKey) -> Option<String> {
        match store.join(key, Holder::AnyProcess).await {
            Role::Leader(_) => None,
            Role::Follower(Ok(tokens)) | Role::Replay(Ok(tokens)) => Some(tokens.access_token.to_string()),
            Role::Follower(Err(error)) | Role::Replay(Err(error)) => Some(error.code().to_owned()),
        }
    }

    /// Starts a follower of the current leader.
    async fn follow(store: &InProcessRefreshStore, key: RefreshKey) -> JoinHandle<Option<String>> {
        let store = store.clone();
        let follower = tokio::spawn(async move { access_token_of(&store, key).await });
        tokio::task::yield_now().await;
        follower
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_while_the_leader_is_at_it_get_its_outcome() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        let follower = follow(&store, key("a")).await;
        let _ = store.publish(key("a"), lease, renewed("new")).await;
        assert_eq!(follower.await.unwrap().as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_caller_gets_the_same_tokens_until_the_replay_window_ends() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        let _ = store.publish(key("a"), lease, renewed("new")).await;
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("new"));
        tokio::time::advance(Duration::from_secs(1)).await;
        lead(&store, key("a")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_nobody_waited_for_are_there_for_the_next_caller_and_then_for_the_replay_window() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        let _ = store.publish(key("a"), lease, undelivered(renewed("new"))).await;
        tokio::time::advance(Duration::from_secs(1_000)).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("new"));
        tokio::time::advance(Duration::from_millis(900)).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("new"));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(
            access_token_of(&store, key("a")).await.as_deref(),
            Some("new"),
            "the window is not extended"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        lead(&store, key("a")).await;

        // Another caller waited for these.
        let lease = lead(&store, key("b")).await;
        let follower = follow(&store, key("b")).await;
        let _ = store.publish(key("b"), lease, undelivered(renewed("new"))).await;
        assert_eq!(follower.await.unwrap().as_deref(), Some("new"));
        tokio::time::advance(Duration::from_secs(30)).await;
        lead(&store, key("b")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_nobody_waited_for_take_half_of_the_room_at_most() {
        let store = InProcessRefreshStore::new(LIMITS);
        for name in ["a", "b"] {
            let lease = lead(&store, key(name)).await;
            let _ = store.publish(key(name), lease, undelivered(renewed(name))).await;
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("a"));
        lead(&store, key("b")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_forgotten_although_no_further_request_comes() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        let outcome = renewed("new");
        let tokens = Arc::downgrade(outcome.as_ref().ok().unwrap());
        let _ = store.publish(key("a"), lease, outcome).await;
        assert!(tokens.upgrade().is_some());
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert!(tokens.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_to_those_who_wait_and_then_forgotten() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        let follower = follow(&store, key("a")).await;
        let _ = store
            .publish(key("a"), lease, Err(ErrorCode::AuthorizationServerError))
            .await;
        assert_eq!(
            follower.await.unwrap().as_deref(),
            Some(ErrorCode::AuthorizationServerError.code())
        );
        lead(&store, key("a")).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_leader_is_replaced_after_its_time() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        tokio::time::advance(Duration::from_secs(20)).await;
        let next = lead(&store, key("a")).await;
        // The replaced leader publishes nothing.
        let _ = store.publish(key("a"), lease, renewed("stale")).await;
        let _ = store.publish(key("a"), next, renewed("new")).await;
        let _ = store.publish(key("a"), lease, renewed("stale")).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_caller_may_and_the_outcome_is_there_afterwards() {
        let store = InProcessRefreshStore::new(LIMITS);
        let lease = lead(&store, key("a")).await;
        let began = Instant::now();
        assert_eq!(
            access_token_of(&store, key("a")).await.as_deref(),
            Some(ErrorCode::AuthorizationServerError.code())
        );
        assert_eq!(began.elapsed(), LIMITS.wait);
        let _ = store.publish(key("a"), lease, renewed("late")).await;
        assert_eq!(access_token_of(&store, key("a")).await.as_deref(), Some("late"));
        let tokens = store.published(key("a")).await.unwrap();
        assert_eq!(tokens.access_token.as_str(), "late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_token_that_is_not_rotated_is_used_again_after_two_seconds() {
        let store = InProcessRefreshStore::new(LIMITS);
        for (rotated, seconds) in [(false, 2), (true, 30)] {
            let key = key(&seconds.to_string());
            let lease = lead(&store, key).await;
            let _ = store.publish(key, lease, renewed_until("new", rotated, u64::MAX)).await;
            tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert_eq!(access_token_of(&store, key).await.as_deref(), Some("new"));
            tokio::time::advance(Duration::from_millis(1)).await;
            lead(&store, key).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_kept_outcomes_is_bounded() {
        let store = InProcessRefreshStore::new(LIMITS);
        for name in ["a", "b", "c"] {
            let lease = lead(&store, key(name)).await;
            let _ = store.publish(key(name), lease, renewed(name)).await;
        }
        assert_eq!(store.flights().by_key.len(), 2);
        lead(&store, key("a")).await;
        assert_eq!(access_token_of(&store, key("c")).await.as_deref(), Some("c"));
    }
}
