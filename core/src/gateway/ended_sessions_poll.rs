//! A worker's copy of the list of ended sessions, and when to read the list again.

use super::config::EndedSessionsSource;
use crate::session::ended_sessions::EndedSessions;

/// The longest list of ended sessions that is kept.
const MAX_ENDED_SESSIONS: usize = 10_000;

/// A worker's copy of the list.
pub(crate) struct EndedSessionsPoll {
    list: EndedSessions,
    /// What the service calls the state of its list that was read last.
    version: String,
    /// In seconds since 1970.
    due_at: u64,
}

impl EndedSessionsPoll {
    /// An empty list, due at once.
    pub(crate) fn new() -> Self {
        Self {
            list: EndedSessions::new(MAX_ENDED_SESSIONS, 0),
            version: String::new(),
            due_at: 0,
        }
    }

    pub(crate) fn list(&self) -> &EndedSessions {
        &self.list
    }

    /// Path and query to read the list at, if that is due. The query names the state that is known already, which is not
    /// sent again.
    pub(crate) fn due(&mut self, source: &EndedSessionsSource, now: u64) -> Option<String> {
        if now < self.due_at {
            return None;
        }
        self.due_at = now.saturating_add(source.poll_seconds);
        Some(format!("{}?known={}", source.path, self.version))
    }

    /// Merges what was answered, and returns whether it could be used; `body` is `None` where it could not be read. 204: the
    /// list has not changed.
    pub(crate) fn merge(&mut self, status: u16, body: Option<&[u8]>) -> bool {
        match (status, body) {
            (204, _) => true,
            (200, Some(body)) => match EndedSessions::from_json(body, MAX_ENDED_SESSIONS) {
                Some((list, version)) if is_version(&version) => {
                    // Replicas of the service may know different ones, and what is over stays over.
                    self.list.merge(&list);
                    self.version = version;
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// What may stand in a query as it is.
fn is_version(version: &str) -> bool {
    version.len() <= 64 && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
