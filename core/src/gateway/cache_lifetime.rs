//! How long the gateway caches what the authorization server says about a token. All times are in seconds since 1970.

use super::config::PhantomToken;
use crate::request::cache_control;

/// Time for which a response about an inactive token is cached, in seconds; at most `token_cache_seconds`.
/// `Cache-Control` does not count: if `no-store` did, every request with an invalid token would cause a callout.
const INACTIVE_SECONDS: u64 = 5;

/// How long before its expiry a token is exchanged again, in seconds; at most a tenth of its lifetime.
const MARGIN_SECONDS: u64 = 10;

/// Returns the time until which a response about an inactive token may be cached.
pub(super) fn inactive_until(stage: &PhantomToken, now: u64) -> u64 {
    now.saturating_add(INACTIVE_SECONDS.min(stage.cache_seconds))
}

/// Returns the time until which a response about an active token may be cached. `lines`: its `Cache-Control`.
pub(super) fn introspected_until(stage: &PhantomToken, expires_at: Option<u64>, lines: &[Vec<u8>], now: u64) -> u64 {
    let allowed = match stage.ignore_cache_control {
        true => u64::MAX,
        false => cache_control::lifetime(lines.iter().map(Vec::as_slice)),
    };
    let cached_until = now.saturating_add(allowed.min(stage.cache_seconds));
    expires_at.map_or(cached_until, |expires_at| expires_at.min(cached_until))
}

/// Returns the time until which an exchanged token may be cached. `expires_at`: its own expiry; `others`: further limits.
/// `Cache-Control` does not count: every token response forbids caching (RFC 6749, section 5.1). The gateway is a client of the
/// authorization server, and may use its token until the token expires.
pub(super) fn exchanged_until(
    stage: &PhantomToken,
    expires_at: Option<u64>,
    others: [Option<u64>; 2],
    now: u64,
) -> u64 {
    // The API gets no token in its last seconds: it would expire on the way there, or by the clock of the API, and the page
    // could do nothing about it.
    let margin = |expires_at: u64| expires_at.saturating_sub(MARGIN_SECONDS.min(expires_at.saturating_sub(now) / 10));
    let limits = [expires_at.map(margin)].into_iter().chain(others);
    limits.flatten().fold(now.saturating_add(stage.cache_seconds), u64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn stage(members: &str) -> PhantomToken {
        PhantomToken::with(&format!(r#""client_secret": {{"inline": "a secret"}}, {members}"#))
    }

    #[test]
    fn a_response_about_an_inactive_token_is_cached_for_five_seconds_at_most() {
        for (seconds, expected) in [(300, 5), (5, 5), (2, 2), (0, 0)] {
            let stage = stage(&format!(r#""token_cache_seconds": {seconds}"#));
            assert_eq!(inactive_until(&stage, NOW), NOW + expected, "{seconds}");
        }
    }

    #[test]
    fn the_shortest_of_all_limits_counts_for_an_active_token() {
        let stage = stage(r#""token_cache_seconds": 100"#);
        let lines = |text: &str| vec![text.as_bytes().to_vec()];
        for (expires_at, cache_control, expected) in [
            (None, lines("max-age=300"), 100),
            (None, lines("max-age=30"), 30),
            (None, lines("no-store"), 0),
            (Some(NOW + 20), lines("max-age=30"), 20),
            (Some(NOW + 500), Vec::new(), 100),
        ] {
            assert_eq!(
                introspected_until(&stage, expires_at, &cache_control, NOW),
                NOW + expected,
                "{expires_at:?} {cache_control:?}"
            );
        }
    }

    #[test]
    fn cache_control_does_not_count_where_it_is_ignored() {
        let stage = stage(r#""token_cache_seconds": 100, "ignore_cache_control": true"#);
        assert_eq!(
            introspected_until(&stage, None, &[b"no-store".to_vec()], NOW),
            NOW + 100
        );
    }

    #[test]
    fn an_exchanged_token_is_replaced_ten_seconds_before_it_expires_or_after_nine_tenths_of_its_lifetime() {
        let stage = stage(r#""token_cache_seconds": 1000"#);
        for (lifetime, others, expected) in [
            (500, [None, None], 490),
            (50, [None, None], 45),
            (500, [Some(NOW + 300), None], 300),
            (500, [None, Some(NOW + 20)], 20),
            (5000, [None, None], 1000),
        ] {
            assert_eq!(
                exchanged_until(&stage, Some(NOW + lifetime), others, NOW),
                NOW + expected,
                "{lifetime} {others:?}"
            );
        }
        assert_eq!(exchanged_until(&stage, None, [None, None], NOW), NOW + 1000);
    }
}
