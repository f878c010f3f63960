//! Exchanges at the token endpoint, of a code or of a refresh token. A code, and a refresh token that rotates, can be used
//! once. Also revocations, without which tokens that nobody has would stay valid.
//!
//! An exchange must not be lost, so it is a separate task on a thread that outlives the workers. Its caller waits as long
//! as for any request to the authorization server. If the exchange takes longer, or the caller disconnects, the
//! exchange continues *in the background*, within bounds, and its result is in the
//! [store](crate::session::refresh::store) for the next caller. A shutdown waits for it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::oauth::exchange_times::{ExchangeTimes, MAX_BACKGROUND_EXCHANGES};
use crate::oauth::{OAuthClient, OAuthError};
use crate::telemetry::request_context::RequestContext;

/// Work for a thread other than that of its caller.
type Job = Box<dyn FnOnce(Rc<OAuthClient>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The kind of grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A code. A lost code costs a login. An attacker can make up any number of codes.
    Code,
    /// A refresh token. A lost refresh token costs a session.
    RefreshToken,
}

/// A token request had no response within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token request timed out after {} ms", .0.as_millis())]
pub struct TimedOut(Duration);

impl From<TimedOut> for OAuthError {
    fn from(error: TimedOut) -> OAuthError {
        OAuthError::Unavailable(error.to_string())
    }
}

/// The caller of an exchange, as the exchange sees it.
pub struct Caller {
    waits: Weak<()>,
    /// After this time, the service may have answered the caller before the result reaches it.
    surely_until: Instant,
}

impl Caller {
    /// A caller that waits for as long as the first value exists, and at most for this time.
    fn new(at_most: Duration) -> (Arc<()>, Caller) {
        let waits = Arc::new(());
        let caller = Caller {
            waits: Arc::downgrade(&waits),
            surely_until: Instant::now() + at_most * 9 / 10,
        };
        (waits, caller)
    }

    /// Whether a result that is there now surely reaches the caller.
    pub fn is_waiting(&self) -> bool {
        self.waits.strong_count() > 0 && Instant::now() < self.surely_until
    }
}

/// The exchanges of one application.
pub struct Exchanges {
    times: ExchangeTimes,
    jobs: mpsc::UnboundedSender<Job>,
    /// Present until [`Exchanges::run`] takes it.
    begun: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    /// For codes and for refresh tokens: made-up codes take no permits from sessions.
    background_permits: [Semaphore; 2],
    in_progress: watch::Sender<usize>,
}

impl Exchanges {
    /// No exchange is in progress yet. `times` bounds each exchange.
    pub fn new(times: ExchangeTimes) -> Exchanges {
        let (jobs, begun) = mpsc::unbounded_channel();
        Exchanges {
            times,
            jobs,
            begun: Mutex::new(Some(begun)),
            background_permits: [(); 2].map(|()| Semaphore::new(MAX_BACKGROUND_EXCHANGES)),
            in_progress: watch::Sender::new(0),
        }
    }

    /// The time limits.
    pub fn times(&self) -> ExchangeTimes {
        self.times
    }

    /// Runs the exchanges of the workers with `client`. Never returns. Spawn it once, on a thread that runs actix and
    /// outlives the workers.
    pub async fn run(&self, client: Rc<OAuthClient>) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut begun) = begun else { return };
        while let Some(job) = begun.recv().await {
            actix_web::rt::spawn(job(Rc::clone(&client)));
        }
    }

    /// Starts `work` for the current request, and waits for it within the time limit of a caller. `None`: the work is
    /// not complete, and continues without its caller, unless the other thread has ended.
    pub async fn begin<T, W, F>(self: &Arc<Self>, work: W) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        W: FnOnce(Rc<OAuthClient>, Caller) -> F + Send + 'static,
    {
        // Dropped with this future, so also if the caller disconnects.
        let (_waits, caller) = Caller::new(self.times.wait);
        let result = self.begin_in_background(move |client| work(client, caller));
        timeout(self.times.wait, result).await.ok()?.ok()
    }

    /// Starts `work` for the current request, which need not wait for it.
    pub fn begin_in_background<T, W, F>(self: &Arc<Self>, work: W) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        W: FnOnce(Rc<OAuthClient>) -> F + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let context = RequestContext::current();
        let begun = InProgress::one_more(Arc::clone(self));
        let job: Job = Box::new(move |client| {
            let work = work(client);
            Box::pin(async move {
                let _begun = begun;
                let outcome = match context {
                    Some(context) => context.scope(work).await,
                    None => work.await,
                };
                // Without a receiver, the result of an exchange is in the store only.
                let _ = sender.send(outcome);
            })
        });
        // If the other thread has ended, the receiver reports that there is no result.
        let _ = self.jobs.send(job);
        receiver
    }

    /// Runs one exchange within its time limits: that of its caller, and then the rest of the total if a background
    /// permit is available.
    ///
    /// # Errors
    /// The time after which the exchange timed out.
    pub async fn run_in_time<T>(&self, what: Exchange, exchange: impl Future<Output = T>) -> Result<T, TimedOut> {
        let [of_codes, of_refresh_tokens] = &self.background_permits;
        let room = match what {
            Exchange::Code => of_codes,
            Exchange::RefreshToken => of_refresh_tokens,
        };
        let mut exchange = pin!(exchange);
        if let Ok(outcome) = timeout(self.times.wait, exchange.as_mut()).await {
            return Ok(outcome);
        }
        let Ok(_room) = room.try_acquire() else {
            log::error!(
                "token request timed out after {} ms and was abandoned, because {MAX_BACKGROUND_EXCHANGES} others \
                 already continue in the background (if the authorization server rotated a refresh token, its session \
                 is lost): check why the token endpoint is slow",
                self.times.wait.as_millis()
            );
            return Err(TimedOut(self.times.wait));
        };
        log::warn!(
            "token request timed out after {} ms and continues in the background: check why the token endpoint is slow",
            self.times.wait.as_millis()
        );
        let rest = self.times.total.saturating_sub(self.times.wait);
        timeout(rest, exchange).await.map_err(|_| TimedOut(self.times.total))
    }

    /// Waits until no exchange of any application is in progress. Call it when no new exchange can start. Returns
    /// within [`ExchangeTimes::complete_after`].
    pub async fn finish_all(applications: &[Arc<Exchanges>]) {
        let finishing: Vec<_> = applications
            .iter()
            .cloned()
            .map(|exchanges| tokio::spawn(async move { exchanges.finish().await }))
            .collect();
        for finished in finishing {
            // The task does not panic and is not aborted.
            let _ = finished.await;
        }
    }

    /// Waits for the exchanges of one application.
    async fn finish(&self) {
        let mut in_progress = self.in_progress.subscribe();
        let count = *in_progress.borrow();
        if count > 0 {
            log::info!(
                "waiting for {count} token requests and revocations in progress: at most {} s",
                self.times.complete_after().as_secs()
            );
        }
        if timeout(self.times.complete_after(), in_progress.wait_for(|count| *count == 0))
            .await
            .is_err()
        {
            log::error!(
                "shutting down before all token requests and revocations have a response: refresh tokens may be lost, or stay \
                 valid: check why the authorization server is slow"
            );
        }
    }
}

/// Counts an exchange while it is in progress.
struct InProgress(Arc<Exchanges>);

impl InProgress {
    fn one_more(exchanges: Arc<Exchanges>) -> InProgress {
        exchanges
            .in_progress
            .send_modify(|count| *count = count.saturating_add(1));
        InProgress(exchanges)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::Exchange::{Code, RefreshToken};
    use super::*;

    const TIMES: ExchangeTimes = ExchangeTimes {
        wait: Duration::from_secs(5),
        total: Duration::from_secs(30),
    };

    async fn exchange(seconds: u64) -> u64 {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        seconds
    }

    #[tokio::test(start_paused = true)]
    async fn an_exchange_may_take_its_total_time_and_no_longer() {
        let exchanges = Exchanges::new(TIMES);
        for seconds in [1, 4, 6, 29] {
            assert_eq!(
                exchanges.run_in_time(RefreshToken, exchange(seconds)).await,
                Ok(seconds)
            );
        }
        let timed_out = exchanges.run_in_time(RefreshToken, exchange(31)).await;
        assert_eq!(timed_out, Err(TimedOut(TIMES.total)));
        assert_eq!(
            timed_out.map_err(|error| error.to_string()),
            Err("token request timed out after 30000 ms".to_owned())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_surely_for_nine_tenths_of_its_time_and_unless_it_disconnects() {
        let (waits, caller) = Caller::new(TIMES.wait);
        assert!(caller.is_waiting());
        tokio::time::sleep(TIMES.wait * 8 / 10).await;
        assert!(caller.is_waiting());
        tokio::time::sleep(TIMES.wait / 10).await;
        assert!(
            !caller.is_waiting(),
            "the service may have answered it by the time it would get a result"
        );
        drop(waits);
        let (waits, caller) = Caller::new(TIMES.wait);
        drop(waits);
        assert!(!caller.is_waiting(), "it has disconnected");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_exchanges_of_each_kind_go_on_behind_their_answers_and_the_next_is_given_up_with_its_answer() {
        let exchanges = Arc::new(Exchanges::new(TIMES));
        for _ in 0..MAX_BACKGROUND_EXCHANGES {
            let exchanges = Arc::clone(&exchanges);
            tokio::spawn(async move { exchanges.run_in_time(RefreshToken, pending::<()>()).await });
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        let began = tokio::time::Instant::now();
        assert_eq!(
            exchanges.run_in_time(RefreshToken, exchange(6)).await,
            Err(TimedOut(TIMES.wait))
        );
        assert_eq!(began.elapsed(), TIMES.wait);
        assert_eq!(
            exchanges.run_in_time(Code, exchange(6)).await,
            Ok(6),
            "a code has room of its own"
        );
        assert_eq!(
            exchanges.run_in_time(RefreshToken, exchange(4)).await,
            Ok(4),
            "one that is in time needs no room"
        );
        tokio::time::sleep(TIMES.total).await;
        assert_eq!(
            exchanges.run_in_time(RefreshToken, exchange(6)).await,
            Ok(6),
            "the room is free again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_shutdown_takes_no_longer_for_two_applications_than_for_one() {
        let applications = [(); 2].map(|()| Arc::new(Exchanges::new(TIMES)));
        let _in_progress = applications.clone().map(InProgress::one_more);
        let began = tokio::time::Instant::now();
        Exchanges::finish_all(&applications).await;
        assert_eq!(began.elapsed(), TIMES.complete_after());
    }

    #[tokio::test(start_paused = true)]
    async fn the_shutdown_waits_for_an_exchange_that_is_under_way() {
        let exchanges = Arc::new(Exchanges::new(TIMES));
        let in_progress = InProgress::one_more(Arc::clone(&exchanges));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            drop(in_progress);
        });
        let began = tokio::time::Instant::now();
        exchanges.finish().await;
        assert_eq!(began.elapsed(), Duration::from_secs(20));
        exchanges.finish().await;
        assert_eq!(began.elapsed(), Duration::from_secs(20), "there is none any more");
    }
}
