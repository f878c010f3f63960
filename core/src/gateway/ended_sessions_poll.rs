//! The list of ended sessions of a gateway, and when to poll it.

use std::sync::Arc;

use super::config::EndedSessionsSource;
use crate::session::ended_sessions::EndedSessions;

/// Maximum number of entries in the list.
const MAX_ENDED_SESSIONS: usize = 10_000;

pub(crate) struct EndedSessionsPoll {
    list: Arc<EndedSessions>,
    /// The service's version of the list that was polled last.
    version: String,
    /// Time of the next poll, in seconds since 1970; `None` if another gateway polls.
    due_at: Option<u64>,
}

impl EndedSessionsPoll {
    /// Creates an empty list that is due at once.
    pub(crate) fn new() -> Self {
        Self {
            list: Arc::new(EndedSessions::new(MAX_ENDED_SESSIONS, 0)),
            version: String::new(),
            due_at: Some(0),
        }
    }

    pub(crate) fn list(&self) -> &Arc<EndedSessions> {
        &self.list
    }

    /// Takes a list that another gateway polls, so that no poll is due here.
    pub(crate) fn share(&mut self, list: &Arc<EndedSessions>) {
        self.list = Arc::clone(list);
        self.due_at = None;
    }

    /// Makes a poll due at once: no other gateway polls any more.
    pub(crate) fn resume(&mut self) {
        self.due_at = Some(0);
    }

    /// Returns the path and query of the list, if a poll is due. The query has the known version, so that an unchanged
    /// list is not sent again.
    pub(crate) fn due(&mut self, source: &EndedSessionsSource, now: u64) -> Option<String> {
        let next = now.saturating_add(source.poll_seconds);
        // A time later than `next` means that the clock was set back: then a poll is due.
        if self.due_at.is_none_or(|due_at| now < due_at && due_at <= next) {
            return None;
        }
        self.due_at = Some(next);
        Some(format!("{}?known={}", source.path, self.version))
    }

    /// Merges a response into the list. Returns whether the response is valid. `body` is `None` if it could not be
    /// read. HTTP 204: the list has not changed.
    pub(crate) fn merge(&mut self, status: u16, body: Option<&[u8]>) -> bool {
        match (status, body) {
            (204, _) => true,
            (200, Some(body)) => match EndedSessions::from_json(body, MAX_ENDED_SESSIONS) {
                Some((list, version)) if is_version(&version) => {
                    // Replicas of the service may know different ended sessions, and an ended session stays ended.
                    Arc::make_mut(&mut self.list).merge(&list);
                    self.version = version;
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// Whether a version can stand in a query without encoding.
fn is_version(version: &str) -> bool {
    version.len() <= 64 && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
