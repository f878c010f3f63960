//! `GET /frontchannel-logout`: the authorization server's sign-out page has this in a frame (OpenID Connect
//! Front-Channel Logout 1.0). The cookies are SameSite=Strict and do not come along to there, so the login is named by
//! `iss` and `sid`, both of which are required: nobody who does not know a login's `sid` can end it.

use bff_core::cookie::session_id::SubjectHash;
use bff_core::session::ended_sessions::Ended;
use url::form_urlencoded;

use crate::api::answer::{Answer, Content};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::telemetry::logging::AUDIT;
use crate::telemetry::metrics::LoggedOut;
use bff_core::request::values::Values;

/// Shorter ones could be guessed, and a login be ended by somebody else.
pub(in crate::api) const LEAST_SID_BYTES: usize = 16;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Answer, ApiError> {
    let application = &call.worker.application;
    let one = |wanted: &str| {
        let values = form_urlencoded::parse(call.query.as_bytes())
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned());
        Values::of(values).single()
    };
    let issuer = &application.config.authorization_server.issuer;
    let (Some(iss), Some(sid)) = (one("iss"), one("sid")) else {
        return Err(ApiError::invalid("missing or repeated `iss` or `sid`"));
    };
    if iss != *issuer {
        return Err(ApiError::invalid("`iss` is not the issuer"));
    }
    if sid.len() < LEAST_SID_BYTES {
        return Err(ApiError::invalid("`sid` is too short to be a secret"));
    }
    let ended = Ended::Login(SubjectHash::of(issuer, &sid));
    if !application.end_if_room(ended, call.now).await {
        return Err(ApiError::invalid(
            "the list of ended sessions is half full, which front-channel logout may not fill further",
        ));
    }
    let name = ended.to_text();
    application.metrics.logged_out(LoggedOut::Frontchannel);
    log::info!(
        target: AUDIT,
        event = "frontchannel_logout",
        ended = name.as_str();
        "front-channel logout: the sessions of a login ended: {name}"
    );
    let origin = application.config.issuer_url().origin().ascii_serialization();
    Ok(Answer {
        content: Content::EmptyFrame(origin),
        set_cookies: Vec::new(),
    })
}
