//! `POST /logout`: ends the session here and at the authorization server.

use bff_core::seal::{Opened, Purpose};
use serde_json::json;

use super::errors::Failure;
use super::request_checks::check_csrf;
use super::{Answer, Call};
use crate::logging::{AUDIT, session_name};
use crate::random;
use crate::session::live::csrf_fits;
use crate::session::set_cookies::SetCookies;
use crate::session::tokens::RefreshContent;

pub(super) async fn handle(call: Call<'_>) -> Result<Answer, Failure> {
    let service = &call.worker.service;
    let client = &call.worker.client;
    let csrf = check_csrf(call.headers, &service.csrf_header, &call.cookies)?;
    // Any cookie of the session will do: somebody who wants to leave is not held up by the state of the others.
    let of_session = |purpose| cookie_of_session(&call, purpose, &csrf);
    let refresh_token = of_session(Purpose::RefreshToken).and_then(|opened| RefreshContent::parse(&opened));
    let id_token = of_session(Purpose::IdToken);
    if refresh_token.is_none() && id_token.is_none() && of_session(Purpose::AccessToken).is_none() {
        return Err(Failure::unauthorized("no cookie of the CSRF value's session opens"));
    }

    // A refresh that is under way, or was just now, must not bring back what is ended here.
    if let Some(session) = csrf.session {
        service.refreshes.end_session(session).await;
    }
    if let Some(content) = &refresh_token {
        client.revoke(&content.refresh_token).await;
    }
    let id_token = id_token
        .as_ref()
        .and_then(|opened| std::str::from_utf8(&opened.value).ok());
    let state = random::token()?;
    // Where the authorization server has no logout, or is down, the browser goes straight to where it would come back.
    let settings = &service.config.client;
    let url = match client.end_session_url(id_token, &state).await {
        Some(url) => url,
        None => settings
            .post_logout_redirect_uri
            .as_ref()
            .unwrap_or(&settings.redirect_uri)
            .clone(),
    };

    let mut set_cookies = SetCookies::new(&call.cookies);
    set_cookies.clear_session();
    set_cookies.clear_if_sent(Purpose::Login);
    let session = csrf.session.map_or_else(|| "of version 1".to_owned(), session_name);
    log::info!(target: AUDIT, "logout: session {session}");
    Ok(Answer {
        body: Some(json!({ "url": url })),
        set_cookies: set_cookies.into_lines(),
    })
}

fn cookie_of_session(call: &Call<'_>, purpose: Purpose, csrf: &Opened) -> Option<Opened> {
    call.cookies
        .open(purpose)
        .ok()
        .filter(|opened| csrf_fits(csrf.session, opened.session))
}
