//! `POST /login/start`: begins a login.

use serde::Deserialize;
use serde_json::json;

use super::errors::Failure;
use super::{Answer, Call, body};
use crate::session::pending_logins::{PendingLogin, PendingLogins};
use crate::session::set_cookies::SetCookies;
use crate::session::tokens::write_logins;
use bff_core::seal::Purpose;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct LoginStart {
    #[serde(default)]
    extra_params: Vec<ExtraParam>,
}

#[derive(Deserialize)]
struct ExtraParam {
    key: String,
    value: String,
}

pub(super) async fn handle(call: Call<'_>) -> Result<Answer, Failure> {
    let request = match call.body.is_empty() {
        true => LoginStart::default(),
        false => body::parse(&call.body)?,
    };
    let extra: Vec<(String, String)> = request
        .extra_params
        .into_iter()
        .map(|ExtraParam { key, value }| (key, value))
        .collect();
    let request = call.worker.client.authorization_request(&extra).await?;

    // A login cookie that cannot be read is replaced: it must not be able to keep anybody from signing in.
    let pending = call.cookies.open(Purpose::Login).ok();
    let mut logins = pending
        .and_then(|opened| PendingLogins::parse(&opened.value, call.now))
        .unwrap_or_default();
    logins.add(PendingLogin {
        state: request.state,
        nonce: request.nonce,
        code_verifier: request.code_verifier,
        expires_at: call
            .now
            .saturating_add(call.worker.service.config.session.login_seconds),
        max_age: request.max_age,
    });
    let mut set_cookies = SetCookies::new(&call.cookies);
    write_logins(&mut set_cookies, &logins, call.now)?;
    Ok(Answer {
        body: Some(json!({ "authorizationRequestUrl": request.url })),
        set_cookies: set_cookies.into_lines(),
    })
}
