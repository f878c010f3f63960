//! `POST /dbsc/register`: the browser registers a key of the device, to which the session is bound from then on (W3C
//! Device Bound Session Credentials, section 8.10). Only the response that begins the session offers the registration.

use actix_web::http::header::HeaderName;
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::SessionId;
use bff_core::session::ended_sessions::Ended;
use zeroize::Zeroizing;

use super::device_proof::{challenge_of, device_token, refused};
use super::logout::revoke;
use super::refresh_exchange::{completed, renew, session_over};
use crate::api::call::Call;
use crate::api::checks::{cookie_error, require, require_even_unproven, text, undecided};
use crate::api::error::{ApiError, Reason};
use crate::api::success::Success;
use crate::application::Application;
use crate::clock;
use crate::error_code::ErrorCode;
use crate::jose::device_key::DeviceKey;
use crate::session::cookies::response::SetCookies;
use crate::session::current_session::RequestSession;
use crate::session::device_binding::challenge::ChallengeUse;
use crate::session::device_binding::decisions::BindingDecision;
use crate::session::device_binding::instructions::{instructions, registration_offer};
use crate::session::device_binding::key_cookie::KeyContent;
use crate::session::device_binding::{REGISTRATION_SECONDS, REPETITION_SECONDS};
use crate::session::identity::Session;
use crate::session::tokens::Tokens;
use crate::session::writer::{CsrfValue, SessionWriter};
use crate::telemetry::logging::{AUDIT, session_name};
use crate::telemetry::metrics::{Registration, SessionBinding};

const OFFER: HeaderName = HeaderName::from_static("secure-session-registration");

/// The header that offers a registration for a new session; `None` if the session cannot be bound.
pub(in crate::api) fn offer(
    application: &Application,
    session: Session,
    now: u64,
) -> Result<Option<(HeaderName, String)>, ApiError> {
    if session.binding != Binding::Provisional {
        return Ok(None);
    }
    let expires_at = session.started_at.saturating_add(REGISTRATION_SECONDS);
    let challenges = &application.challenges;
    let challenge = challenges.make(ChallengeUse::Registration, session.id, now, expires_at)?;
    Ok(Some((OFFER, registration_offer(&application.config, &challenge))))
}

pub(in crate::api) async fn handle(call: Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let registered = register(&call).await;
    application.metrics.count_registration(match &registered {
        Ok(_) => Registration::Registered,
        Err(failure) if failure.reason() == Reason::DeviceKeyRepeated.name() => Registration::Repeated,
        Err(failure) if failure.error_code().status() >= 500 => Registration::Failed,
        Err(_) => Registration::Refused,
    });
    registered
}

async fn register(call: &Call<'_>) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let settings = call.cookies.settings();
    let token = device_token(call.headers)?.ok_or_else(|| refused("missing `Secure-Session-Response`"))?;
    let session = require_even_unproven(&call.cookies)?;
    let id = session.id().filter(|_| session.sealed != Binding::Unbound);
    let id = id.ok_or_else(|| refused("no registration was offered for the session"))?;
    let (key, claims) = DeviceKey::register(&token).map_err(|error| refused(error.to_string()))?;
    let is_offered = challenge_of(&claims).is_some_and(|challenge| {
        application
            .challenges
            .is_valid(ChallengeUse::Registration, challenge, id, call.now)
    });
    if !is_offered {
        return Err(refused("the challenge is not that of the session, or has expired"));
    }
    // All other checks come before the binding decision, which is final.
    require(settings, Purpose::RefreshToken, &session.refresh_token)?;
    require(settings, Purpose::Csrf, &session.csrf)?;
    let access_token = text(require(settings, Purpose::AccessToken, &session.access_token)?);
    let access_token = access_token.ok_or_else(|| refused("the access token is not valid UTF-8"))?;
    // A binding decision that may be lost is not made again: somebody else's key may be registered already.
    let known = application.binding_decisions.of(&id, session.began_at, call.now).await;
    if let Err(failure) = accept(call, id, known.map_err(undecided)?, &key).await {
        if failure.reason() == Reason::DeviceKeyRepeated.name() {
            revoke(application, &session).await;
        }
        return Err(failure);
    }
    write(call, id, session, &access_token, &key).await
}

/// If there is an `earlier` binding decision, checks that it is that for this key, and recent. If the session is bound to
/// another key, somebody has copied its cookies and the offer. The session then ends, since the service does not know
/// which of the two is the user.
async fn accept(
    call: &Call<'_>,
    id: SessionId,
    earlier: Option<BindingDecision>,
    key: &DeviceKey,
) -> Result<(), ApiError> {
    let application = &call.worker.application;
    let repetition = REPETITION_SECONDS.min(application.config.session.refresh_replay_seconds);
    match earlier {
        None => Ok(()),
        // The browser may repeat the request if the connection breaks.
        Some(BindingDecision::Bound { thumbprint, at }) if thumbprint == key.thumbprint() => {
            match call.now <= at.saturating_add(repetition) {
                true => Ok(()),
                false => Err(refused("the same key was registered before")),
            }
        }
        Some(BindingDecision::Unbound) => Err(refused("the service has decided that the session is unbound")),
        Some(BindingDecision::Replaced { .. }) => Err(refused("the browser has begun another session since")),
        Some(BindingDecision::Bound { .. }) => {
            application.end(Ended::session(&id), call.now).await;
            let name = session_name(id);
            log::warn!(
                target: AUDIT,
                event = "device_key_repeated",
                session = name.as_str();
                "ended session {name}: two keys were registered for it, so somebody has copied its cookies"
            );
            let why = "another key was registered for the session before";
            Err(ApiError::new(ErrorCode::SessionExpired, why).because(Reason::DeviceKeyRepeated))
        }
    }
}

/// Decides that the session is bound to this key. `tokens` are the newest of the session, as far as known.
async fn decide(call: &Call<'_>, id: SessionId, key: &DeviceKey, tokens: &Tokens<'_>) -> Result<(), ApiError> {
    let application = &call.worker.application;
    // The session may have ended while the tokens were requested.
    application.ended_by_now().await;
    if RequestSession::of(&call.cookies).is_err() {
        return Err(session_over());
    }
    let decision = BindingDecision::Bound {
        thumbprint: key.thumbprint(),
        at: clock::now(),
    };
    let earlier = application.binding_decisions.decide(&id, &decision, call.now).await;
    let earlier = earlier.map_err(undecided)?;
    if earlier.is_none() {
        application.metrics.count_session_binding(SessionBinding::Bound);
    }
    let accepted = accept(call, id, earlier, key).await;
    if accepted
        .as_ref()
        .is_err_and(|failure| failure.reason() == Reason::DeviceKeyRepeated.name())
    {
        let owned = |token: &str| Zeroizing::from(token.to_owned());
        application.revoke(tokens.refresh_token.map(owned), Some(owned(tokens.access_token)));
    }
    accepted
}

/// Refreshes the session, or joins a refresh that is in progress, decides that the session is bound, and writes its
/// cookies as those of a bound session. `own_access_token` is the access token in the request's cookie.
async fn write(
    call: &Call<'_>,
    id: SessionId,
    session: RequestSession,
    own_access_token: &str,
    key: &DeviceKey,
) -> Result<Success, ApiError> {
    let application = &call.worker.application;
    let settings = call.cookies.settings();
    let identity = session.identity(Binding::Bound, call.now);
    let RequestSession {
        access_token,
        refresh_token,
        id_token,
        csrf,
        ..
    } = session;
    let csrf = csrf.map_err(|error| cookie_error(settings, Purpose::Csrf, &error))?;
    let content = refresh_token.map_err(|error| cookie_error(settings, Purpose::RefreshToken, &error))?;
    let id_token = id_token.ok().as_ref().and_then(text);
    let scope = content.scope.clone();
    let (own_refresh_token, ends_at) = (content.refresh_token.clone(), content.ends_at);
    let (renewed_by, renewed_at) = content.renewed.unwrap_or((application.replica, call.now));
    let renewed = renew(application, content, id_token.clone()).await;
    let written = match &renewed {
        Ok(renewed) => Tokens::from(&**renewed),
        Err(ErrorCode::SessionExpired) => return Err(session_over()),
        Err(code) => {
            log::warn!(
                "refreshing a session at the registration of a key failed: {}: the session continues with the tokens \
                 that it has, and the next refresh gets new ones",
                code.code()
            );
            Tokens {
                access_token: own_access_token,
                access_token_expires_at: access_token.map_or(call.now, |opened| opened.expires_at),
                refresh_token: Some(&own_refresh_token),
                // The end of the request's cookie, until the next refresh.
                refresh_token_expires_at: Some(ends_at),
                scope: None,
                id_token: None,
                renewed_by,
                renewed_at,
            }
        }
    };
    let tokens = completed(written, scope.as_deref(), id_token.as_deref());
    decide(call, id, key, &tokens).await?;
    let key = KeyContent::new(key)?;
    let mut set_cookies = SetCookies::new(&call.cookies);
    let mut writer = SessionWriter::new(&mut set_cookies, identity, application.lifetimes, clock::now());
    writer.write(&tokens, &CsrfValue::Kept(csrf), None)?;
    writer.write_key(&key)?;
    writer.write_proof(application.config.session.device_proof_seconds)?;
    set_cookies.warn_if_large();
    let name = session_name(identity.id);
    log::info!(
        target: AUDIT,
        event = "device_key_registered",
        session = name.as_str();
        "bound session {name} to a key of the device"
    );
    // The response has no challenge: the browser requests one when it needs a new proof.
    Ok(Success::json(instructions(
        &application.config,
        settings,
        call.cookies.place().host,
        &key.identifier,
    ))
    .with_cookies(set_cookies.into_lines()))
}
