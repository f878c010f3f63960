//! `POST /logout`: ends the session, or all sessions of its user, and returns the URL to which the browser goes: that of
//! the logout at the authorization server, or that of a page.

use std::sync::Arc;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::session::ended_sessions;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::refresh_exchange::newest_tokens;
use crate::api::body;
use crate::api::call::Call;
use crate::api::checks::{check_csrf, check_csrf_value, check_fresh_proof, require_even_unproven, text};
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::application::Application;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::telemetry::logging::{AUDIT, session_name};
use crate::telemetry::metrics::LogoutParty;

/// The body. An unknown member is an error: whoever misspells `everywhere` must not end one session only.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logout {
    #[serde(default)]
    everywhere: bool,
}

/// What a logout everywhere could not do: a value in `notDone` of the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(in crate::api) enum NotDone {
    /// The user is unknown, as in a session of version 1: no other session has ended.
    #[serde(rename = "other_sessions")]
    Sessions,
    /// The tokens of the other sessions are not revoked at the authorization server. They are in the cookies of these
    /// sessions, which the service no longer accepts.
    #[serde(rename = "other_tokens")]
    Tokens,
    /// The authorization server's own sessions in other browsers continue: a sign-in there may need no password.
    #[serde(rename = "other_browsers")]
    Browsers,
    /// The other replicas, if there are any, do not know of the logout: Redis is unavailable, or not configured.
    #[serde(rename = "other_replicas")]
    Replicas,
}

impl NotDone {
    /// Every value.
    pub(in crate::api) const ALL: [NotDone; 4] =
        [NotDone::Sessions, NotDone::Tokens, NotDone::Browsers, NotDone::Replicas];
}

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let Logout { everywhere } = match call.body.is_empty() {
        true => Logout::default(),
        false => body::parse(&call.body)?,
    };
    let extent = match everywhere {
        true => Extent::Everywhere,
        false => Extent::Session,
    };
    let Ended {
        url,
        set_cookies,
        not_done,
    } = end(&call, Proof::Header, extent).await?;
    let mut response = json!({ "url": url });
    if let Some(not_done) = not_done {
        response["notDone"] = json!(not_done);
    }
    Ok(Success::json(response).with_cookies(set_cookies))
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

/// What a logout ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Extent {
    /// The session of the request.
    Session,
    /// All sessions of the user.
    Everywhere,
}

/// What a logout returns.
pub(in crate::api) struct Ended {
    /// The URL to which the browser goes.
    pub(in crate::api) url: String,
    /// The `Set-Cookie` lines.
    pub(in crate::api) set_cookies: Vec<String>,
    /// What a logout everywhere could not do; `None` for any other logout.
    pub(in crate::api) not_done: Option<Vec<NotDone>>,
}

/// Ends the session, or all sessions of its user.
pub(in crate::api) async fn end(call: &Call<'_>, proof: Proof<'_>, extent: Extent) -> Result<Ended, ApiError> {
    let application = &call.worker.application;
    let client = &call.worker.client;
    let settings = call.cookies.settings();
    // Without `everywhere`, a proof is not necessary: such a logout only ends this session.
    let session = require_even_unproven(&call.cookies)?;
    match proof {
        Proof::Header => check_csrf(call.headers, application.config.csrf_header(), settings, &session)?,
        Proof::Parameter(value) => check_csrf_value(Some(value), settings, &session)?,
    };
    let id = session.id();
    // Beside the CSRF cookie, any valid one of these is sufficient: the state of the others must not prevent a logout.
    let has_csrf_alone = session.refresh_token.is_err() && session.id_token.is_err() && session.access_token.is_err();
    if has_csrf_alone {
        let failure = ApiError::unauthorized("no other cookie of the CSRF value's session is valid");
        return Err(failure.because(Reason::CookiesMixed));
    }
    let user = match extent {
        Extent::Session => None,
        Extent::Everywhere => {
            check_fresh_proof(call, &session).await?;
            session.user().map(ended_sessions::Ended::User)
        }
    };

    // First, so that a refresh in progress cannot continue the session, or another one of the user.
    let mut all_know = true;
    for ended in id.as_ref().map(ended_sessions::Ended::session).into_iter().chain(user) {
        all_know &= application.end(ended, call.now).await;
    }
    let not_done = (extent == Extent::Everywhere).then(|| {
        let is_done = |not_done: &NotDone| match not_done {
            NotDone::Sessions => user.is_some(),
            NotDone::Tokens | NotDone::Browsers => false,
            NotDone::Replicas => all_know,
        };
        NotDone::ALL.into_iter().filter(|not_done| !is_done(not_done)).collect()
    });
    revoke(application, &session).await;
    let id_token = session
        .id_token
        .as_ref()
        .ok()
        .and_then(|opened| std::str::from_utf8(&opened.value).ok());
    let state = application.logout_states.make(call.now)?;
    // If the authorization server has no `end_session_endpoint`, or its metadata cannot be loaded, the browser goes
    // directly to the post-logout redirect URI, or otherwise to the redirect URI.
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
    record(application, id, user);
    Ok(Ended {
        url,
        set_cookies: set_cookies.into_lines(),
        not_done,
    })
}

/// Counts the logout, and writes the audit line.
fn record(application: &Application, id: Option<SessionId>, user: Option<ended_sessions::Ended>) {
    let session = id.map_or_else(|| "of version 1".to_owned(), session_name);
    let Some(user) = user.map(ended_sessions::Ended::to_text) else {
        application.metrics.count_logout(LogoutParty::User);
        log::info!(target: AUDIT, event = "logout", session = session.as_str(); "logout: ended session {session}");
        return;
    };
    application.metrics.count_logout(LogoutParty::UserEverywhere);
    log::info!(
        target: AUDIT,
        event = "logout_everywhere",
        session = session.as_str(),
        ended = user.as_str();
        "logout everywhere: ended session {session} and all others of its user: {user} in the list of ended sessions"
    );
}
