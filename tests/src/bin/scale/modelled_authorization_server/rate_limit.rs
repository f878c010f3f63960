//! The limit above which the modelled authorization server answers HTTP 429: a bucket that holds one second of requests.

use std::time::Instant;

/// A bucket of permits.
pub(crate) struct RateLimit {
    per_second: f64,
    permits: f64,
    filled_at: Instant,
}

impl RateLimit {
    /// A full bucket.
    pub(crate) fn new(per_second: f64) -> Self {
        Self {
            per_second,
            permits: per_second,
            filled_at: Instant::now(),
        }
    }

    /// Takes a permit. Returns whether there was one.
    pub(crate) fn take_permit(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.permits = (self.permits + passed * self.per_second).min(self.per_second);
        let is_admitted = self.permits >= 1.0;
        if is_admitted {
            self.permits -= 1.0;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_second_of_requests_is_admitted_at_once_and_the_rest_at_the_rate() {
        let mut limit = RateLimit::new(10.0);
        let begin = limit.filled_at;
        let admitted = (0..20).filter(|_| limit.take_permit(begin)).count();
        assert_eq!(admitted, 10);
        let half_a_second_later = begin + Duration::from_millis(510);
        let admitted = (0..20).filter(|_| limit.take_permit(half_a_second_later)).count();
        assert_eq!(admitted, 5);
    }
}
