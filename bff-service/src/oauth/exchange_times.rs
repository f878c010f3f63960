//! How long an exchange at the token endpoint may take, and how many may take longer than their callers wait.

use std::time::Duration;

use crate::config::AuthorizationServer;

/// How many exchanges of an application go on behind their answers at most, of each kind.
pub const MAX_BEHIND_THE_ANSWER: usize = 100;

/// How long exchanges may take.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeTimes {
    /// How long a caller waits.
    pub answer: Duration,
    /// How long an exchange may take in all.
    pub total: Duration,
}

impl ExchangeTimes {
    /// As configured. An exchange may take no less time than its caller waits.
    pub fn of(settings: &AuthorizationServer) -> ExchangeTimes {
        let answer = settings.request_timeout();
        ExchangeTimes {
            answer,
            total: Duration::from_secs(settings.exchange_seconds).max(answer),
        }
    }

    /// After this time an exchange is over in any case, with all that belongs to it: the total, and two requests more, for
    /// the revocation of tokens that nobody may have.
    pub fn over(&self) -> Duration {
        self.total.saturating_add(self.answer).saturating_add(self.answer)
    }
}
