//! How long late callers get the result of an exchange.

use std::time::Duration;

use super::store::RefreshOutcome;

/// The window of a result whose refresh token can be used again: it is only for callers at the same moment.
const SHORT: Duration = Duration::from_secs(2);

/// How long a result that nobody has received waits: the page that comes back has a refresh token that is used up.
const UNDELIVERED: Duration = Duration::from_secs(3_600);

/// How long a result that perhaps nobody has waits for its first caller, at `now` (seconds since 1970). `replay` is the
/// configured window. From then on it has its [`replay_window`]: a token that was stolen before must not be usable for
/// longer than that.
pub fn until_delivered(outcome: &RefreshOutcome, replay: Duration, now: u64) -> Duration {
    let window = replay_window(outcome, replay, now);
    match outcome {
        Ok(tokens) if tokens.rotated && tokens.is_undelivered && !replay.is_zero() => window.max(UNDELIVERED),
        Ok(_) | Err(_) => window,
    }
}

/// The window of a result at `now` (seconds since 1970). `replay` is the configured window.
///
/// A result that used up a token has the whole window, because a second use would end the session. A refresh token that
/// was not rotated can be used again: the window is then short, and ends with the access token. A failure is returned
/// to callers that wait, and then forgotten: the next caller may succeed.
pub fn replay_window(outcome: &RefreshOutcome, replay: Duration, now: u64) -> Duration {
    match outcome {
        Ok(tokens) if tokens.rotated => replay,
        Ok(tokens) => {
            let left = Duration::from_secs(tokens.access_token_expires_at.saturating_sub(now));
            replay.min(SHORT).min(left)
        }
        Err(_) => Duration::ZERO,
    }
}

/// Whether a late caller at `now` (seconds since 1970) gets the result.
pub fn is_for_late_callers(outcome: &RefreshOutcome, now: u64) -> bool {
    outcome
        .as_ref()
        .is_ok_and(|tokens| tokens.rotated || tokens.is_live(now))
}

#[cfg(test)]
mod tests {
    use crate::error_code::ErrorCode;

    use super::super::store::tests::{renewed, undelivered};
    use super::*;

    const NOW: u64 = 1_000;
    const REPLAY: Duration = Duration::from_secs(30);

    #[test]
    fn a_used_up_refresh_token_is_answered_for_all_of_the_replay_window() {
        for expires_at in [NOW, NOW + 5, NOW + 500] {
            let outcome = renewed("new", true, expires_at);
            assert_eq!(replay_window(&outcome, REPLAY, NOW), REPLAY);
            assert!(is_for_late_callers(&outcome, NOW));
        }
    }

    #[test]
    fn without_rotation_the_window_is_short_and_over_when_the_access_token_is() {
        let window = |expires_at| replay_window(&renewed("new", false, expires_at), REPLAY, NOW);
        assert_eq!(window(NOW + 500), SHORT);
        assert_eq!(window(NOW + 1), Duration::from_secs(1));
        assert_eq!(window(NOW), Duration::ZERO);
        assert_eq!(
            replay_window(&renewed("new", false, NOW + 500), Duration::ZERO, NOW),
            Duration::ZERO
        );
        assert!(is_for_late_callers(&renewed("new", false, NOW + 1), NOW));
        assert!(!is_for_late_callers(&renewed("new", false, NOW), NOW));
    }

    #[test]
    fn tokens_that_nobody_has_wait_for_an_hour_if_the_refresh_token_is_used_up_and_late_callers_get_any() {
        let outcome = |rotated| renewed("new", rotated, NOW + 500);
        let waiting = |rotated| undelivered(outcome(rotated));
        assert_eq!(until_delivered(&waiting(true), REPLAY, NOW), UNDELIVERED);
        assert_eq!(until_delivered(&outcome(true), REPLAY, NOW), REPLAY);
        assert_eq!(until_delivered(&waiting(false), REPLAY, NOW), SHORT);
        assert_eq!(until_delivered(&waiting(true), Duration::ZERO, NOW), Duration::ZERO);
        assert_eq!(replay_window(&waiting(true), REPLAY, NOW), REPLAY);
    }

    #[test]
    fn a_failure_is_for_nobody_who_comes_late() {
        let failure: RefreshOutcome = Err(ErrorCode::AuthorizationServerError);
        assert_eq!(replay_window(&failure, REPLAY, NOW), Duration::ZERO);
        assert!(!is_for_late_callers(&failure, NOW));
    }
}
