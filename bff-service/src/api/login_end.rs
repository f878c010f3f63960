//! `POST /login/end`: finishes a login, or tells a page that is merely loading whether somebody is signed in.

use bff_core::reply::Refusal;
use bff_core::seal::Purpose;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::claims::claims_of;
use super::errors::{Failure, Reason};
use super::page_url::{AuthorizationResponse, AuthorizationResult, PageUrl};
use super::request_checks::cookie_failure;
use super::session::{csrf_value, signed_in};
use super::{Call, body};
use crate::logging::{AUDIT, session_name, subject};
use crate::oauth::TokenSet;
use crate::random;
use crate::session::live::LiveSession;
use crate::session::pending_logins::{Finish, PendingLogin, PendingLogins};
use crate::session::request_cookies::CookieFault;
use crate::session::set_cookies::SetCookies;
use crate::session::tokens::{Session, SessionWriter, Tokens, write_logins};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginEnd {
    page_url: String,
}

pub(super) async fn handle(call: Call<'_>) -> Result<Answer, Failure> {
    let LoginEnd { page_url } = body::parse(&call.body)?;
    match PageUrl::parse(&page_url, call.worker.application.config.client.response_mode)? {
        PageUrl::Ordinary(state) => page_load(&call, state.as_deref()),
        response => {
            let session = finish(&call, response, Finish::ByPage).await?.outcome?;
            let body = json!({"handled": true, "isLoggedIn": true, "csrf": String::from_utf8_lossy(&session.csrf)});
            Ok(Answer::json(body).with_cookies(session.set_cookies))
        }
    }
}

/// `handled` tells the page that its URL holds something to be removed: the `state` of our own logout request, with which
/// the browser comes back from signing out. Any other `state` is the page's own matter.
fn page_load(call: &Call<'_>, state: Option<&str>) -> Result<Answer, Failure> {
    let states = &call.worker.application.logout_states;
    let handled = state.is_some_and(|state| states.recognise(state, call.now));
    match signed_in(call) {
        Some(session) => {
            let (csrf, set_cookies) = csrf_value(call, &session)?;
            Ok(Answer::json(json!({"handled": handled, "isLoggedIn": true, "csrf": csrf})).with_cookies(set_cookies))
        }
        None => Ok(Answer::json(json!({"handled": handled, "isLoggedIn": false}))),
    }
}

/// A login whose state has matched.
pub(super) struct Finished {
    /// Where the browser wanted to be, in the navigation variant.
    pub(super) return_to: Option<String>,
    /// What came of it.
    pub(super) outcome: Result<NewSession, Failure>,
}

/// A session that has begun.
pub(super) struct NewSession {
    /// Its CSRF value.
    pub(super) csrf: Zeroizing<Vec<u8>>,
    /// Its cookies.
    pub(super) set_cookies: Vec<String>,
}

/// Finishes the login that this authorization response belongs to. An error means that it belongs to none.
pub(super) async fn finish(call: &Call<'_>, response: PageUrl, by: Finish) -> Result<Finished, Failure> {
    let mut logins = pending_logins(call, by)?;
    let response = match response {
        PageUrl::Response(response) => response,
        PageUrl::Signed(jwt) => AuthorizationResponse::of_verified(&call.worker.client.open_response(&jwt).await?)?,
        PageUrl::Ordinary(_) => return Err(Failure::invalid("there is no authorization response")),
    };
    // Before the state has matched, nothing in the URL is believed: anybody can make a link with an error in it.
    let application = &call.worker.application;
    let begun_here = application.begun_for(application.redirect_uri(by == Finish::ByNavigation));
    let login = logins
        .take(&response.state)
        // The code was issued by one issuer, to one client, for one redirect URI.
        .filter(|login| login.begun_for.as_ref().is_none_or(|begun| *begun == begun_here))
        .ok_or_else(|| {
            let failure = Failure::invalid("no login is pending in this browser with the state of the response");
            failure.because(Reason::LoginUnknown)
        })?;
    // A logout that comes from now on may be of what the server is about to issue tokens for.
    let seen = call.worker.application.ended_by_now().await;
    let finished = exchange(call, response, &login).await;
    let outcome = match finished.and_then(|tokens| begin_session(call, &tokens, &logins, by, seen)) {
        // The code may still be good when the authorization server is back, or less busy.
        Err(failure) if !failure.is_temporary() => {
            let mut set_cookies = SetCookies::new(&call.cookies);
            write_logins(&mut set_cookies, &logins, call.now)?;
            Err(failure.with_cookies(set_cookies.into_lines()))
        }
        outcome => outcome,
    };
    Ok(Finished {
        return_to: login.return_to,
        outcome,
    })
}

/// The logins in the login cookie. A cookie that is missing or too old means that none is pending; one that does not
/// open is refused as any other cookie would be.
fn pending_logins(call: &Call<'_>, by: Finish) -> Result<PendingLogins, Failure> {
    // Logins of before navigations had a cookie of their own are in that of pages: see `PendingLogins::parse`.
    let [own, shared] =
        [by.purpose(), Purpose::Login].map(|purpose| call.cookies.authentic(purpose).unexpired(call.now));
    let fault = match (own, shared) {
        (Err(fault), Err(_)) => fault,
        (own, shared) => {
            let opened = own.into_iter().chain(shared).flatten();
            let contents: Vec<_> = opened.map(|opened| opened.value).collect();
            let contents = contents.iter().map(|content| content.as_slice());
            match PendingLogins::parse(by, contents, call.now) {
                Some(logins) => return Ok(logins),
                None => CookieFault::Unusable("holds no pending logins".to_owned()),
            }
        }
    };
    match fault {
        CookieFault::Missing | CookieFault::Expired => {
            Err(Failure::invalid("no login is pending").because(Reason::LoginUnknown))
        }
        fault => Err(cookie_failure(call.cookies.settings(), by.purpose(), &fault)),
    }
}

async fn exchange(call: &Call<'_>, response: AuthorizationResponse, login: &PendingLogin) -> Result<TokenSet, Failure> {
    let client = &call.worker.client;
    client.check_response_issuer(response.iss.as_deref()).await?;
    match response.result {
        AuthorizationResult::Error(error) => Err(Failure::front_channel(&error)),
        AuthorizationResult::Code(code) => {
            let redirect_uri = call.worker.application.redirect_uri(login.return_to.is_some());
            Ok(client
                .exchange_code(&code, &login.code_verifier, redirect_uri, &login.nonce, &login.demands)
                .await?)
        }
    }
}

/// A new session, with a new id whatever was there before: a session that somebody else put there must not become this
/// user's. `seen` is what had ended when the tokens were asked for; where its user or its login was ended since, the tokens
/// are given back.
fn new_session(call: &Call<'_>, tokens: &TokenSet, seen: u64) -> Result<Session, Failure> {
    let application = &call.worker.application;
    let issuer = &application.config.authorization_server.issuer;
    let session = Session::new(issuer, claim(tokens, "sub"), claim(tokens, "sid"), call.now)?;
    if let Some(started_at) = application.ended.begin(&session.id, call.now, seen) {
        return Ok(Session { started_at, ..session });
    }
    let refresh_token = tokens.refresh_token.clone().map(Zeroizing::from);
    let access_token = tokens.access_token.clone().into();
    call.worker.client.revoke(refresh_token, Some(access_token));
    let failure = Failure::new(
        Refusal::LoginRequired,
        "the login was ended while its tokens were on their way",
    );
    Err(failure.because(Reason::SessionEnded))
}

/// A claim of the ID token that is a text.
fn claim<'a>(tokens: &'a TokenSet, name: &str) -> Option<&'a str> {
    tokens.id_token.as_ref()?.claims.get(name)?.as_str()
}

/// Writes a new session into the browser.
fn begin_session(
    call: &Call<'_>,
    tokens: &TokenSet,
    logins: &PendingLogins,
    by: Finish,
    seen: u64,
) -> Result<NewSession, Failure> {
    let application = &call.worker.application;
    let session = new_session(call, tokens, seen)?;
    let id_token = tokens.id_token.as_ref();
    let csrf = match kept_csrf_value(call, claim(tokens, "sub")) {
        Some(value) => value,
        None => Zeroizing::new(random::token()?.into_bytes()),
    };
    let written = Tokens {
        access_token: &tokens.access_token,
        access_token_expires_at: application.access_token_expires_at(tokens.expires_in, call.now),
        refresh_token: tokens.refresh_token.as_deref(),
        refresh_token_expires_at: tokens
            .refresh_expires_in
            .map(|seconds| call.now.saturating_add(seconds)),
        // What was asked for is what was granted, unless the server says otherwise (RFC 6749, section 5.1).
        scope: Some(tokens.scope.as_deref().unwrap_or(&application.config.client.scope)),
        id_token: id_token.map(|id_token| id_token.raw.as_str()),
        renewed_by: application.replica,
        renewed_at: call.now,
    };
    let mut set_cookies = match by {
        Finish::ByNavigation => SetCookies::for_navigation(&call.cookies),
        Finish::ByPage => SetCookies::new(&call.cookies),
    };
    SessionWriter::new(&mut set_cookies, session, application.lifetimes, call.now).write(
        &written,
        &csrf,
        Some(logins),
    )?;
    let name = session_name(session.id);
    application.metrics.logged_in();
    log::info!(
        target: AUDIT,
        event = "login",
        session = name.as_str(),
        subject = subject(claim(tokens, "sub"));
        "login succeeded: session {name}"
    );
    set_cookies.warn_if_large();
    Ok(NewSession {
        csrf,
        set_cookies: set_cookies.into_lines(),
    })
}

/// The CSRF value to go on with: that of this browser's live session, if it is of the same user. The user's other tabs
/// hold it, and signing in again in one of them must not break the rest. A session of anybody else counts as planted.
fn kept_csrf_value(call: &Call<'_>, subject: Option<&str>) -> Option<Zeroizing<Vec<u8>>> {
    let session = LiveSession::of(&call.cookies).ok()?;
    let claims = claims_of(session.id_token.as_ref().ok()?).ok()?;
    let same_user = claims.get("sub")?.as_str()? == subject?;
    // A version 1 cookie is not bound to its session.
    let csrf = session.csrf.ok()?;
    (same_user && csrf.session.is_some()).then_some(csrf.value)
}
