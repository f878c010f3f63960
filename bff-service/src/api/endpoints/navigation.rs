//! The navigation variant, for applications whose pages have no code for sign-in and sign-out: the browser navigates to
//! `/login`, returns to `/callback`, and navigates to `/logout` (`docs/CONTRACT.md`, section 1.4). The code of logins and
//! sessions is that of the endpoints for pages.

use std::borrow::Cow;

use url::{Url, form_urlencoded};

use super::login_end;
use super::login_start;
use super::logout::{self as page_logout, Ended, Extent, Proof};
use super::page_url::PageUrl;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::record::record_before_redirect;
use crate::api::success::Success;
use crate::session::pending_logins::Finish;
use bff_core::request::values::Values;

/// Maximum length of `returnTo`, in bytes: the navigation cookie contains it.
pub(in crate::api) const MAX_RETURN_TO_BYTES: usize = 512;

/// `GET /login?returnTo=/path`: redirects to the authorization server.
pub(in crate::api) async fn login(call: Call<'_>) -> Result<Success, ApiError> {
    let mut return_to: Option<Cow<'_, str>> = None;
    let mut extra = Vec::new();
    for (name, value) in form_urlencoded::parse(call.query.as_bytes()) {
        if name != "returnTo" {
            extra.push((name.into_owned(), value.into_owned()));
        } else if return_to.replace(value).is_some() {
            return Err(ApiError::invalid("repeated parameter `returnTo`"));
        }
    }
    let return_to = return_target(&call, return_to.as_deref().unwrap_or("/"))?;
    if call.is_head {
        // A HEAD request starts no login, so the redirect is to `returnTo`.
        return Ok(Success::redirect(return_to.into()));
    }
    let (url, set_cookies) = login_start::begin(&call, &extra, false, Some(return_to.into())).await?;
    Ok(Success::redirect(url).with_cookies(set_cookies))
}

/// `GET /callback`: completes the login and redirects to `returnTo`.
pub(in crate::api) async fn callback(call: Call<'_>) -> Result<Success, ApiError> {
    let mode = call.worker.application.config.client.response_mode;
    let page_url = PageUrl::parse_query(call.query, mode)?;
    if matches!(page_url, PageUrl::Ordinary(_)) {
        return Err(ApiError::invalid("missing authorization response"));
    }
    let finished = login_end::finish(&call, page_url, Finish::ByNavigation).await?;
    let Some(mut url) = finished.return_to.as_deref().and_then(|target| Url::parse(target).ok()) else {
        return Err(ApiError::invalid("the login was not started by navigation"));
    };
    let (set_cookies, offer) = match finished.outcome {
        Ok(session) => (session.set_cookies, session.offer),
        // The application informs the user. `error` has the form of RFC 6749, section 4.1.2.1.
        Err(failure) => {
            record_before_redirect(&call.worker.application, "callback", &failure);
            let (code, set_cookies) = failure.into_code();
            url.query_pairs_mut().append_pair("error", &code);
            (set_cookies, None)
        }
    };
    Ok(Success::redirect(url.into())
        .with_cookies(set_cookies)
        .with_header(offer))
}

/// `GET /logout?csrf=…`: ends the session and redirects to the URL that `POST /logout` would return.
pub(in crate::api) async fn logout(call: Call<'_>) -> Result<Success, ApiError> {
    let values = form_urlencoded::parse(call.query.as_bytes()).filter(|(name, _)| name == "csrf");
    let csrf = match Values::of(values) {
        Values::Single((_, value)) => value.into_owned(),
        Values::Absent | Values::Repeated => {
            return Err(ApiError::unauthorized("missing or repeated parameter `csrf`"));
        }
    };
    let proof = Proof::Parameter(csrf.as_bytes());
    let Ended { url, set_cookies, .. } = page_logout::end(&call, proof, Extent::Session).await?;
    Ok(Success::redirect(url).with_cookies(set_cookies))
}

/// The URL of `returnTo`, which must be a path on the application's own origin, however it is spelled.
fn return_target(call: &Call<'_>, path: &str) -> Result<Url, ApiError> {
    let invalid = || {
        ApiError::invalid(format!(
            "`returnTo` is not a path of the application with at most {MAX_RETURN_TO_BYTES} bytes"
        ))
    };
    let is_allowed = |c: char| !c.is_control() && c != '\\';
    let has_one_slash = path.starts_with('/') && !path.starts_with("//");
    if !has_one_slash || path.len() > MAX_RETURN_TO_BYTES || !path.chars().all(is_allowed) {
        return Err(invalid());
    }
    let origin = call.worker.application.config.web_origin();
    let target = origin.join(path).map_err(|_| invalid())?;
    match target.origin() == origin.origin() {
        true => Ok(target),
        false => Err(invalid()),
    }
}
