//! Time limits of exchanges at the token endpoint, and how many may continue in the background.

use std::time::Duration;

use crate::config::AuthorizationServer;

/// Maximum number of exchanges of an application at a replica in the background, of each kind: of codes, and of refresh
/// tokens.
pub const MAX_BACKGROUND_EXCHANGES: usize = 100;

/// Time limits of exchanges.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeTimes {
    /// How long a caller waits.
    pub wait: Duration,
    /// Total time limit of an exchange.
    pub total: Duration,
}

impl ExchangeTimes {
    /// The configured time limits. The total is at least the time that the caller waits.
    pub fn of(settings: &AuthorizationServer) -> ExchangeTimes {
        let wait = settings.request_timeout();
        ExchangeTimes {
            wait,
            total: Duration::from_secs(settings.exchange_seconds).max(wait),
        }
    }

    /// Time limit of an exchange and of what follows from it: the total, plus two requests to revoke tokens that are not
    /// accepted, without repetitions.
    pub fn complete_after(&self) -> Duration {
        self.total.saturating_add(self.wait).saturating_add(self.wait)
    }
}
