//! The requests of all configurations and workers that are paused or may be ended, and the tasks that other requests and
//! threads have given them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::effect::Decision;
use bff_core::gateway::token_state::TokenOutcome;

use crate::envoy::Wake;

/// What a request must do when it is woken.
pub(crate) enum Task {
    /// Carry out the decision.
    Decide(Decision),
    /// Decide by the outcome of a flight that another request has ended.
    Learn(Arc<TokenOutcome>),
    /// Repeat the callout that was lost with another request.
    TakeOver,
    /// End the stream: its session has ended, or its access token has expired.
    Reset,
}

struct Waiter {
    wake: Arc<dyn Wake>,
    tasks: VecDeque<Task>,
}

/// Only code of this module runs under the lock: a waker calls Envoy, and is deleted by Envoy, only outside of it.
static WAITERS: Mutex<Option<HashMap<StreamId, Waiter>>> = Mutex::new(None);

fn with_waiters<T>(work: impl FnOnce(&mut HashMap<StreamId, Waiter>) -> T) -> T {
    let mut waiters: MutexGuard<'_, Option<_>> = WAITERS.lock().unwrap_or_else(PoisonError::into_inner);
    work(waiters.get_or_insert_with(HashMap::new))
}

/// Adds a request that is going to be paused, or that the gateway may end.
pub(crate) fn add(stream: StreamId, wake: Arc<dyn Wake>) {
    let tasks = VecDeque::new();
    with_waiters(|waiters| waiters.insert(stream, Waiter { wake, tasks }));
}

/// Gives a request something to do, unless it was removed.
pub(crate) fn add_task(stream: StreamId, task: Task) {
    let wake = with_waiters(|waiters| {
        let waiter = waiters.get_mut(&stream)?;
        waiter.tasks.push_back(task);
        Some(Arc::clone(&waiter.wake))
    });
    if let Some(wake) = wake {
        wake.wake();
    }
}

/// Returns the next task of a request.
pub(crate) fn next(stream: StreamId) -> Option<Task> {
    with_waiters(|waiters| waiters.get_mut(&stream)?.tasks.pop_front())
}

/// Removes a request that is not paused any more and that the gateway may not end, or that has ended.
pub(crate) fn remove(stream: StreamId) {
    let waiter = with_waiters(|waiters| waiters.remove(&stream));
    drop(waiter);
}
