//! Exchanges at the token endpoint: of a code, or of a refresh token that rotates, both of which are good for one use; and
//! revocations, without which tokens would live on that nobody holds any more.
//!
//! Such an exchange must not be lost halfway. So it is a task of its own, on a thread that no worker's end takes along. Its
//! caller waits for it for as long as any request to the authorization server may take. When that is over, or the caller is
//! gone, the exchange goes on *behind the answer*, within bounds; what comes of it is then in the
//! [store](crate::session::refresh::store) for the next caller. At shutdown it is waited for.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::oauth::OAuthClient;
use crate::oauth::exchange_times::{ExchangeTimes, MAX_BEHIND_THE_ANSWER};
use crate::telemetry::request_context::RequestContext;

/// Work that begins on another thread than that of its caller.
type Job = Box<dyn FnOnce(Rc<OAuthClient>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// What is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// A code: lost, it costs a login. Anybody can make up codes without end.
    Code,
    /// A refresh token: lost, it costs a session.
    RefreshToken,
}

/// The exchanges of one application.
pub struct Exchanges {
    times: ExchangeTimes,
    jobs: mpsc::UnboundedSender<Job>,
    /// Until [`Exchanges::run`] takes it.
    begun: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    /// Of codes, and of refresh tokens: codes that somebody makes up take no room from sessions.
    behind_the_answer: [Semaphore; 2],
    under_way: watch::Sender<usize>,
}

impl Exchanges {
    /// None yet.
    pub fn new(times: ExchangeTimes) -> Exchanges {
        let (jobs, begun) = mpsc::unbounded_channel();
        Exchanges {
            times,
            jobs,
            begun: Mutex::new(Some(begun)),
            behind_the_answer: [(); 2].map(|()| Semaphore::new(MAX_BEHIND_THE_ANSWER)),
            under_way: watch::Sender::new(0),
        }
    }

    /// How long they may take.
    pub fn times(&self) -> ExchangeTimes {
        self.times
    }

    /// Carries out what the workers ask for, over `client`. Never ends; to be spawned once, on a thread that runs actix and
    /// outlives the workers.
    pub async fn run(&self, client: Rc<OAuthClient>) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut begun) = begun else { return };
        while let Some(job) = begun.recv().await {
            actix_web::rt::spawn(job(Rc::clone(&client)));
        }
    }

    /// Begins `work` for the current request, and waits for it as long as a caller waits. `None`: it is not over, and goes
    /// on without its caller.
    pub async fn begin<T, W, F>(self: &Arc<Self>, work: W) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        W: FnOnce(Rc<OAuthClient>) -> F + Send + 'static,
    {
        let answered = self.begin_behind_the_answer(work);
        timeout(self.times.answer, answered).await.ok()?.ok()
    }

    /// Begins `work` for the current request, which need not wait for it.
    pub fn begin_behind_the_answer<T, W, F>(self: &Arc<Self>, work: W) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        W: FnOnce(Rc<OAuthClient>) -> F + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let context = RequestContext::current();
        let begun = UnderWay::one_more(Arc::clone(self));
        let job: Job = Box::new(move |client| {
            let work = work(client);
            Box::pin(async move {
                let _begun = begun;
                let outcome = match context {
                    Some(context) => context.scope(work).await,
                    None => work.await,
                };
                // Nobody waits any more: it is in the store.
                let _ = answer.send(outcome);
            })
        });
        // Were the other thread gone, the caller would hear that there is no answer.
        let _ = self.jobs.send(job);
        answered
    }

    /// The outcome of one exchange, within its time: as long as its caller waits in any case, and then for the rest of the
    /// total if there is room behind the answers. `None`: it took too long and was given up.
    pub async fn in_time<T>(&self, what: Exchange, exchange: impl Future<Output = T>) -> Option<T> {
        let [of_codes, of_refresh_tokens] = &self.behind_the_answer;
        let room = match what {
            Exchange::Code => of_codes,
            Exchange::RefreshToken => of_refresh_tokens,
        };
        let mut exchange = pin!(exchange);
        if let Ok(outcome) = timeout(self.times.answer, exchange.as_mut()).await {
            return Some(outcome);
        }
        let Ok(_room) = room.try_acquire() else {
            log::error!(
                "the token endpoint did not answer in time, and {MAX_BEHIND_THE_ANSWER} exchanges already continue in the \
                 background: abandoning one more; a rotated refresh token is lost"
            );
            return None;
        };
        log::warn!("the token endpoint did not answer in time; the exchange continues in the background");
        let rest = self.times.total.saturating_sub(self.times.answer);
        timeout(rest, exchange).await.ok()
    }

    /// Waits until no exchange of any application is under way: when no more can begin, not longer than one may take.
    pub async fn finish_all(applications: &[Arc<Exchanges>]) {
        let finishing: Vec<_> = applications
            .iter()
            .cloned()
            .map(|exchanges| tokio::spawn(async move { exchanges.finish().await }))
            .collect();
        for finished in finishing {
            // It does not panic, and nobody aborts it.
            let _ = finished.await;
        }
    }

    /// The same for one application.
    async fn finish(&self) {
        let mut under_way = self.under_way.subscribe();
        let count = *under_way.borrow();
        if count > 0 {
            log::info!("waiting for {count} token requests in progress");
        }
        if timeout(self.times.over(), under_way.wait_for(|count| *count == 0))
            .await
            .is_err()
        {
            log::error!(
                "shutting down before the authorization server has answered: refresh tokens may be lost, or stay valid"
            );
        }
    }
}

/// Counts an exchange for as long as it is under way, however it ends.
struct UnderWay(Arc<Exchanges>);

impl UnderWay {
    fn one_more(exchanges: Arc<Exchanges>) -> UnderWay {
        exchanges
            .under_way
            .send_modify(|count| *count = count.saturating_add(1));
        UnderWay(exchanges)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::Exchange::{Code, RefreshToken};
    use std::time::Duration;

    use super::*;

    const TIMES: ExchangeTimes = ExchangeTimes {
        answer: Duration::from_secs(5),
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
            assert_eq!(exchanges.in_time(RefreshToken, exchange(seconds)).await, Some(seconds));
        }
        assert_eq!(exchanges.in_time(RefreshToken, exchange(31)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_exchanges_of_each_kind_go_on_behind_their_answers_and_the_next_is_given_up_with_its_answer() {
        let exchanges = Arc::new(Exchanges::new(TIMES));
        for _ in 0..MAX_BEHIND_THE_ANSWER {
            let exchanges = Arc::clone(&exchanges);
            tokio::spawn(async move { exchanges.in_time(RefreshToken, pending::<()>()).await });
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        let began = tokio::time::Instant::now();
        assert_eq!(exchanges.in_time(RefreshToken, exchange(6)).await, None);
        assert_eq!(began.elapsed(), TIMES.answer);
        assert_eq!(
            exchanges.in_time(Code, exchange(6)).await,
            Some(6),
            "a code has room of its own"
        );
        assert_eq!(
            exchanges.in_time(RefreshToken, exchange(4)).await,
            Some(4),
            "one that is in time needs no room"
        );
        tokio::time::sleep(TIMES.total).await;
        assert_eq!(
            exchanges.in_time(RefreshToken, exchange(6)).await,
            Some(6),
            "the room is free again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_shutdown_takes_no_longer_for_two_applications_than_for_one() {
        let applications = [(); 2].map(|()| Arc::new(Exchanges::new(TIMES)));
        let _under_way = applications.clone().map(UnderWay::one_more);
        let began = tokio::time::Instant::now();
        Exchanges::finish_all(&applications).await;
        assert_eq!(began.elapsed(), TIMES.over());
    }

    #[tokio::test(start_paused = true)]
    async fn the_shutdown_waits_for_an_exchange_that_is_under_way() {
        let exchanges = Arc::new(Exchanges::new(TIMES));
        let under_way = UnderWay::one_more(Arc::clone(&exchanges));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            drop(under_way);
        });
        let began = tokio::time::Instant::now();
        exchanges.finish().await;
        assert_eq!(began.elapsed(), Duration::from_secs(20));
        exchanges.finish().await;
        assert_eq!(began.elapsed(), Duration::from_secs(20), "there is none any more");
    }
}
