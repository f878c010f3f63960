//! `POST /backchannel-logout`: the authorization server ends the sessions with one `sid`, or all sessions of a user
//! (OpenID Connect Back-Channel Logout 1.0). Requires no cookie.

use bff_core::cookie::session_id::SubjectHash;
use bff_core::session::ended_sessions::Ended;

use crate::api::call::Call;
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::oauth::logout_token::LogoutToken;
use crate::telemetry::logging::AUDIT;
use crate::telemetry::metrics::LogoutParty;
use bff_core::request::values::Values;
use url::form_urlencoded;

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let tokens = form_urlencoded::parse(&call.body)
        .filter(|(name, _)| name == "logout_token")
        .map(|(_, value)| value.into_owned());
    let raw = match Values::of(tokens) {
        Values::Single(token) => token,
        Values::Absent => return Err(ApiError::invalid("missing parameter `logout_token`")),
        Values::Repeated => return Err(ApiError::invalid("repeated parameter `logout_token`")),
    };
    let LogoutToken { subject, login, id } = call.worker.client.logout_token(&raw).await?;
    if !application.logout_tokens.mark_used(&id, call.now).await {
        return Err(ApiError::invalid("the logout token has been used before").because(Reason::LogoutToken));
    }
    let digest = |name: &str| SubjectHash::of(&application.config.authorization_server.issuer, name);
    // A logout token with `sid` ends only the sessions with that `sid`, and one without `sid` all sessions of the user
    // (OpenID Connect Back-Channel Logout 1.0, section 2.4).
    let ended = match (&login, &subject) {
        (Some(login), _) => Ended::Login(digest(login)),
        (None, Some(subject)) => Ended::User(digest(subject)),
        // The verification refuses such a token.
        (None, None) => return Err(ApiError::invalid("the logout token has neither `sub` nor `sid`")),
    };
    application.end(ended, call.now).await;
    let what = match ended {
        Ended::User(_) => "all sessions of a user",
        Ended::Login(_) => "the sessions with one `sid`",
        Ended::Session(_) => "a session",
    };
    let name = ended.to_text();
    application.metrics.count_logout(LogoutParty::Backchannel);
    log::info!(
        target: AUDIT,
        event = "backchannel_logout",
        ended = name.as_str();
        "back-channel logout: ended {what}: {name} in the list of ended sessions"
    );
    Ok(Success::json(serde_json::json!({})))
}
