//! `POST /logout`: ends the session here and at the authorization server.

use std::sync::Arc;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::session::ended_sessions::Ended;
use serde_json::json;

use super::refresh_exchange::newest_tokens;
use crate::api::call::Call;
use crate::api::checks::{check_csrf, check_csrf_value, require_even_unproven, text};
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::application::Application;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::telemetry::logging::{AUDIT, session_name};
use crate::telemetry::metrics::LogoutParty;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let (url, set_cookies) = end_session(&call, Proof::Header).await?;
    Ok(Success::json(json!({ "url": url })).with_cookies(set_cookies))
}

/// Revokes the tokens of a session that has ended.
pub(in crate::api) async fn revoke(application: &Arc<Application>, session: &RequestSession) {
    let access_token = session.access_token.as_ref().ok().and_then(text);
    let content = session.refresh_token.as_ref().ok();
    let of_cookie = content.map(|content| content.refresh_token.clone());
    application.revoke(of_cookie, access_token.map(Into::into));
    if let Some(content) = content {
        let session = content.session.unwrap_or(SessionId::NONE);
        // Another tab may have refreshed after this browser sent its cookies.
        if let Some(newest) = newest_tokens(application, session, &content.refresh_token).await {
            application.revoke(Some(newest.refresh_token.clone()), Some(newest.access_token.clone()));
        }
    }
}

/// Where the request repeats the CSRF value.
pub(in crate::api) enum Proof<'a> {
    /// In the header, for a request of a page.
    Header,
    /// In a query parameter, for a navigation.
    Parameter(&'a [u8]),
}

/// Ends the session. Returns the URL for the browser, and the `Set-Cookie` lines.
pub(in crate::api) async fn end_session(call: &Call<'_>, proof: Proof<'_>) -> Result<(String, Vec<String>), ApiError> {
    let application = &call.worker.application;
    let client = &call.worker.client;
    let settings = call.cookies.settings();
    // A proof is not necessary: a logout only ends this session.
    let session = require_even_unproven(&call.cookies)?;
    match proof {
        Proof::Header => check_csrf(call.headers, application.config.csrf_header(), settings, &session)?,
        Proof::Parameter(value) => check_csrf_value(Some(value), settings, &session)?,
    };
    let id = session.id();
    // Any valid cookie of the session is sufficient: the state of the other cookies must not prevent a logout.
    let has_csrf_alone = session.refresh_token.is_err() && session.id_token.is_err() && session.access_token.is_err();
    if has_csrf_alone {
        let failure = ApiError::unauthorized("no other cookie of the CSRF value's session is valid");
        return Err(failure.because(Reason::CookiesMixed));
    }

    // First, so that a refresh in progress cannot continue the session.
    if let Some(session) = &id {
        application.end(Ended::session(session), call.now).await;
    }
    revoke(application, &session).await;
    let id_token = session
        .id_token
        .as_ref()
        .ok()
        .and_then(|opened| std::str::from_utf8(&opened.value).ok());
    let state = application.logout_states.make(call.now)?;
    // If the authorization server has no logout endpoint, or is down, the browser goes directly to the post-logout
    // redirect URI, or otherwise to the redirect URI.
    let settings = &application.config.client;
    let url = match client.end_session_url(id_token, &state).await {
        Some(url) => url,
        None => settings
            .post_logout_redirect_uri
            .as_ref()
            .unwrap_or(application.config.redirect_uri())
            .clone(),
    };

    let mut set_cookies = SetCookies::new(&call.cookies);
    set_cookies.clear_session();
    // A cookie without a value contains no login, and a browser that keeps such a cookie sends it again after each
    // attempt to clear it.
    for purpose in [Purpose::Login, Purpose::NavigationLogin] {
        if call.cookies.has_value(purpose) {
            set_cookies.clear_if_sent(purpose);
        }
    }
    let session = id.map_or_else(|| "of version 1".to_owned(), session_name);
    application.metrics.count_logout(LogoutParty::User);
    log::info!(target: AUDIT, event = "logout", session = session.as_str(); "logout: ended session {session}");
    Ok((url, set_cookies.into_lines()))
}
