//! `GET /userInfo`: who is signed in.

use bff_core::seal::Purpose;
use serde_json::Value;

use super::Call;
use super::answer::Answer;
use super::claims::{self, claims_of};
use super::errors::Failure;
use super::request_checks::required_cookie;
use crate::config::UserInfoSource;
use crate::session::live::same_session;

pub(super) async fn handle(call: Call<'_>) -> Result<Answer, Failure> {
    match call.worker.application.config.userinfo_source {
        UserInfoSource::IdToken => claims::handle(&call),
        UserInfoSource::UserinfoEndpoint => from_endpoint(call).await,
    }
}

/// Asks the authorization server. Its answer must be about the user whom the ID token names (OIDC Core, 5.3.4).
async fn from_endpoint(call: Call<'_>) -> Result<Answer, Failure> {
    let opened = required_cookie(&call.cookies, Purpose::AccessToken)?;
    let access_token =
        std::str::from_utf8(&opened.value).map_err(|_| Failure::unauthorized("the access token is not text"))?;
    let subject = match call.cookies.open(Purpose::IdToken) {
        Ok(id_token) if same_session(id_token.session, opened.session) => claims_of(&id_token)?
            .get("sub")
            .and_then(Value::as_str)
            .map(str::to_owned),
        _ => None,
    };
    let claims = call.worker.client.userinfo(access_token, subject.as_deref()).await?;
    Ok(Answer::json(Value::Object(claims)))
}
