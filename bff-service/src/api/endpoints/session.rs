//! `GET /session`: everything that a page needs when it loads, in one call.

use actix_web::http::header::HeaderName;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Opened;
use serde_json::{Value, json};

use super::claims::claims_of;
use crate::api::call::Call;
use crate::api::checks::{cookie_error, standing, unproven};
use crate::api::error::ApiError;
use crate::api::success::Success;
use crate::error_code::ErrorCode;
use crate::random;
use crate::session::cookies::request::CookieError;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::session::device_binding::standing::Standing;
use crate::session::writer::SessionWriter;

/// The header with which a browser says that it sends a request without a proof, and why (W3C Device Bound Session
/// Credentials, section 9.5).
const SKIPPED: HeaderName = HeaderName::from_static("secure-session-skipped");

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let call = &call;
    let mut set_cookies = SetCookies::new(&call.cookies);
    let Some((session, standing)) = signed_in(call, &mut set_cookies).await? else {
        return Ok(Success::json(json!({ "isLoggedIn": false })).with_cookies(set_cookies.into_lines()));
    };
    let seconds_left = |token: &Opened| seconds_until(call, token.expires_at);
    let claims = session.id_token.as_ref().ok().map(claims_of).transpose()?;
    let expires_in = session.access_token.as_ref().map_or(0, seconds_left);
    let (csrf, set_cookies) = csrf_value(call, &session, standing)?;
    let mut body = ends(call, session.ends_at(), session.idle_ends_at);
    body["isLoggedIn"] = json!(true);
    body["csrf"] = json!(csrf);
    body["accessTokenExpiresIn"] = json!(expires_in);
    body["claims"] = claims.map_or(Value::Null, Value::Object);
    Ok(Success::json(body).with_cookies(set_cookies))
}

/// The members of a response that say when the session ends: at `ends_at` whatever its user does, and at `idle_ends_at`
/// if its user is not active (both in seconds since 1970).
pub(in crate::api) fn ends(call: &Call<'_>, ends_at: u64, idle_ends_at: Option<u64>) -> Value {
    let idle_time = call.worker.application.lifetimes.idle;
    // An idle time that is no longer configured holds until the user is active again.
    let idle_ends_at = idle_ends_at.filter(|at| idle_time.is_some() || *at < ends_at);
    json!({
        "sessionExpiresIn": seconds_until(call, ends_at),
        "idleExpiresIn": idle_ends_at.map(|at| seconds_until(call, at)),
        "idleTimeout": idle_time,
    })
}

/// The time from the request to `at` (seconds since 1970), in seconds.
fn seconds_until(call: &Call<'_>, at: u64) -> u64 {
    at.saturating_sub(call.now)
}

/// The session in which the user is signed in, if any, and the standing of the request. If only a valid proof is
/// missing, clears the device binding cookie, so that the browser gets another proof before its next request.
pub(in crate::api) async fn signed_in(
    call: &Call<'_>,
    set_cookies: &mut SetCookies<'_, '_>,
) -> Result<Option<(RequestSession, Standing)>, ApiError> {
    match RequestSession::of(&call.cookies) {
        Ok(session) if session.is_signed_in() => match standing(call, &session).await {
            Ok(Some(standing)) => return Ok(Some((session, standing))),
            // The browser says that it could not get a proof now. It may get one later.
            Ok(None) if has_skipped(call, &session) => {
                return Err(unproven(call, &session, ErrorCode::RefreshUnavailable));
            }
            Ok(None) => {
                set_cookies.clear_if_sent(Purpose::DeviceBinding);
                log::debug!("no session: it is bound to a device or was replaced, and the request has no valid proof");
            }
            Err(failure) if failure.error_code() == ErrorCode::SessionExpired => {
                log::debug!("no session: {}", failure.why());
            }
            Err(failure) => return Err(failure),
        },
        Ok(_) => log::debug!("no session: missing refresh token and access token"),
        Err(why) => log::debug!("no session: {why}"),
    }
    Ok(None)
}

/// Whether the browser says that it has skipped the proof of this session.
fn has_skipped(call: &Call<'_>, session: &RequestSession) -> bool {
    let Ok(key) = &session.key else { return false };
    let lines = call.headers.get_all(SKIPPED).filter_map(|line| line.to_str().ok());
    lines.into_iter().any(|line| line.contains(&key.identifier))
}

/// The CSRF value of the session. If the request has no CSRF cookie of this session, the access token cookie identifies
/// the session, and a new CSRF cookie is returned as well. If the response may set no cookies, returns an error instead.
pub(in crate::api) fn csrf_value(
    call: &Call<'_>,
    session: &RequestSession,
    standing: Standing,
) -> Result<(String, Vec<String>), ApiError> {
    if let Ok(csrf) = &session.csrf {
        return Ok((String::from_utf8_lossy(&csrf.value).into_owned(), Vec::new()));
    }
    let Standing::Live(binding) = standing else {
        let error = session.csrf.as_ref().err().unwrap_or(&CookieError::Missing);
        return Err(cookie_error(call.cookies.settings(), Purpose::Csrf, error));
    };
    let value = random::token()?;
    let mut set_cookies = SetCookies::new(&call.cookies);
    let lifetimes = call.worker.application.lifetimes;
    SessionWriter::new(
        &mut set_cookies,
        session.identity(binding, call.now),
        lifetimes,
        call.now,
    )
    .write_csrf(value.as_bytes(), session.idle_ends_at)?;
    Ok((value, set_cookies.into_lines()))
}
