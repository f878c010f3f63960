//! `POST /refresh`: refreshes a session, once for all concurrent callers.

use crate::error_code::ErrorCode;
use bff_core::cookie::purpose::Purpose;
use serde_json::Value;

use super::refresh_exchange::renew;
use crate::api::call::Call;
use crate::api::checks::{check_csrf, cookie_error, require_session};
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::clock;
use crate::jose::claims::claims_of_verified;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::session::identity::Session;
use crate::session::tokens::Tokens;
use crate::session::writer::{CsrfValue, SessionWriter};

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let settings = call.cookies.settings();
    let live = require_session(&call.cookies)?;
    check_csrf(call.headers, application.config.csrf_header(), settings, &live)?;
    let RequestSession {
        refresh_token,
        id_token,
        csrf,
        ..
    } = live;
    let csrf = csrf.map_err(|error| cookie_error(settings, Purpose::Csrf, &error))?;
    let content = refresh_token.map_err(|error| cookie_error(settings, Purpose::RefreshToken, &error))?;
    let id_token = id_token.ok();
    let id_token = id_token.and_then(|opened| String::from_utf8(opened.value.to_vec()).ok());

    let (session, started_at, scope) = (content.session, content.started_at, content.scope.clone());
    let renewed = renew(application, content, id_token.clone()).await.map_err(|code| {
        if code == ErrorCode::RefreshUnavailable {
            return ApiError::new(
                code,
                "Redis is unavailable, and another replica may have used the refresh token: the session stays as it is",
            );
        }
        match code == ErrorCode::SessionExpired {
            true => {
                let why =
                    "the authorization server no longer accepts the refresh token, or the session has ended meanwhile";
                ApiError::new(code, why).because(Reason::RefreshTokenRefused)
            }
            false => ApiError::new(
                code,
                "the token request failed or timed out: its own log line has the cause",
            ),
        }
    })?;

    let session = match (session, started_at) {
        (Some(id), Some(started_at)) => Session { id, started_at },
        _ => {
            let claims = id_token.as_deref().and_then(claims_of_verified).unwrap_or_default();
            let claim = |name: &str| claims.get(name).and_then(Value::as_str);
            let issuer = &application.config.authorization_server.issuer;
            Session::new(issuer, claim("sub"), claim("sid"), call.now)?
        }
    };
    let written = Tokens::from(&*renewed);
    let tokens = Tokens {
        // If the response has no scope, the old one stays.
        scope: written.scope.or(scope.as_deref()),
        id_token: written.id_token.or(id_token.as_deref()),
        ..written
    };
    let mut set_cookies = SetCookies::new(&call.cookies);
    SessionWriter::new(&mut set_cookies, session, application.lifetimes, clock::now()).write(
        &tokens,
        &CsrfValue::Kept(csrf),
        None,
    )?;
    Ok(Success::default().with_cookies(set_cookies.into_lines()))
}
