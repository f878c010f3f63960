//! A request as its client sees it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dispatcher::Dispatcher;
use super::filter;
use super::head::Head;
use super::server::after;

/// How long a test waits for what must come. It is no measurement: without the fault that it finds, nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the client sends, and what is behind the filter.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The number of the worker thread.
    pub(crate) worker: usize,
    /// The head.
    pub(crate) head: Head,
    /// Whether it has a body and trailers.
    pub(crate) has_body: bool,
    /// What becomes of it behind the filter.
    pub(crate) upstream: Upstream,
    /// Keys and values of the metadata of its route: first those of the route that was selected first, then those of the one
    /// that served it.
    pub(crate) metadata: [Vec<(&'static str, &'static str)>; 2],
    /// The name of its route.
    pub(crate) route: String,
    /// Whether Envoy traces it.
    pub(crate) is_traced: bool,
    /// What goes wrong in Envoy.
    pub(crate) fault: Option<Fault>,
}

/// What becomes of a request behind the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// It is answered inside the call that resumes it.
    AtOnce,
    /// It is answered later.
    Later,
    /// It waits for its response.
    Never,
}

/// A value of Envoy's that makes the module panic, since no memory has room for what it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The number of the headers of the request.
    Headers,
    /// The number of the keys in the metadata of the route that was selected first.
    FirstRoute,
    /// The number of the keys in the metadata of the route that served the request.
    ServingRoute,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It was forwarded with this head, and has this response.
    Forwarded(Head, Head),
    /// It was answered by the module: status, headers, details.
    Replied(u32, Head, String),
    /// It was forwarded, and the module has reset it, with these details.
    Reset(String),
    /// Its client has left, or Envoy has exited.
    Left,
}

#[derive(Default)]
struct Progress {
    is_paused: bool,
    outcome: Option<Outcome>,
}

/// A request as its client sees it.
pub(crate) struct Request {
    pub(super) number: u64,
    pub(super) plan: Plan,
    pub(super) worker: Arc<Dispatcher>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Request {
    pub(super) fn new(number: u64, plan: Plan, worker: Arc<Dispatcher>) -> Arc<Request> {
        Arc::new(Request {
            number,
            plan,
            worker,
            progress: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Lets the client leave, after this number of turns of the worker's queue.
    pub(crate) fn leave(&self, turns: usize) {
        let number = self.number;
        after(
            Arc::downgrade(&self.worker),
            turns,
            Box::new(move || filter::leave(number)),
        );
    }

    /// Waits until the request waits, or has ended.
    pub(crate) fn wait_until_paused(&self) {
        drop(self.wait(|progress| progress.is_paused || progress.outcome.is_some()));
    }

    /// Waits for the end of the request.
    pub(crate) fn outcome(&self) -> Outcome {
        let progress = self.wait(|progress| progress.outcome.is_some());
        progress.outcome.clone().expect("an outcome")
    }

    fn wait(&self, until: impl Fn(&Progress) -> bool) -> MutexGuard<'_, Progress> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (progress, timeout) = self
            .changed
            .wait_timeout_while(progress, PATIENCE, |progress| !until(progress))
            .unwrap_or_else(PoisonError::into_inner);
        // The message says which request it is.
        assert!(!timeout.timed_out(), "request {} waits for ever", self.number);
        progress
    }

    pub(super) fn pause(&self) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).is_paused = true;
        self.changed.notify_all();
    }

    pub(super) fn end(&self, outcome: Outcome) {
        let before = {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.outcome.replace(outcome)
        };
        assert!(before.is_none(), "request {} has ended twice", self.number);
        self.changed.notify_all();
    }
}
