//! `POST /refresh`: refreshes a session, once for all concurrent callers.

use crate::error_code::ErrorCode;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use serde_json::Value;

use super::refresh_exchange::{completed, renew, session_over};
use crate::api::call::Call;
use crate::api::checks::{check_csrf, cookie_error, require, require_session, text, undecided};
use crate::api::error::ApiError;
use crate::api::success::Success;
use crate::clock;
use crate::jose::claims::claims_of_verified;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::session::device_binding::REGISTRATION_SECONDS;
use crate::session::device_binding::decisions::BindingDecision;
use crate::session::device_binding::standing::Standing;
use crate::session::identity::Session;
use crate::session::tokens::Tokens;
use crate::session::writer::{CsrfValue, SessionWriter};
use crate::telemetry::metrics::SessionBinding;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let settings = call.cookies.settings();
    let (live, standing) = require_session(&call).await?;
    check_csrf(call.headers, application.config.csrf_header(), settings, &live)?;
    let Standing::Live(binding) = confirm(&call, &live, standing).await? else {
        // The browser gets its cookies with another response: that to the registration, which also refreshes the
        // session, or that to the sign-in that has replaced the session.
        return Ok(Success::default());
    };
    let key = match binding {
        Binding::Bound => Some(require(settings, Purpose::DeviceKey, &live.key)?.clone()),
        Binding::Provisional | Binding::Unbound => None,
    };
    let RequestSession {
        refresh_token,
        id_token,
        csrf,
        began_at,
        ..
    } = live;
    let csrf = csrf.map_err(|error| cookie_error(settings, Purpose::Csrf, &error))?;
    let content = refresh_token.map_err(|error| cookie_error(settings, Purpose::RefreshToken, &error))?;
    let id_token = id_token.ok().as_ref().and_then(text);

    let (session, started_at, scope) = (content.session, content.started_at, content.scope.clone());
    let renewed = renew(application, content, id_token.clone()).await.map_err(|code| {
        if code == ErrorCode::RefreshUnavailable {
            return ApiError::new(
                code,
                "Redis is, or was a moment ago, unavailable, and another replica may have used the refresh token: the \
                 session stays as it is",
            );
        }
        match code == ErrorCode::SessionExpired {
            true => session_over(),
            false => ApiError::new(
                code,
                "the token request failed or timed out: its own log line has the cause",
            ),
        }
    })?;

    if let (Some(id), Binding::Provisional) = (session, binding) {
        // The session may have been bound during the refresh: the browser then gets the cookies of the bound session
        // with another response. If Redis is unavailable now, the provisional cookies may replace those in the browser.
        // The service then requires the proof with them, from `GRACE_SECONDS` after the registration on.
        let decision = application.binding_decisions.of(&id, began_at, clock::now()).await;
        if let Ok(Some(BindingDecision::Bound { .. } | BindingDecision::Replaced { .. })) = decision {
            return Ok(Success::default());
        }
    }
    let session = match (session, started_at) {
        (Some(id), Some(started_at)) => Session {
            id,
            started_at,
            binding,
        },
        _ => {
            let claims = id_token.as_deref().and_then(claims_of_verified).unwrap_or_default();
            let claim = |name: &str| claims.get(name).and_then(Value::as_str);
            let issuer = &application.config.authorization_server.issuer;
            Session::new(issuer, claim("sub"), claim("sid"), call.now)?
        }
    };
    // If the response has no scope or no ID token, the earlier one stays.
    let tokens = completed(Tokens::from(&*renewed), scope.as_deref(), id_token.as_deref());
    let mut set_cookies = SetCookies::new(&call.cookies);
    let mut writer = SessionWriter::new(&mut set_cookies, session, application.lifetimes, clock::now());
    writer.write(&tokens, &CsrfValue::Kept(csrf), None)?;
    if let Some(key) = key {
        writer.write_key(&key)?;
    }
    Ok(Success::default().with_cookies(set_cookies.into_lines()))
}

/// If the time for a registration has passed, a refresh decides that the session is unbound.
async fn confirm(call: &Call<'_>, session: &RequestSession, standing: Standing) -> Result<Standing, ApiError> {
    let content = session.refresh_token.as_ref().ok();
    let registration_ends_at = content
        .and_then(|content| content.started_at)
        .map(|began_at| began_at.saturating_add(REGISTRATION_SECONDS));
    let id = match (session.id(), standing) {
        (Some(id), Standing::Live(Binding::Provisional)) if registration_ends_at.is_some_and(|at| call.now >= at) => id,
        _ => return Ok(standing),
    };
    let application = &call.worker.application;
    let decisions = &application.binding_decisions;
    let earlier = decisions.decide(&id, &BindingDecision::Unbound, call.now).await;
    Ok(match earlier.map_err(undecided)? {
        Some(BindingDecision::Bound { .. } | BindingDecision::Replaced { .. }) => Standing::Superseded,
        Some(BindingDecision::Unbound) => Standing::Live(Binding::Unbound),
        None => {
            application.metrics.count_session_binding(SessionBinding::Unbound);
            Standing::Live(Binding::Unbound)
        }
    })
}
