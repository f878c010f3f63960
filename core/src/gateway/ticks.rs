//! What a gateway does in a tick, on behalf of no request: it polls the list of ended sessions, warns, shares newest
//! access tokens, and decides on requests whose flight was lost by a fault.

use std::sync::Arc;

use super::Gateway;
use super::counters::Counter;
use super::effect::{Command, Effect};
use super::notices::Notice;
use super::token_state::TokenOutcome;
use crate::session::ended_sessions::EndedSessions;

impl Gateway {
    /// Handles a tick at the time `now`, in seconds since 1970. Returns what is due, such as a poll or a warning.
    pub fn on_tick(&mut self, now: u64) -> Vec<Effect> {
        let mut commands = Vec::from_iter(self.due_poll(now));
        commands.extend(self.due_notices(now).into_iter().map(Command::Warn));
        let unshared = self.streams.take_unshared(now);
        commands.extend(unshared.into_iter().map(Command::Store));
        let mut effects: Vec<_> = commands.into_iter().map(Effect::Run).collect();
        let outcome = Arc::new(TokenOutcome::Unusable(
            "internal error: the introspection or token exchange was lost",
        ));
        let abandoned = self.memory().map(|memory| memory.take_abandoned());
        for stream in abandoned.unwrap_or_default() {
            let outcome = Arc::clone(&outcome);
            let decided = self.decide(stream, &outcome, now);
            effects.push(decided.unwrap_or(Effect::Run(Command::Share { stream, outcome })));
        }
        effects
    }

    fn due_notices(&mut self, now: u64) -> Vec<Notice> {
        let keys = self.config.bff_token.iter().flat_map(|stage| stage.sealer.key_ids());
        let client_id = self.config.phantom_token.as_ref().map_or("", |stage| &stage.client_id);
        let list = self
            .config
            .bff_token
            .as_ref()
            .and_then(|stage| stage.ended_sessions.as_ref());
        let list = list.map_or("", |source| &source.cluster);
        let requests = self.counters.cookies_opened();
        self.notices.due(now, keys, client_id, list, requests)
    }

    fn due_poll(&mut self, now: u64) -> Option<Command> {
        let source = self.config.bff_token.as_ref()?.ended_sessions.as_ref()?;
        let path = self.ended.due(source, now)?;
        Some(Command::PollEndedSessions {
            cluster: source.cluster.clone(),
            path,
        })
    }

    /// Handles the list of ended sessions. `body` is `None` if it could not be read. HTTP 204: the list has not
    /// changed.
    pub fn on_ended_sessions(&mut self, status: u16, body: Option<&[u8]>) {
        if self.ended.merge(status, body) {
            self.notices.ended_sessions_polled();
            self.counters.add(Counter::EndedSessionsPolled);
        } else {
            self.notices.ended_sessions_failed(status);
            self.counters.add(Counter::EndedSessionsFailed);
        }
    }

    /// Returns the list of ended sessions.
    pub fn ended_sessions(&self) -> &Arc<EndedSessions> {
        self.ended.list()
    }

    /// Takes the list of another gateway, which polls for this one too: from now on, this one does not poll.
    pub fn share_ended_sessions(&mut self, list: &Arc<EndedSessions>) {
        self.ended.share(list);
        self.streams.check_all_again();
    }

    /// Polls the list of ended sessions again, after this gateway has used the list of another one.
    pub fn resume_polls(&mut self) {
        self.ended.resume();
    }
}
