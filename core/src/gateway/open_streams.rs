//! The requests of this gateway that were forwarded and have not ended, and that the gateway may end (`end_streams`).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::attributes::StreamId;
use super::config::EndStreams;
use super::cookie_cache::OpenedCookie;
use super::newest_tokens::{NewestTokens, SessionNumber};
use super::shared_cache::{SharedEntry, Slot};
use super::shared_newest_tokens::SharedNewestTokens;
use super::token_info::TokenInfo;
use crate::cookie::session_id::SessionId;
use crate::session::ended_sessions::EndedSessions;

/// Time from the expiry of the newest access token of a session to the end of its streams (`session`), in seconds.
const GRACE_SECONDS: u64 = 60;

/// What ends a stream.
#[derive(Clone)]
pub(crate) struct OpenStream {
    /// The session of its cookie, and when it began, in seconds since 1970.
    session: Option<(SessionId, u64)>,
    /// When it ends, in seconds since 1970, unless its session has a newer access token by then (`session`).
    ends_at: u64,
    /// Whether it has ended, and is to be reset.
    has_ended: bool,
}

/// The open streams, and what is known of their sessions. Times are in seconds since 1970.
pub(crate) struct OpenStreams {
    mode: EndStreams,
    streams: HashMap<StreamId, OpenStream>,
    newest: Arc<NewestTokens>,
    /// `None` if the gateways share `newest` itself, or nothing.
    shared: Option<SharedNewestTokens>,
    /// Access tokens that are new to this gateway, for the shared data.
    unshared: Vec<(SessionNumber, u64)>,
    /// The number of changes of the list of ended sessions with which the streams were last checked.
    checked_change: u64,
    /// The earliest time at which a stream may end, unless its session ends.
    next_end: u64,
    /// The streams that have ended, some of which may already be closed.
    ended: VecDeque<StreamId>,
}

impl OpenStreams {
    pub(crate) fn new(mode: EndStreams, shared: Option<SharedNewestTokens>) -> Self {
        Self {
            mode,
            streams: HashMap::new(),
            newest: Arc::default(),
            shared,
            unshared: Vec::new(),
            checked_change: 0,
            next_end: u64::MAX,
            ended: VecDeque::new(),
        }
    }

    /// Takes the newest tokens that several gateways share. This gateway must not have open streams yet.
    pub(crate) fn share(&mut self, newest: Arc<NewestTokens>) {
        self.newest = newest;
        self.shared = None;
    }

    /// Returns the number of open streams.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Learns of the access token in a cookie. Returns what ends the stream of its request; `None` if nothing does.
    pub(crate) fn of_cookie(&mut self, opened: &OpenedCookie) -> Option<Box<OpenStream>> {
        let (cookie, session) = (&opened.content, opened.session());
        let ends_at = match (self.mode, session) {
            (EndStreams::Never, _) | (EndStreams::Session, None) => return None,
            (EndStreams::Token, _) => cookie.expires_at,
            (EndStreams::Session, Some((session, _))) => {
                let (number, _, _) = session.parts();
                self.newest.saw(&number, cookie.expires_at);
                if self.shared.is_some() && opened.is_news() {
                    self.unshared.push((number, cookie.expires_at));
                }
                cookie.expires_at.saturating_add(GRACE_SECONDS)
            }
        };
        Some(Box::new(OpenStream {
            session,
            ends_at,
            has_ended: false,
        }))
    }

    /// Returns what ends the stream of a request with a bearer token; `None` if nothing does.
    pub(crate) fn of_bearer(&self) -> Option<Box<OpenStream>> {
        match self.mode {
            EndStreams::Never | EndStreams::Session => None,
            EndStreams::Token => Some(Box::new(OpenStream {
                session: None,
                ends_at: u64::MAX,
                has_ended: false,
            })),
        }
    }

    /// Returns what ends a stream with this token.
    pub(crate) fn with_token(&self, mut stream: Box<OpenStream>, token: &TokenInfo) -> Box<OpenStream> {
        match self.mode {
            EndStreams::Token => stream.ends_at = stream.ends_at.min(token.expires_at.unwrap_or(u64::MAX)),
            // The cookie says how long its access token is valid.
            EndStreams::Never | EndStreams::Session => {}
        }
        stream
    }

    /// Adds a request that is forwarded.
    pub(crate) fn open(&mut self, id: StreamId, stream: OpenStream) {
        if let Some(number) = self.number(&stream) {
            self.newest.open(number, stream.ends_at.saturating_sub(GRACE_SECONDS));
        }
        self.next_end = self.next_end.min(stream.ends_at);
        if let Some(previous) = self.streams.insert(id, stream) {
            self.forget(&previous);
        }
    }

    /// Removes a request, if it is here.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.remove(&id) {
            self.forget(&stream);
        }
    }

    /// Makes the next [`Self::find_ended`] check every stream: another list may have the same number of changes.
    pub(crate) fn check_all_again(&mut self) {
        self.next_end = 0;
    }

    /// Finds the streams that end. Returns their number.
    pub(crate) fn find_ended(&mut self, list: &EndedSessions, now: u64) -> usize {
        if self.streams.is_empty() || (list.changes() == self.checked_change && now < self.next_end) {
            return 0;
        }
        let before = self.ended.len();
        let mut next_end = u64::MAX;
        for (id, stream) in self.streams.iter_mut().filter(|(_, stream)| !stream.has_ended) {
            if stream.ends_at <= now
                && self.mode == EndStreams::Session
                && let Some((session, _)) = stream.session
                && let Some(expires_at) = self.newest.expiry(&session.parts().0)
            {
                stream.ends_at = expires_at.saturating_add(GRACE_SECONDS);
            }
            let is_over = |(session, began_at): &(SessionId, u64)| list.has_ended(session, *began_at);
            if stream.ends_at <= now || stream.session.as_ref().is_some_and(is_over) {
                stream.has_ended = true;
                self.ended.push_back(*id);
            } else {
                next_end = next_end.min(stream.ends_at);
            }
        }
        self.checked_change = list.changes();
        self.next_end = next_end;
        self.ended.len().saturating_sub(before)
    }

    /// Returns streams that have ended and are still open, up to this number. Later calls return a stream again until
    /// it is closed, since the host may not have been able to reset it yet.
    pub(crate) fn ended_and_still_open(&mut self, most: usize) -> Vec<StreamId> {
        let mut open = Vec::new();
        for _ in 0..self.ended.len() {
            if open.len() == most {
                break;
            }
            let Some(id) = self.ended.pop_front() else { break };
            if self.streams.contains_key(&id) {
                open.push(id);
                self.ended.push_back(id);
            }
        }
        open
    }

    /// Returns the sessions whose streams may end now, with the slots of the shared data that may have a newer access
    /// token.
    pub(crate) fn doubtful_sessions(&self, now: u64) -> Vec<(SessionNumber, [Slot; 2])> {
        let Some(shared) = self.shared.as_ref().filter(|_| self.next_end <= now) else {
            return Vec::new();
        };
        let is_due = |stream: &&OpenStream| stream.ends_at <= now && !stream.has_ended;
        let due = self.streams.values().filter(is_due);
        // One session may have many streams.
        let sessions: BTreeSet<SessionNumber> = due.filter_map(|stream| self.number(stream)).collect();
        sessions
            .into_iter()
            .map(|number| (number, shared.slots(&number)))
            .collect()
    }

    /// Learns of an access token from a value of the shared data, if it has one.
    pub(crate) fn learn_shared(&self, session: &SessionNumber, slot: Slot, value: &[u8], now: u64) {
        let found = self
            .shared
            .as_ref()
            .and_then(|shared| shared.find(session, slot, value, now));
        if let Some(valid_until) = found {
            self.newest.saw(session, valid_until.saturating_sub(GRACE_SECONDS));
        }
    }

    /// Takes the entries that are due for the shared data.
    pub(crate) fn take_unshared(&mut self, now: u64) -> Vec<SharedEntry> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let entry =
            |(number, expires_at): (_, u64)| shared.entry(&number, expires_at.saturating_add(GRACE_SECONDS), now);
        self.unshared.drain(..).map(entry).collect()
    }

    /// Returns the session of a stream whose end depends on the newest access token.
    fn number(&self, stream: &OpenStream) -> Option<SessionNumber> {
        match self.mode {
            EndStreams::Session => stream.session.map(|(session, _)| session.parts().0),
            EndStreams::Never | EndStreams::Token => None,
        }
    }

    fn forget(&self, stream: &OpenStream) {
        if let Some(number) = self.number(stream) {
            self.newest.close(&number);
        }
    }
}
