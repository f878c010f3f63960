//! What is known of a token before the authorization server is asked.

use std::rc::Rc;

use super::bearer;
use super::cache_key::{CacheKey, CacheKeys};
use super::config::PhantomToken;
use super::counters::{Counter, Counters};
use super::introspection_cache::{InactiveReason, IntrospectionCache, TokenState};
use super::token_info::TokenInfo;
use crate::jwt;

/// What is known of a token.
pub(crate) enum Lookup<'a> {
    /// It is active, or nothing is introspected; and until when that holds, in seconds since 1970.
    Active(Rc<TokenInfo>, u64),
    /// Introspection has called it inactive.
    Inactive(InactiveReason),
    /// It is invalid by what it says itself; the text is for the log.
    Invalid(&'static str),
    /// Nothing: the authorization server of this stage has to be asked.
    Miss(&'a PhantomToken, CacheKey),
}

/// Looks a token up; hits and misses of the cache are counted. Without a stage every token is forwarded as it is.
pub(crate) fn look_up<'a>(
    introspection: Option<(&'a PhantomToken, &CacheKeys)>,
    cache: &mut IntrospectionCache,
    counters: &mut Counters,
    token: &[u8],
    now: u64,
) -> Lookup<'a> {
    let Some((stage, keys)) = introspection else {
        return Lookup::Active(Rc::new(TokenInfo::bearer(token)), u64::MAX);
    };
    if !stage.introspect_jwts
        && let Some(read) = self_contained(token, now)
    {
        return match read {
            Ok((info, expires_at)) => Lookup::Active(Rc::new(info), expires_at),
            Err(details) => Lookup::Invalid(details),
        };
    }
    let key = keys.key(token);
    let cached = cache.get(&key, now);
    counters.add(match cached {
        Some(_) => Counter::CacheHit,
        None => Counter::CacheMiss,
    });
    match cached {
        Some((TokenState::Active(info), until)) => Lookup::Active(info, until),
        Some((TokenState::Inactive(reason), _)) => Lookup::Inactive(reason),
        None if jwt::is_unsecured(token) => Lookup::Invalid("the token is an unsecured JWT (alg none)"),
        None => Lookup::Miss(stage, key),
    }
}

/// What a token that is a JWT says of itself; `None` for other tokens. The API validates it: what it says here can only lead
/// to a rejection. `Err`: it has expired, or is malformed.
fn self_contained(token: &[u8], now: u64) -> Option<Result<(TokenInfo, u64), &'static str>> {
    let claims = jwt::access_token_claims(token)?;
    let expires_at = match jwt::expiry(&claims) {
        Ok(expiry) => expiry.unwrap_or(u64::MAX),
        Err(_) => return Some(Err("the JWT is malformed: `exp` is not a number")),
    };
    if expires_at <= now {
        return Some(Err("the JWT has expired"));
    }
    let info = TokenInfo::of_claims(&claims, vec![bearer::header(token)])
        .map_err(|_| "the JWT is malformed: invalid `cnf`, or two keys in it");
    Some(info.map(|info| (info, expires_at)))
}
