//! `GET /userInfo`: claims about the user.

use crate::error_code::ErrorCode;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SubjectHash;
use serde_json::Value;

use super::claims::{self, claims_of};
use crate::api::call::Call;
use crate::api::checks::{require, require_session};
use crate::api::error::ApiError;
use crate::api::success::Success;
use crate::config::UserInfoSource;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    match call.worker.application.config.userinfo_source {
        UserInfoSource::IdToken => claims::handle(call).await,
        UserInfoSource::UserinfoEndpoint => from_endpoint(call).await,
    }
}

/// Requests the userinfo endpoint. The response must be about the user who signed in (OpenID Connect Core 1.0, section
/// 5.3.2). The session id identifies the user even without the ID token cookie.
async fn from_endpoint(call: Call<'_>) -> Result<Success, ApiError> {
    let (session, _) = require_session(&call).await?;
    let settings = call.cookies.settings();
    let opened = require(settings, Purpose::AccessToken, &session.access_token)?;
    let access_token = std::str::from_utf8(&opened.value)
        .map_err(|_| ApiError::unauthorized("the access token is not valid UTF-8"))?;
    let subject = match &session.id_token {
        Ok(id_token) => claims_of(id_token)?
            .get("sub")
            .and_then(Value::as_str)
            .map(str::to_owned),
        Err(_) => None,
    };
    if subject.is_none() && session.user().is_none() {
        // In a session that began in version 1, only the ID token may identify the user.
        require(settings, Purpose::IdToken, &session.id_token)?;
    }
    let claims = call.worker.client.userinfo(access_token, subject.as_deref()).await?;
    let issuer = &call.worker.application.config.authorization_server.issuer;
    let returned = claims.get("sub").and_then(Value::as_str);
    let is_the_user = |user| returned.is_some_and(|sub| SubjectHash::of(issuer, sub) == user);
    match session.user().is_none_or(is_the_user) {
        true => Ok(Success::json(Value::Object(claims))),
        false => Err(ApiError::new(
            ErrorCode::AuthorizationServerError,
            "userinfo endpoint: `sub` is not that of the user who signed in",
        )),
    }
}
