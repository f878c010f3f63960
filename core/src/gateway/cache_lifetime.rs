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

/// Returns the time until which introspection of an active token may be cached. `lines`: the response's `Cache-Control`.
pub(super) fn introspected_until(stage: &PhantomToken, expires_at: Option<u64>, lines: &[Vec<u8>], now: u64) -> u64 {
    let allowed = match stage.ignore_cache_control {
        true => u64::MAX,
        false => cache_control::lifetime(lines.iter().map(Vec::as_slice)),
    };
    let cached_until = now.saturating_add(allowed.min(stage.cache_seconds));
    expires_at.map_or(cached_until, |expires_at| expires_at.min(cached_until))
}

/// Returns the time until which an exchanged token may be cached. `expires_at`: its own expiry; `subject`: the limits of the
/// subject token. `Cache-Control` does not count: every token response forbids caching (RFC 6749, section 5.1). The gateway
/// is a client of the authorization server, and uses its token for as long as the token is valid.
pub(super) fn exchanged_until(
    stage: &PhantomToken,
    expires_at: Option<u64>,
    subject: [Option<u64>; 2],
    now: u64,
) -> u64 {
    // The API gets no token in its last seconds: it would expire on the way there, or by the clock of the API, and the page
    // could do nothing about it.
    let margin = |expires_at: u64| expires_at.saturating_sub(MARGIN_SECONDS.min(expires_at.saturating_sub(now) / 10));
    let limits = [expires_at.map(margin)].into_iter().chain(subject);
    limits.flatten().fold(now.saturating_add(stage.cache_seconds), u64::min)
}
