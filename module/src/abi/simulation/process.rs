//! What all threads of a simulated Envoy share.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::dispatcher::Dispatcher;
use super::server::{Callout, CalloutPlan};
use super::spans::FinishedSpan;

/// How Envoy destroys a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// As 1.39: inside the call that ends it, before its callouts are cancelled.
    V139,
    /// As 1.40: after the present event, when its callouts have been cancelled.
    V140,
}

impl Version {
    /// Both.
    pub(crate) const ALL: [Version; 2] = [Version::V139, Version::V140];
}

/// What the module holds, or must be told the end of.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) schedulers: AtomicUsize,
    pub(super) filters: AtomicUsize,
    pub(super) configurations: AtomicUsize,
    pub(super) spans: AtomicUsize,
    /// Events that were scheduled for requests that had ended when they came.
    pub(super) undelivered: AtomicUsize,
}

/// A thread that wakes a configuration may hold its last count: that is tried by holding it in there until it does.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) is_wanted: AtomicBool,
    pub(super) is_held: AtomicBool,
}

impl Held {
    /// If that is wanted, waits in a call until `is_last`.
    pub(super) fn wait(&self, is_last: impl Fn() -> bool) {
        if self.is_wanted.load(Ordering::SeqCst) {
            self.is_held.store(true, Ordering::SeqCst);
            while !is_last() {
                std::thread::yield_now();
            }
        }
    }
}

pub(super) struct Process {
    pub(super) version: Version,
    pub(super) validates: AtomicBool,
    /// Where the thread of the module that wakes configurations is held.
    pub(super) held: Held,
    pub(super) main: Arc<Dispatcher>,
    pub(super) workers: Vec<Arc<Dispatcher>>,
    pub(super) server: Box<dyn Fn(&Callout) -> CalloutPlan + Send + Sync>,
    pub(super) counts: Counts,
    /// Lines of the log.
    pub(super) lines: Mutex<Vec<String>>,
    /// Spans that the module has finished.
    pub(super) spans: Mutex<Vec<FinishedSpan>>,
}

thread_local! {
    static HERE: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
}

/// Makes the present thread one of this process.
pub(super) fn enter(process: &Arc<Process>) {
    HERE.set(Some(Arc::clone(process)));
}

/// Makes the present thread one of no process.
pub(super) fn exit() {
    HERE.set(None);
}

/// Returns the process of the present thread of Envoy; `None` on a thread of the module.
pub(super) fn here() -> Option<Arc<Process>> {
    HERE.with_borrow(Option::clone)
}
