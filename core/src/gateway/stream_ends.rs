//! The end of open streams whose session has ended, or whose access token has expired (`end_streams`).

use std::sync::Arc;

use super::Gateway;
use super::attributes::StreamId;
use super::counters::Counter;
use super::newest_tokens::{NewestTokens, SessionNumber};
use super::shared_cache::Slot;

impl Gateway {
    /// Takes the newest access tokens of sessions that all gateways of the process share, before the first request.
    pub fn share_newest_tokens(&mut self, newest: &Arc<NewestTokens>) {
        self.streams.share(Arc::clone(newest));
    }

    /// Returns the sessions whose streams may end at the time `now` (seconds since 1970), unless the shared data of the
    /// host has a newer access token of theirs. Pass the values of the slots to [`Gateway::on_shared_newest_token`]
    /// before [`Gateway::ended_streams`].
    pub fn doubtful_sessions(&self, now: u64) -> Vec<(SessionNumber, [Slot; 2])> {
        self.streams.doubtful_sessions(now)
    }

    /// Handles a value of the host's shared data for such a session.
    pub fn on_shared_newest_token(&mut self, session: &SessionNumber, slot: Slot, value: &[u8], now: u64) {
        self.streams.learn_shared(session, slot, value, now);
    }

    /// Returns forwarded requests that the host must reset, up to `most`, at the time `now`, in seconds since 1970.
    /// Later calls return them again, after the others, until [`Gateway::on_stream_end`] is called for them.
    pub fn ended_streams(&mut self, now: u64, most: usize) -> Vec<StreamId> {
        for _ in 0..self.streams.find_ended(self.ended.list(), now) {
            self.counters.add(Counter::StreamEnded);
        }
        self.streams.ended_and_still_open(most)
    }

    /// Returns the number of forwarded requests that may still be ended.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }
}
