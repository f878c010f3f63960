//! `GET /frontchannel-logout`: for a frame in the authorization server's logout page (OpenID Connect Front-Channel
//! Logout 1.0). Browsers send no `SameSite=Strict` cookies in a frame of another site, so `iss` and `sid` identify the
//! sessions. Both are required: only a party that knows the `sid` of a session can end it.

use bff_core::cookie::session_id::SubjectHash;
use bff_core::session::ended_sessions::Ended;
use url::form_urlencoded;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::success::{Content, Success};
use crate::telemetry::logging::AUDIT;
use crate::telemetry::metrics::LogoutParty;
use bff_core::request::values::Values;

/// Minimum length of `sid`, in bytes: an attacker could guess a shorter one and end the session of another user.
pub(in crate::api) const MIN_SID_BYTES: usize = 16;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let one = |wanted: &str| {
        let values = form_urlencoded::parse(call.query.as_bytes())
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned());
        Values::of(values).single()
    };
    let issuer = &application.config.authorization_server.issuer;
    let (Some(iss), Some(sid)) = (one("iss"), one("sid")) else {
        return Err(ApiError::invalid("missing or repeated parameter `iss` or `sid`"));
    };
    if iss != *issuer {
        return Err(ApiError::invalid("`iss` is not the issuer"));
    }
    if sid.len() < MIN_SID_BYTES {
        return Err(ApiError::invalid(format!(
            "`sid` is shorter than {MIN_SID_BYTES} bytes, so an attacker could guess it"
        )));
    }
    let ended = Ended::Login(SubjectHash::of(issuer, &sid));
    if !application.end_if_room(ended, call.now).await {
        return Err(ApiError::invalid(
            "the list of ended sessions is half full, and front-channel logout may not use the other half",
        ));
    }
    let name = ended.to_text();
    application.metrics.count_logout(LogoutParty::Frontchannel);
    log::info!(
        target: AUDIT,
        event = "frontchannel_logout",
        ended = name.as_str();
        "front-channel logout: ended the sessions with the requested `sid`: {name} in the list of ended sessions"
    );
    let origin = application.config.issuer_url().origin().ascii_serialization();
    Ok(Success {
        content: Content::EmptyFrame(origin),
        ..Success::default()
    })
}
