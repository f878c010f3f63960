//! Load: 32 connections that stay open, on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::http::Connection;
use crate::result::Result;

/// The number of connections.
pub(crate) const CONNECTIONS: usize = 32;

/// Requests that are sent one after the other, repeatedly.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) port: u16,
    pub(crate) list: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
    /// The status that every response must have.
    pub(crate) status: u16,
}

impl Requests {
    pub(crate) fn new(port: u16, list: Vec<Vec<u8>>, status: u16) -> Self {
        Self {
            port,
            list: Rc::new(list),
            next: Rc::default(),
            status,
        }
    }

    /// The next request. Each run continues where the previous one ended, so that a list may be longer than a run.
    fn next(&self) -> &[u8] {
        let at = self.next.get();
        self.next.set((at + 1) % self.list.len());
        self.list.get(at).map_or(&[], Vec::as_slice)
    }
}

/// The result of a run.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) count: u64,
    /// In microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

impl Measured {
    /// The latency below which this percentage of the responses came, in microseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index within the list"
        )]
        let at = (self.latencies.len() as f64 * percent / 100.0) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(at.min(last)).copied().map_or(0.0, f64::from)
    }
}

/// When requests are sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// Each connection sends the next one when it has received a response.
    Full,
    /// This number per second in all. A request that is due before the previous response of its connection follows that
    /// response. A latency counts from the time when the request was due.
    PerSecond(f64),
}

/// Tokio's timers have a resolution of a millisecond: the requests of each millisecond would be sent at once, and the
/// measurement would be of their queue. This thread has a CPU of its own for waiting.
async fn wait_until(due: Instant) {
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

/// Sends requests for a time.
///
/// # Errors
/// A connection cannot be opened or breaks, or a response has an unexpected status.
pub(crate) async fn run(requests: &Requests, pace: Pace, time: Duration) -> Result<Measured> {
    let measured = Rc::new(RefCell::new(Measured::default()));
    let started = Instant::now();
    let end = started + time;
    let tasks = LocalSet::new();
    let mut handles = Vec::new();
    for number in 0..CONNECTIONS {
        let (requests, measured) = (requests.clone(), Rc::clone(&measured));
        handles.push(tasks.spawn_local(async move {
            let mut connection = Connection::to(requests.port)
                .await
                .map_err(|error| format!("connecting to 127.0.0.1:{} failed: {error}", requests.port))?;
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let (number, connections) = (number as f64, CONNECTIONS as f64);
            let mut due = started;
            let interval = match pace {
                Pace::Full => None,
                Pace::PerSecond(rate) => {
                    due += Duration::from_secs_f64(number / rate);
                    Some(Duration::from_secs_f64(connections / rate))
                }
            };
            loop {
                match interval {
                    None => due = Instant::now(),
                    Some(_) => wait_until(due).await,
                }
                if due >= end || Instant::now() >= end + Duration::from_secs(1) {
                    return Ok(());
                }
                let response = connection
                    .exchange(requests.next())
                    .await
                    .map_err(|error| format!("a request to 127.0.0.1:{} failed: {error}", requests.port))?;
                if response.status() != requests.status {
                    return Err(format!(
                        "a request to 127.0.0.1:{} failed: expected HTTP {}, received: {}{}",
                        requests.port,
                        requests.status,
                        response.head(),
                        response.body()
                    ));
                }
                let mut measured = measured.borrow_mut();
                measured.count += 1;
                measured
                    .latencies
                    .push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
                if let Some(interval) = interval {
                    due += interval;
                }
            }
        }));
    }
    tasks.await;
    for handle in handles {
        handle
            .await
            .map_err(|error| format!("sending requests failed: {error}"))??;
    }
    let mut measured = measured.take();
    measured.latencies.sort_unstable();
    Ok(measured)
}
