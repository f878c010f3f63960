//! One list of ended sessions for all configurations that poll it from the same source: one of them polls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bff_core::gateway::config::EndedSessionsSource;
use bff_core::session::ended_sessions::EndedSessions;

use crate::registry::Registry;

/// By cluster, path, and period in seconds.
static SOURCES: Registry<(String, String, u64), Mutex<Source>> = Registry::new();
static LAST: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Source {
    /// The configuration that polls.
    owner: Option<u64>,
    list: Option<Arc<EndedSessions>>,
}

/// What a configuration has to do with the list.
pub(crate) enum Role {
    /// It polls, and has done so before.
    Polls,
    /// It polls from now on, since no other configuration does.
    Begins,
    /// Another configuration polls. This is its list, if it has one.
    Follows(Option<Arc<EndedSessions>>),
}

/// The subscription of a configuration to the list.
pub(crate) struct Subscription {
    source: Arc<Mutex<Source>>,
    number: u64,
}

impl Subscription {
    /// Subscribes a configuration.
    pub(crate) fn new(source: &EndedSessionsSource) -> Subscription {
        let key = (source.cluster.clone(), source.path.clone(), source.poll_seconds);
        Subscription {
            source: SOURCES.get(key, Arc::default),
            number: LAST.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the role of this configuration now.
    pub(crate) fn role(&self) -> Role {
        let mut source = self.source();
        match source.owner {
            Some(owner) if owner == self.number => Role::Polls,
            Some(_) => Role::Follows(source.list.clone()),
            None => {
                source.owner = Some(self.number);
                Role::Begins
            }
        }
    }

    /// Returns the list, if a configuration has polled it.
    pub(crate) fn list(&self) -> Option<Arc<EndedSessions>> {
        self.source().list.clone()
    }

    /// Gives the other configurations the list that this one has polled.
    pub(crate) fn publish(&self, list: Arc<EndedSessions>) {
        self.source().list = Some(list);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut source = self.source();
        if source.owner == Some(self.number) {
            source.owner = None;
        }
    }
}
