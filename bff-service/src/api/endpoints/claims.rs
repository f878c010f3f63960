//! `GET /claims`: the claims of the ID token.

use crate::error_code::ErrorCode;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Opened;
use serde_json::{Map, Value};

use crate::api::call::Call;
use crate::api::checks::{require, require_session};
use crate::api::error::ApiError;
use crate::api::success::Success;
use crate::jose::claims::claims_of_verified;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let (session, _) = require_session(&call).await?;
    let id_token = require(call.cookies.settings(), Purpose::IdToken, &session.id_token)?;
    Ok(Success::json(Value::Object(claims_of(id_token)?)))
}

/// The claims of the ID token in its cookie. The signature is not verified again: the seal of the cookie protects the
/// token.
pub(in crate::api) fn claims_of(id_token: &Opened) -> Result<Map<String, Value>, ApiError> {
    std::str::from_utf8(&id_token.value)
        .ok()
        .and_then(claims_of_verified)
        .ok_or_else(|| ApiError::new(ErrorCode::ServerError, "the ID token cookie contains no ID token"))
}
