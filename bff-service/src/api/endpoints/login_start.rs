//! `POST /login/start`: starts a login.

use serde::Deserialize;
use serde_json::json;

use crate::api::body;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::success::Success;
use crate::session::cookies::response::SetCookies;
use crate::session::pending_logins::{Finish, PendingLogin, PendingLogins};
use crate::session::writer::{WriteError, write_logins};
use crate::telemetry::logging::AUDIT;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct LoginStart {
    #[serde(default)]
    extra_params: Vec<ExtraParam>,
    /// Whether the login is for an API that requires more of the user's authentication (RFC 9470, section 4).
    #[serde(default)]
    step_up: bool,
}

#[derive(Deserialize)]
struct ExtraParam {
    key: String,
    value: String,
}

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let request = match call.body.is_empty() {
        true => LoginStart::default(),
        false => body::parse(&call.body)?,
    };
    let LoginStart { extra_params, step_up } = request;
    let extra: Vec<(String, String)> = extra_params
        .into_iter()
        .map(|ExtraParam { key, value }| (key, value))
        .collect();
    let (url, set_cookies) = begin(&call, &extra, step_up, None).await?;
    Ok(Success::json(json!({ "authorizationRequestUrl": url })).with_cookies(set_cookies))
}

/// Starts a login with these extra parameters. If `step_up` is true, the user must authenticate with one of the
/// `acr_values` in `extra`. Returns the authorization request URL and the `Set-Cookie` lines. The browser returns to a
/// page, or in the navigation variant to `/callback` and then to `return_to`.
pub(in crate::api) async fn begin(
    call: &Call<'_>,
    extra: &[(String, String)],
    step_up: bool,
    return_to: Option<String>,
) -> Result<(String, Vec<String>), ApiError> {
    let application = &call.worker.application;
    let by = match &return_to {
        Some(_) => Finish::ByNavigation,
        None => Finish::ByPage,
    };
    let redirect_uri = application.redirect_uri(return_to.is_some());
    let request = call.worker.client.authorization_request(redirect_uri, extra).await?;

    // A login cookie that cannot be used is replaced: it must not prevent sign-in.
    let pending = call
        .cookies
        .authentic(by.purpose())
        .unexpired(call.now)
        .unwrap_or_default();
    let contents = pending.iter().map(|opened| opened.value.as_slice());
    let mut logins = PendingLogins::parse(by, contents, call.now).unwrap_or(PendingLogins::none(by));
    logins.add(PendingLogin {
        state: request.state,
        nonce: request.nonce,
        code_verifier: request.code_verifier,
        expires_at: call.now.saturating_add(application.config.session.login_seconds),
        requirements: match step_up {
            true => request.requirements.with_essential_acr_values(extra),
            false => request.requirements,
        },
        return_to,
        begun_for: Some(application.begun_for(redirect_uri)),
    });
    let mut set_cookies = SetCookies::new(&call.cookies);
    write_logins(&mut set_cookies, &logins, call.now).map_err(|error| match error {
        WriteError::TooLong(_) | WriteError::Seal(_) => {
            ApiError::invalid("the extra parameters are too long for the cookie of the login")
        }
        error @ (WriteError::Random(_) | WriteError::Json(_)) => error.into(),
    })?;
    application.metrics.count_login_start();
    log::info!(target: AUDIT, event = "login_started"; "started login");
    Ok((request.url, set_cookies.into_lines()))
}
