//! `POST /dbsc/refresh`: the browser gets a new proof for a signature with the device's key (W3C Device Bound Session
//! Credentials, section 8.8). HTTP 403 asks for a signature, and HTTP 401 makes the browser forget the binding.

use actix_web::http::header::{HeaderMap, HeaderName};
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::SessionId;
use bff_core::request::values::Values;
use serde_json::{Map, Value};

use crate::api::call::Call;
use crate::api::checks::{require, require_even_unproven};
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::clock;
use crate::error_code::ErrorCode;
use crate::jose::claims;
use crate::session::cookies::response::SetCookies;
use crate::session::device_binding::CHALLENGE_EXTRA_SECONDS;
use crate::session::device_binding::challenge::ChallengeUse;
use crate::session::device_binding::instructions::{challenge_for, instructions};
use crate::session::writer::SessionWriter;
use crate::telemetry::metrics::DeviceProof;

const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const IDENTIFIER: HeaderName = HeaderName::from_static("sec-secure-session-id");
const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

/// The JWT that the device has signed, if the request has one.
pub(super) fn device_token(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    string(headers, RESPONSE)
}

/// The value of a header that is a string of RFC 9651, section 3.3.3, or a token of section 3.3.4, as in earlier
/// drafts.
fn string(headers: &HeaderMap, name: HeaderName) -> Result<Option<String>, ApiError> {
    let line = match Values::of(headers.get_all(&name)) {
        Values::Absent => return Ok(None),
        Values::Single(line) => line.to_str().ok(),
        Values::Repeated => None,
    };
    let value = line
        .ok_or_else(|| refused(format!("repeated or malformed `{name}`")))?
        .trim();
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(value).to_owned()))
}

/// The challenge that a device has signed: the `jti` of the JWT.
pub(super) fn challenge_of(claims: &Map<String, Value>) -> Option<&str> {
    claims::string(claims, "jti").ok()
}

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let proven = prove(&call).await;
    application.metrics.count_device_proof(match &proven {
        Ok(_) => DeviceProof::Proven,
        Err(failure) if failure.error_code() == ErrorCode::DeviceChallenge => DeviceProof::Challenged,
        Err(failure) if failure.error_code().status() >= 500 => DeviceProof::Failed,
        Err(_) => DeviceProof::Refused,
    });
    proven
}

async fn prove(call: &Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let settings = call.cookies.settings();
    let identifier = string(call.headers, IDENTIFIER)?.ok_or_else(|| refused(format!("missing `{IDENTIFIER}`")))?;
    let session = require_even_unproven(&call.cookies).map_err(|failure| match failure.has_mixed_cookies() {
        true => defer(&failure),
        false => defer_unknown_key(call, failure),
    })?;
    let id = session.id().ok_or_else(|| refused("the session is not bound"))?;
    // If the key is that of another session, the error stays HTTP 401: the browser must forget that key.
    let key = require(settings, Purpose::DeviceKey, &session.key);
    let key = key.map_err(|failure| defer_unknown_key(call, failure))?;
    if key.identifier != identifier {
        return Err(refused("the session identifier is that of another session"));
    }
    let Some(token) = device_token(call.headers)? else {
        return Err(challenge(call, id, &identifier, "the browser asks for a challenge")?);
    };
    let claims = key.key().and_then(|key| key.verify(&token));
    let claims = claims.map_err(|error| refused(error.to_string()))?;
    // The device has the key. Its challenge may be invalid because a response was lost, because there are two tabs, or
    // because the browser is slow: none of these must end the session.
    let signed = challenge_of(&claims).filter(|challenge| {
        application
            .challenges
            .is_valid(ChallengeUse::Proof, challenge, id, call.now)
    });
    let Some(signed) = signed else {
        return Err(challenge(
            call,
            id,
            &identifier,
            "the signed challenge is unknown or has expired",
        )?);
    };
    if !application.used_challenges.mark_used(signed, call.now).await {
        return Err(challenge(
            call,
            id,
            &identifier,
            "the signed challenge was used before",
        )?);
    }
    let mut set_cookies = SetCookies::new(&call.cookies);
    let identity = session.identity(Binding::Bound, call.now);
    SessionWriter::new(&mut set_cookies, identity, application.lifetimes, clock::now())
        .write_proof(application.config.session.device_proof_seconds)?;
    Ok(Success::json(instructions(
        &application.config,
        settings,
        call.cookies.place().host,
        &identifier,
    ))
    .with_cookies(set_cookies.into_lines())
    .with_header(Some(next_challenge(call, id, &identifier)?)))
}

/// If the cookies are invalid now, but may be valid later, the error is HTTP 503: after HTTP 401 the browser would
/// forget the binding. Another replica may have loaded a new key of the ring earlier, and for a short time the browser
/// may have cookies of two sessions.
fn defer(failure: &ApiError) -> ApiError {
    let reason = match failure.has_mixed_cookies() {
        true => Reason::CookiesMixed,
        false => Reason::CookieUnreadable,
    };
    ApiError::new(ErrorCode::RefreshUnavailable, failure.why().to_owned()).because(reason)
}

/// If the error is about cookies, but not about cookies of different sessions, and a cookie names a key that is not in the
/// ring, the error is that of [`defer`]. Otherwise, as for an ended session, the error stays as it is.
fn defer_unknown_key(call: &Call<'_>, failure: ApiError) -> ApiError {
    let is_about_cookies = failure.error_code() == ErrorCode::UnauthorizedRequest;
    match is_about_cookies && !failure.has_mixed_cookies() && call.cookies.has_unknown_key() {
        true => defer(&failure),
        false => failure,
    }
}

/// The response that asks for a signature.
fn challenge(call: &Call<'_>, id: SessionId, identifier: &str, why: &'static str) -> Result<ApiError, ApiError> {
    let (name, value) = next_challenge(call, id, identifier)?;
    Ok(ApiError::new(ErrorCode::DeviceChallenge, why).with_header(name, value))
}

fn next_challenge(call: &Call<'_>, id: SessionId, identifier: &str) -> Result<(HeaderName, String), ApiError> {
    let application = &call.worker.application;
    let lifetime = application
        .config
        .session
        .device_proof_seconds
        .saturating_add(CHALLENGE_EXTRA_SECONDS);
    let expires_at = call.now.saturating_add(lifetime);
    let challenge = application
        .challenges
        .make(ChallengeUse::Proof, id, call.now, expires_at)?;
    Ok((CHALLENGE, challenge_for(identifier, &challenge)))
}

pub(super) fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::unauthorized(why).because(Reason::DeviceKey)
}
