//! The meaning of an introspection response (RFC 7662, section 2.2), in each form that authorization servers use.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error_response::error_response;
use crate::gateway::authorization_server::{ServerResponse, Step, media_type};
use crate::gateway::bearer;
use crate::gateway::cache_lifetime::introspected_until;
use crate::gateway::claim_to_headers::headers_of_claims;
use crate::gateway::config::{ClaimToHeader, PhantomToken, ResponseFormat};
use crate::gateway::token_info::{TokenInfo, UnusableClaims};
use crate::gateway::token_state::{InactiveReason, TokenOutcome, TokenState};
use crate::jwt;

/// Returns the meaning of a response about a token at the time `now`, in seconds since 1970.
pub fn classify(stage: &PhantomToken, token: &[u8], response: &ServerResponse, now: u64) -> TokenOutcome {
    let ServerResponse::Http {
        status,
        content_type,
        cache_control,
        body,
    } = response
    else {
        return TokenOutcome::Unusable("introspection failed: the connection was reset or could not be established");
    };
    let inactive = |reason| TokenOutcome::inactive(stage, reason, now);
    match status {
        200 => {}
        204 => return inactive(InactiveReason::NotActive),
        _ => return error_response(stage, *status, body.as_deref(), now),
    }
    let Some(body) = body else {
        return TokenOutcome::Unusable("introspection failed: the response is longer than 64 KiB");
    };
    let info = match read(stage, token, &media_type(content_type), body, now) {
        Ok(Some(info)) => info,
        Ok(None) => return inactive(InactiveReason::NotActive),
        Err(UnusableClaims(why)) => return TokenOutcome::Unusable(why),
    };
    if let Some(expiry) = info.expires_at
        && expiry <= now
    {
        let seconds = now.saturating_sub(expiry);
        return inactive(InactiveReason::ExpiredHere {
            step: Step::Introspection,
            seconds,
        });
    }
    TokenOutcome::Known {
        expires_at: introspected_until(stage, info.expires_at, cache_control, now),
        state: TokenState::Active(Arc::new(info)),
    }
}

/// Reads the body. `None`: the token is inactive.
fn read(
    stage: &PhantomToken,
    token: &[u8],
    media_type: &[u8],
    body: &[u8],
    now: u64,
) -> Result<Option<TokenInfo>, UnusableClaims> {
    match (&stage.response, media_type) {
        (ResponseFormat::Jwt, b"application/jwt") => {
            let token = body.trim_ascii();
            let claims = jwt::access_token_claims(token).ok_or(NO_JWT)?;
            Ok(Some(TokenInfo {
                expires_at: expiry(&claims)?,
                ..TokenInfo::of_claims(&claims, vec![bearer::header(token)])?
            }))
        }
        (ResponseFormat::Jwt, b"application/json") => {
            let members = object(body)?;
            let forwarded = ["jwt", "phantom_token"]
                .iter()
                .find_map(|name| members.get(*name).filter(|value| !value.is_null()));
            // Responses for the phantom token pattern may omit `active`.
            match members.get("active") {
                None if forwarded.is_some() => {}
                _ if !is_active(&members)? => return Ok(None),
                _ => {}
            }
            match forwarded {
                Some(Value::String(forwarded)) => of_forwarded_jwt(forwarded.as_bytes(), &members).map(Some),
                Some(_) => Err(NO_JWT),
                None => of_active_jwt(token, &members).map(Some),
            }
        }
        (ResponseFormat::Jwt, _) => Err(UnusableClaims(
            "introspection response: Content-Type is neither application/jwt nor application/json: check `response`",
        )),
        (ResponseFormat::Claims(headers), b"application/json") => of_members(&object(body)?, headers),
        (ResponseFormat::Claims(_), _) => Err(UnusableClaims(
            "introspection response: Content-Type is not application/json: check `response`",
        )),
        (ResponseFormat::Rfc9701 { issuer, headers }, b"application/token-introspection+jwt") => {
            let claims = jwt::introspection_claims(body.trim_ascii()).ok_or(UnusableClaims(
                "introspection response: not a signed introspection response (RFC 9701)",
            ))?;
            if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
                return Err(UnusableClaims(
                    "introspection response: `iss` is not the configured `issuer`: check `issuer`",
                ));
            }
            if !jwt::audiences(&claims).is_some_and(|audiences| audiences.contains(&stage.client_id.as_str())) {
                return Err(UnusableClaims("introspection response: `aud` is another client"));
            }
            if expiry(&claims)?.is_some_and(|expiry| expiry <= now) {
                return Err(UnusableClaims(
                    "introspection response: expired by this clock: compare the clocks",
                ));
            }
            match claims.get("token_introspection") {
                Some(Value::Object(members)) => of_members(members, headers),
                _ => Err(UnusableClaims("introspection response: missing `token_introspection`")),
            }
        }
        (ResponseFormat::Rfc9701 { .. }, _) => Err(UnusableClaims(
            "introspection response: Content-Type is not application/token-introspection+jwt: check `response`",
        )),
    }
}

const NO_JWT: UnusableClaims = UnusableClaims("introspection response: no JWT that can be forwarded");

/// Reads a JWT for the API from a response with these members. What the response says about the user's authentication takes
/// precedence over the JWT.
fn of_forwarded_jwt(forwarded: &[u8], members: &Map<String, Value>) -> Result<TokenInfo, UnusableClaims> {
    let mut claims = jwt::access_token_claims(forwarded).ok_or(NO_JWT)?;
    replace(&mut claims, members, &[&["acr"], &["auth_time"]]);
    of_jwt(forwarded, &claims, members)
}

/// Reads a response that calls a token active and contains no JWT. If the token is a JWT itself, the API receives the
/// token. Scopes, audience and authentication of the response take precedence over the token's, because the
/// authorization server may have reduced them since it issued the token.
fn of_active_jwt(token: &[u8], members: &Map<String, Value>) -> Result<TokenInfo, UnusableClaims> {
    const NOTHING: UnusableClaims =
        UnusableClaims("introspection response: neither `jwt` nor `phantom_token`, and the token itself is not a JWT");
    let mut claims = jwt::access_token_claims(token).ok_or(NOTHING)?;
    replace(
        &mut claims,
        members,
        &[&["scope", "scp"], &["aud"], &["acr"], &["auth_time"]],
    );
    of_jwt(token, &claims, members)
}

/// Replaces claims by members of the response. Of those that mean the same, all are replaced if the response has one.
fn replace(claims: &mut Map<String, Value>, members: &Map<String, Value>, groups: &[&[&str]]) {
    for names in groups {
        if names.iter().any(|name| members.contains_key(*name)) {
            for name in *names {
                claims.remove(*name);
                claims.extend(
                    members
                        .get_key_value(*name)
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
            }
        }
    }
}

/// Makes the information about a JWT that the API receives: the earlier `exp` counts, and a `cnf` in either binds it.
fn of_jwt(jwt: &[u8], claims: &Map<String, Value>, members: &Map<String, Value>) -> Result<TokenInfo, UnusableClaims> {
    Ok(TokenInfo {
        expires_at: [expiry(claims)?, expiry(members)?].into_iter().flatten().min(),
        ..TokenInfo::of_claims(claims, vec![bearer::header(jwt)])?.bound_as_well_by(members)?
    })
}

/// Whether the token is active: any value but `true` means inactive (RFC 7662, section 2.2).
fn is_active(members: &Map<String, Value>) -> Result<bool, UnusableClaims> {
    match members.get("active") {
        Some(active) => Ok(*active == Value::Bool(true)),
        None => Err(UnusableClaims("introspection response: missing `active`")),
    }
}

/// Reads a response that consists of claims.
fn of_members(members: &Map<String, Value>, headers: &[ClaimToHeader]) -> Result<Option<TokenInfo>, UnusableClaims> {
    if !is_active(members)? {
        return Ok(None);
    }
    Ok(Some(TokenInfo {
        expires_at: expiry(members)?,
        ..TokenInfo::of_claims(members, headers_of_claims(members, headers)?)?
    }))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, UnusableClaims> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(UnusableClaims("introspection response: not a JSON object")),
    }
}

fn expiry(claims: &Map<String, Value>) -> Result<Option<u64>, UnusableClaims> {
    jwt::expiry(claims).map_err(|_| UnusableClaims("introspection response: `exp` is not a number"))
}
