//! The meaning of a response to a token exchange (RFC 8693, section 2.2).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error_response::error_response;
use crate::gateway::authentication::Authentication;
use crate::gateway::authorization_server::{ServerResponse, Step, media_type};
use crate::gateway::bearer;
use crate::gateway::cache_lifetime::exchanged_until;
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

/// Returns the meaning of a response at the time `now`, in seconds since 1970. The active token is the exchanged one.
pub fn classify(
    stage: &PhantomToken,
    exchange: &TokenExchange,
    subject: Subject<'_>,
    response: &ServerResponse,
    now: u64,
) -> TokenOutcome {
    let ServerResponse::Http {
        status,
        content_type,
        cache_control: _,
        body,
    } = response
    else {
        return TokenOutcome::Unusable("token exchange failed: the connection was reset or could not be established");
    };
    if *status != 200 {
        let is_introspected = subject.introspected.is_some();
        return error_response(stage, is_introspected, *status, body.as_deref(), now);
    }
    let Some(body) = body else {
        return TokenOutcome::Unusable("token exchange failed: the response is longer than 64 KiB");
    };
    if media_type(content_type) != b"application/json" {
        return TokenOutcome::Unusable("token exchange response: Content-Type is not application/json");
    }
    let Exchanged { info, expires_at } = match read(exchange, subject, body, now) {
        Ok(exchanged) => exchanged,
        Err(UnusableClaims(why)) => return TokenOutcome::Unusable(why),
    };
    if let Some(expiry) = [expires_at, info.expires_at].into_iter().flatten().min()
        && expiry <= now
    {
        let reason = InactiveReason::ExpiredHere {
            step: Step::Exchange,
            seconds: now.saturating_sub(expiry),
        };
        return TokenOutcome::inactive(stage, reason, now);
    }
    let introspected_until = subject.introspected.map(|(_, until)| until);
    TokenOutcome::Known {
        expires_at: exchanged_until(stage, expires_at, [info.expires_at, introspected_until], now),
        state: TokenState::Active(Arc::new(info)),
    }
}

/// A token for the API.
struct Exchanged {
    info: TokenInfo,
    /// When this token expires, in seconds since 1970, if that is known. The information has the expiry of the subject token,
    /// with which streams end.
    expires_at: Option<u64>,
}

/// Reads the body.
fn read(exchange: &TokenExchange, subject: Subject<'_>, body: &[u8], now: u64) -> Result<Exchanged, UnusableClaims> {
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
    let expires_in = lifetime(&members)?.map(|seconds| now.saturating_add(seconds));
    // The caller has the key of its own token, not that of the token that the gateway has obtained.
    claims.remove("cnf");
    set_scope(&mut claims, exchange, &members);
    let info = TokenInfo::of_claims(&claims, vec![bearer::header(token)])?;
    let expires_at = [exp, expires_in].into_iter().flatten().min();
    let is_introspected = subject.introspected.is_some();
    let subject = subject_info(subject)?;
    Ok(Exchanged {
        info: TokenInfo {
            binding: subject.binding,
            // Not that of the new token: some authorization servers write the lowest `acr` into it, and the time of
            // another sign-in.
            authentication: subject.authentication,
            // Without introspection the subject token is from a cookie, which has an expiry of its own.
            expires_at: subject.expires_at.or(expires_at.filter(|_| is_introspected)),
            ..info
        },
        expires_at,
    })
}

/// Checks that the token is one that the API may get. `issued_token_type` is required, but some authorization servers
/// omit it.
fn check_types(exchange: &TokenExchange, members: &Map<String, Value>) -> Result<(), UnusableClaims> {
    let token_type = members.get("token_type").and_then(Value::as_str).unwrap_or_default();
    // Of a token that is not an access token, `token_type` is `N_A` (RFC 8693, section 2.2.1).
    let is_jwt = exchange.requested_token_type == RequestedTokenType::Jwt && token_type.eq_ignore_ascii_case("n_a");
    if !token_type.eq_ignore_ascii_case("bearer") && !is_jwt {
        return Err(UnusableClaims("token exchange response: `token_type` is not Bearer"));
    }
    let issued = members.get("issued_token_type").filter(|issued| !issued.is_null());
    let is_usable = |issued: &Value| issued == ACCESS_TOKEN || issued == JWT;
    match issued.is_none_or(is_usable) {
        true => Ok(()),
        false => Err(UnusableClaims(
            "token exchange response: `issued_token_type` is the type of neither an access token nor a JWT: check `requested_token_type`",
        )),
    }
}

/// Sets the scope that the response says. If neither the response nor the token has one, it is the requested scope (RFC 8693,
/// section 2.2.1).
fn set_scope(claims: &mut Map<String, Value>, exchange: &TokenExchange, members: &Map<String, Value>) {
    if let Some(scope) = members.get("scope") {
        claims.remove("scp");
        claims.insert("scope".to_owned(), scope.clone());
    } else if !claims.contains_key("scope") && !claims.contains_key("scp") && !exchange.scopes.is_empty() {
        claims.insert("scope".to_owned(), exchange.scopes.join(" ").into());
    }
}

/// Returns what is known of the subject token: by introspection, and by its own claims if it is a JWT, which the authorization
/// server has validated.
fn subject_info(subject: Subject<'_>) -> Result<TokenInfo, UnusableClaims> {
    const MALFORMED: UnusableClaims =
        UnusableClaims("token exchange: `cnf` or `exp` of the subject token is malformed");
    let introspected = subject.introspected.map(|(info, _)| info.clone()).unwrap_or_default();
    let Some(claims) = jwt::access_token_claims(subject.token) else {
        return Ok(introspected);
    };
    let exp = jwt::expiry(&claims).map_err(|_| MALFORMED)?;
    let authentication = match introspected.authentication == Authentication::default() {
        true => Authentication::of(&claims),
        false => introspected.authentication.clone(),
    };
    Ok(TokenInfo {
        expires_at: [introspected.expires_at, exp].into_iter().flatten().min(),
        authentication,
        ..introspected.bound_as_well_by(&claims).map_err(|_| MALFORMED)?
    })
}

/// Returns `expires_in`, in seconds: a number, or a string of digits, as some authorization servers write it. Some
/// write 0 for a token that does not expire.
fn lifetime(members: &Map<String, Value>) -> Result<Option<u64>, UnusableClaims> {
    let Some(expires_in) = members.get("expires_in").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let seconds = match expires_in.as_str() {
        Some(digits) => digits.parse().ok(),
        None => jwt::whole_date(members, "expires_in").unwrap_or_default(),
    };
    let seconds = seconds.ok_or(UnusableClaims(
        "token exchange response: `expires_in` is not a number of seconds",
    ))?;
    Ok(Some(seconds).filter(|seconds| *seconds > 0))
}
