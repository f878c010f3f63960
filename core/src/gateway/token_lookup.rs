//! What is known about an access token before a callout.

use std::sync::Arc;

use super::bearer;
use super::cache_key::CacheKey;
use super::config::PhantomToken;
use super::counters::{Counter, Counters};
use super::token_cache::TokenCache;
use super::token_info::TokenInfo;
use super::token_memory::TokenMemory;
use super::token_state::{InactiveReason, TokenState};
use crate::jwt;

/// What is known about an access token before a callout.
pub(crate) enum Lookup {
    /// The token is active, or is forwarded without introspection; with the time when this expires, in seconds since
    /// 1970.
    Active(Arc<TokenInfo>, u64),
    /// By a cached response, the token counts as inactive.
    Inactive(InactiveReason),
    /// The token is invalid by its own content. The string is for the log.
    Invalid(&'static str),
    /// Nothing is known: the token must be introspected or exchanged.
    Miss(CacheKey, Arc<TokenMemory>),
}

/// Looks up an access token, and counts hits and misses of the cache. Without a token stage, every token is forwarded
/// unchanged.
pub(crate) fn look_up(
    introspection: Option<(&PhantomToken, &mut TokenCache)>,
    counters: &mut Counters,
    token: &[u8],
    now: u64,
) -> Lookup {
    let Some((stage, cache)) = introspection else {
        return Lookup::Active(Arc::new(TokenInfo::bearer(token)), u64::MAX);
    };
    if !stage.introspect_jwts
        && let Some(read) = self_contained(token, now)
    {
        return match read {
            Ok(info) => {
                let until = info.expires_at.unwrap_or(u64::MAX);
                Lookup::Active(Arc::new(info), until)
            }
            Err(details) => Lookup::Invalid(details),
        };
    }
    let key = cache.key(token);
    let cached = cache.get(&key, now);
    counters.add(match cached {
        Some(_) => Counter::CacheHit,
        None => Counter::CacheMiss,
    });
    match cached {
        Some((TokenState::Active(info), until)) => Lookup::Active(info, until),
        Some((TokenState::Inactive(reason), _)) => Lookup::Inactive(reason),
        None if jwt::is_unsecured(token) => Lookup::Invalid("the token is an unsecured JWT (alg none)"),
        // An exchange depends on the claims of the token, such as `cnf`.
        None if stage.steps.exchange().is_some() && jwt::is_unreadable(token) => {
            Lookup::Invalid("the token is a JWT that is no access token or is malformed")
        }
        None => Lookup::Miss(key, Arc::clone(&cache.memory)),
    }
}

/// Reads a token that is a JWT for APIs; `None` for any other. The API validates the JWT, so its claims can only lead to a
/// rejection here. `Err`: it has expired, or is malformed.
fn self_contained(token: &[u8], now: u64) -> Option<Result<TokenInfo, &'static str>> {
    let claims = jwt::access_token_claims(token)?;
    let Ok(expires_at) = jwt::expiry(&claims) else {
        return Some(Err("the JWT is malformed: `exp` is not a number"));
    };
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Some(Err("the JWT has expired"));
    }
    let info = TokenInfo::of_claims(&claims, vec![bearer::header(token)])
        .map_err(|_| "the JWT is malformed: invalid `cnf`, or two keys in it");
    Some(info.map(|info| TokenInfo { expires_at, ..info }))
}
