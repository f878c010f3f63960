//! `POST /login/end`: completes a login, or tells a page that loads whether the user is signed in.

use crate::error_code::ErrorCode;
use actix_web::http::header::HeaderName;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use bff_core::request::values::Values;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::device_registration;
use super::login_exchange::{Completed, LoginExchange};
use super::page_url::{AuthorizationResponse, AuthorizationResult, PageUrl};
use super::session::{csrf_value, signed_in};
use crate::api::body;
use crate::api::call::Call;
use crate::api::checks::cookie_error;
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::session::cookies::request::CookieError;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::session::device_binding::decisions::BindingDecision;
use crate::session::pending_logins::{Finish, PendingLogin, PendingLogins};
use crate::session::tokens::Tokens;
use crate::session::writer::{CsrfValue, SessionWriter, write_logins};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginEnd {
    page_url: String,
}

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let LoginEnd { page_url } = body::parse(&call.body)?;
    match PageUrl::parse(&page_url, call.worker.application.config.client.response_mode)? {
        PageUrl::Ordinary(state) => page_load(&call, state.as_deref()).await,
        response @ (PageUrl::Response(_) | PageUrl::Signed(_)) => {
            let session = finish(&call, response, Finish::ByPage).await?.outcome?;
            let body = json!({"handled": true, "isLoggedIn": true, "csrf": String::from_utf8_lossy(&session.csrf)});
            Ok(Success::json(body)
                .with_cookies(session.set_cookies)
                .with_header(session.offer))
        }
    }
}

/// `handled` tells the page to remove the `state` of the service's own logout request from its URL, with which the
/// browser returns from the authorization server. Any other `state` belongs to the page.
async fn page_load(call: &Call<'_>, state: Option<&str>) -> Result<Success, ApiError> {
    let states = &call.worker.application.logout_states;
    let handled = state.is_some_and(|state| states.is_valid(state, call.now));
    let mut set_cookies = SetCookies::new(&call.cookies);
    match signed_in(call, &mut set_cookies).await? {
        Some((session, standing)) => {
            let (csrf, set_cookies) = csrf_value(call, &session, standing)?;
            Ok(Success::json(json!({"handled": handled, "isLoggedIn": true, "csrf": csrf})).with_cookies(set_cookies))
        }
        None => {
            Ok(Success::json(json!({"handled": handled, "isLoggedIn": false})).with_cookies(set_cookies.into_lines()))
        }
    }
}

/// The end of a login: its `state` matched a pending login.
pub(in crate::api) struct Finished {
    /// The URL that the browser returns to, in the navigation variant.
    pub(in crate::api) return_to: Option<String>,
    /// The new session, or why there is none.
    pub(in crate::api) outcome: Result<NewSession, ApiError>,
}

/// A session that a login has begun.
pub(in crate::api) struct NewSession {
    /// The CSRF value of the session.
    pub(in crate::api) csrf: Zeroizing<Vec<u8>>,
    /// The cookies of the session.
    pub(in crate::api) set_cookies: Vec<String>,
    /// The header that offers to bind the session to a device.
    pub(in crate::api) offer: Option<(HeaderName, String)>,
}

/// Completes the login that this authorization response belongs to. If it belongs to no pending login, returns an
/// error.
pub(in crate::api) async fn finish(call: &Call<'_>, response: PageUrl, by: Finish) -> Result<Finished, ApiError> {
    let mut logins = pending_logins(call, by)?;
    let response = match response {
        PageUrl::Response(response) => response,
        PageUrl::Signed(jwt) => AuthorizationResponse::of_verified(&call.worker.client.verify_response(&jwt).await?)?,
        PageUrl::Ordinary(_) => return Err(ApiError::invalid("missing authorization response")),
    };
    // Nothing in the URL is trusted before the state matches: anybody can create a link with an error in it.
    let application = &call.worker.application;
    let begun_here = application.begun_for(application.redirect_uri(by == Finish::ByNavigation));
    let login = logins
        .take(&response.state)
        // One issuer issued the code to one client for one redirect URI.
        .filter(|login| login.begun_for.as_ref().is_none_or(|begun| *begun == begun_here))
        .ok_or_else(|| {
            let failure = ApiError::invalid("no valid pending login in this browser has the `state` of the response");
            failure.because(Reason::LoginUnknown)
        })?;
    let finished = exchange(call, response, &login, by).await;
    let outcome = match finished.and_then(|completed| write_session(call, &completed, &logins, by)) {
        // After a temporary error the pending login stays: its code may still be valid later.
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

/// The logins of the login cookie, or of the navigation cookie. If the cookie is missing or has expired, no login is
/// pending (HTTP 400). If it cannot be used for another reason, the error is HTTP 401, as for other cookies.
fn pending_logins(call: &Call<'_>, by: Finish) -> Result<PendingLogins, ApiError> {
    // Earlier versions stored logins by navigation in the cookie for pages: see `PendingLogins::parse`.
    let [own, shared] =
        [by.purpose(), Purpose::Login].map(|purpose| call.cookies.authentic(purpose).unexpired(call.now));
    let error = match (own, shared) {
        (Err(error), Err(_)) => error,
        (own, shared) => {
            let opened = own.into_iter().chain(shared).flatten();
            let contents: Vec<_> = opened.map(|opened| opened.value).collect();
            let contents = contents.iter().map(|content| content.as_slice());
            match PendingLogins::parse(by, contents, call.now) {
                Some(logins) => return Ok(logins),
                None => CookieError::Unusable("contains no pending logins".to_owned()),
            }
        }
    };
    match error {
        CookieError::Missing | CookieError::Expired => {
            Err(ApiError::invalid("no login is pending").because(Reason::LoginUnknown))
        }
        error @ (CookieError::OfAnotherSession | CookieError::Unusable(_)) => {
            Err(cookie_error(call.cookies.settings(), by.purpose(), &error))
        }
    }
}

async fn exchange(
    call: &Call<'_>,
    response: AuthorizationResponse,
    login: &PendingLogin,
    by: Finish,
) -> Result<Completed, ApiError> {
    let client = &call.worker.client;
    client.check_response_issuer(response.iss.as_deref()).await?;
    match response.result {
        AuthorizationResult::Error(error) => Err(ApiError::front_channel(&error)),
        AuthorizationResult::Code(code) => {
            let completed = LoginExchange::new(call, code, login, can_register(call, by))
                .run()
                .await?;
            replace_provisional(call, &completed).await;
            Ok(completed)
        }
    }
}

/// Whether the browser sends the session's cookies with a registration that the response offers. The cookies are
/// `SameSite=Strict`, and after a navigation from another site the registration counts as a request of that site.
fn can_register(call: &Call<'_>, by: Finish) -> bool {
    match by {
        Finish::ByPage => true,
        Finish::ByNavigation => matches!(
            Values::of(call.headers.get_all("sec-fetch-site")),
            Values::Single(site) if site.as_bytes() != b"cross-site"
        ),
    }
}

/// If the browser has another session, and that session is provisional, decides that nobody can bind or continue it: a
/// registration in progress must not write its cookies over those of the new session.
async fn replace_provisional(call: &Call<'_>, completed: &Completed) {
    let begun = completed.tokens.begun.as_ref().map(|begun| begun.session.id);
    let Ok(previous) = RequestSession::of(&call.cookies) else {
        return;
    };
    if let Some(id) = previous
        .id()
        .filter(|id| previous.sealed == Binding::Provisional && Some(*id) != begun)
    {
        let decision = BindingDecision::Replaced { at: call.now };
        // If there can be no binding decision, as when Redis is unavailable, the earlier session stays as it is.
        let _ = call
            .worker
            .application
            .binding_decisions
            .decide(&id, &decision, call.now)
            .await;
    }
}

/// Writes the cookies of the new session.
fn write_session(
    call: &Call<'_>,
    completed: &Completed,
    logins: &PendingLogins,
    by: Finish,
) -> Result<NewSession, ApiError> {
    let tokens = &*completed.tokens;
    let begun = tokens
        .begun
        .as_ref()
        .ok_or_else(|| ApiError::new(ErrorCode::ServerError, "no session has begun with this login"))?;
    let mut set_cookies = match by {
        Finish::ByNavigation => SetCookies::for_navigation(&call.cookies),
        Finish::ByPage => SetCookies::new(&call.cookies),
    };
    let application = &call.worker.application;
    SessionWriter::new(&mut set_cookies, begun.session, application.lifetimes, call.now).write(
        &Tokens::from(tokens),
        &CsrfValue::New(&begun.csrf),
        Some(logins),
    )?;
    if completed.is_leader {
        // These cookies are of an earlier session. Responses to other calls with this code do not clear them, since
        // they could reach the browser after the response to the registration.
        set_cookies.clear_if_sent(Purpose::DeviceBinding);
        set_cookies.clear_if_sent(Purpose::DeviceKey);
    }
    set_cookies.warn_if_large();
    Ok(NewSession {
        csrf: begun.csrf.clone(),
        set_cookies: set_cookies.into_lines(),
        offer: match completed.is_leader {
            true => device_registration::offer(application, begun.session, call.now)?,
            false => None,
        },
    })
}
