//! The meaning of a response to a token exchange (RFC 8693, section 2.2).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error_response::{ErrorResponse, error_response};
use crate::gateway::authentication::Authentication;
use crate::gateway::authorization_server::{ServerResponse, media_type};
use crate::gateway::bearer;
use crate::gateway::config::{ACCESS_TOKEN, JWT, PhantomToken, RequestedTokenType, TokenExchange};
use crate::gateway::token_info::{TokenInfo, UnusableClaims};
use crate::gateway::token_state::{InactiveReason, TokenOutcome, TokenState};
use crate::jwt;
use crate::request::access_token;

/// What is known about a subject token.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The token.
    pub token: &'a [u8],
    /// What introspection has just said about it, and until when that may be cached, in seconds since 1970; `None` if it is not
    /// introspected.
    pub introspected: Option<(&'a TokenInfo, u64)>,
}

/// Returns the meaning of a response at the time `now`, in seconds since 1970. An active token is one that was exchanged.
pub fn classify(
    stage: &PhantomToken,
    exchange: &TokenExchange,
    subject: Subject<'_>,
    response: &ServerResponse,
    now: u64,
) -> TokenOutcome {
    // `Cache-Control` does not count: every token response forbids caching (RFC 6749, section 5.1). The client of the
    // authorization server, which the gateway is, uses its token for as long as it is valid.
    let ServerResponse::Http {
        status,
        content_type,
        cache_control: _,
        body,
    } = response
    else {
        return TokenOutcome::Unusable("token exchange failed: the connection was reset or could not be established");
    };
    let inactive = |reason| TokenOutcome::inactive(stage, reason, now);
    if *status != 200 {
        let is_introspected = subject.introspected.is_some();
        return match error_response(stage, is_introspected, *status, body.as_deref()) {
            ErrorResponse::Inactive(reason) => inactive(reason),
            ErrorResponse::Failure(why) => TokenOutcome::Unusable(why),
            ErrorResponse::TimedOut => TokenOutcome::TimedOut,
        };
    }
    let Some(body) = body else {
        return TokenOutcome::Unusable("token exchange failed: the response is longer than 64 KiB");
    };
    if media_type(content_type) != b"application/json" {
        return TokenOutcome::Unusable("token exchange response: Content-Type is not application/json");
    }
    let info = match read(exchange, subject, body, now) {
        Ok(info) => info,
        Err(UnusableClaims(why)) => return TokenOutcome::Unusable(why),
    };
    if let Some(expiry) = info.expires_at
        && expiry <= now
    {
        let seconds = now.saturating_sub(expiry);
        return inactive(InactiveReason::ExpiredHere { seconds });
    }
    let cached_until = now.saturating_add(stage.cache_seconds);
    let limits = [info.expires_at, subject.introspected.map(|(_, until)| until)];
    TokenOutcome::Known {
        expires_at: limits.into_iter().flatten().fold(cached_until, u64::min),
        state: TokenState::Active(Arc::new(info)),
    }
}

/// Reads the body.
fn read(exchange: &TokenExchange, subject: Subject<'_>, body: &[u8], now: u64) -> Result<TokenInfo, UnusableClaims> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(UnusableClaims("token exchange response: not a JSON object"));
    };
    check_types(exchange, &members)?;
    let token = members.get("access_token").and_then(Value::as_str);
    let token = token.unwrap_or_default().as_bytes();
    access_token::check(token).map_err(|_| {
        UnusableClaims("token exchange response: `access_token` is missing, too long, or cannot be in a header")
    })?;
    let mut claims = match jwt::access_token_claims(token) {
        Some(claims) => claims,
        None if exchange.requested_token_type == RequestedTokenType::Jwt => {
            return Err(UnusableClaims(
                "token exchange response: the token is not a JWT that can be forwarded",
            ));
        }
        None => Map::new(),
    };
    let exp = jwt::expiry(&claims)
        .map_err(|_| UnusableClaims("token exchange response: `exp` of the token is not a number"))?;
    // The caller proves the key of its own token, not of that which the gateway has obtained.
    claims.remove("cnf");
    set_scope(&mut claims, exchange, &members);
    let info = TokenInfo::of_claims(&claims, vec![bearer::header(token)])?;
    let subject = subject_info(subject)?;
    let expires_in = lifetime(&members).map(|seconds| now.saturating_add(seconds));
    Ok(TokenInfo {
        binding: subject.binding,
        // What the server says of the subject token counts first: some write the lowest `acr` into every exchanged token, and
        // the time of another sign-in.
        authentication: Authentication {
            acr: subject.authentication.acr.or(info.authentication.acr),
            time: subject.authentication.time.or(info.authentication.time),
        },
        expires_at: [exp, expires_in, subject.expires_at].into_iter().flatten().min(),
        ..info
    })
}

/// Checks that the token is one that the API may get. `issued_token_type` is required, but some servers omit it.
fn check_types(exchange: &TokenExchange, members: &Map<String, Value>) -> Result<(), UnusableClaims> {
    let token_type = members.get("token_type").and_then(Value::as_str).unwrap_or_default();
    // A token that is not an access token has no type (RFC 8693, section 2.2.1).
    let is_jwt = exchange.requested_token_type == RequestedTokenType::Jwt && token_type.eq_ignore_ascii_case("n_a");
    if !token_type.eq_ignore_ascii_case("bearer") && !is_jwt {
        return Err(UnusableClaims("token exchange response: `token_type` is not Bearer"));
    }
    let issued = members.get("issued_token_type").filter(|issued| !issued.is_null());
    let is_usable = |issued: &Value| issued == ACCESS_TOKEN || issued == JWT;
    match issued.is_none_or(is_usable) {
        true => Ok(()),
        false => Err(UnusableClaims(
            "token exchange response: `issued_token_type` is neither an access token nor a JWT",
        )),
    }
}

/// Sets the scope that the response says. If neither the response nor the token says any, it is the requested one (RFC 8693,
/// section 2.2.1).
fn set_scope(claims: &mut Map<String, Value>, exchange: &TokenExchange, members: &Map<String, Value>) {
    if let Some(scope) = members.get("scope") {
        claims.remove("scp");
        claims.insert("scope".to_owned(), scope.clone());
    } else if !claims.contains_key("scope") && !claims.contains_key("scp") && !exchange.scopes.is_empty() {
        claims.insert("scope".to_owned(), exchange.scopes.join(" ").into());
    }
}

/// Returns what is known of the subject token: by introspection, or by its own claims if it is a JWT, which the authorization
/// server has validated.
fn subject_info(subject: Subject<'_>) -> Result<TokenInfo, UnusableClaims> {
    if let Some((info, _)) = subject.introspected {
        return Ok(TokenInfo::clone(info));
    }
    let Some(claims) = jwt::access_token_claims(subject.token) else {
        return Ok(TokenInfo::default());
    };
    const MALFORMED: UnusableClaims =
        UnusableClaims("token exchange: `cnf` or `exp` of the exchanged token is malformed");
    Ok(TokenInfo {
        expires_at: jwt::expiry(&claims).map_err(|_| MALFORMED)?,
        ..TokenInfo::of_claims(&claims, Vec::new()).map_err(|_| MALFORMED)?
    })
}

/// Returns `expires_in`, in seconds: a number, or a string of digits, as some servers write it. Some write 0 for a token that
/// does not expire.
fn lifetime(members: &Map<String, Value>) -> Option<u64> {
    let expires_in = members.get("expires_in")?;
    let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.parse().ok());
    seconds.filter(|seconds| *seconds > 0)
}
