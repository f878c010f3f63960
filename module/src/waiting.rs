//! The requests that are paused, and what other requests or threads have for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::effect::Decision;

use crate::envoy::Wake;

/// What a paused request must do when it is woken.
pub(crate) enum Task {
    /// Carry out the decision.
    Decide(Decision),
    /// Repeat the introspection that was lost with another request.
    TakeOver,
}

struct Waiter {
    wake: Box<dyn Wake>,
    tasks: VecDeque<Task>,
}

/// The paused requests of a configuration.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<StreamId, Waiter>>);

impl Waiting {
    /// No code of others runs under the lock, so a poisoned one can be used.
    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request that is paused.
    pub(crate) fn add(&self, stream: StreamId, wake: Box<dyn Wake>) {
        let tasks = VecDeque::new();
        self.lock().insert(stream, Waiter { wake, tasks });
    }

    /// Gives a request something to do. Without such a request, it has ended.
    pub(crate) fn give(&self, stream: StreamId, task: Task) {
        if let Some(waiter) = self.lock().get_mut(&stream) {
            waiter.tasks.push_back(task);
            waiter.wake.wake();
        }
    }

    /// Returns the next task of a request.
    pub(crate) fn next(&self, stream: StreamId) -> Option<Task> {
        self.lock().get_mut(&stream)?.tasks.pop_front()
    }

    /// Removes a request that has been decided, or has ended. Returns whether it was there.
    pub(crate) fn remove(&self, stream: StreamId) -> bool {
        // Its scheduler is deleted outside of the lock.
        let waiter = self.lock().remove(&stream);
        waiter.is_some()
    }
}
