//! `POST /refresh`: new tokens for a session, once for however many callers come at once.

use std::rc::Rc;
use std::sync::Arc;

use bff_core::reply::Refusal;
use bff_core::seal::{Purpose, SessionId};
use serde_json::Value;

use zeroize::Zeroizing;

use super::answer::Answer;
use super::errors::{Failure, Reason, refusal_of_refresh};
use super::request_checks::{check_csrf, cookie_failure, required_session};
use super::{Call, Worker};
use crate::application::Application;
use crate::clock;
use crate::logging::{AUDIT, RequestContext, session_name};
use crate::metrics::Refreshed;
use crate::oauth::OAuthClient;
use crate::oauth::jws::claims_of_verified;
use crate::session::live::LiveSession;
use crate::session::refresh_store::{RefreshKey, RefreshOutcome, RenewedTokens, Turn};
use crate::session::set_cookies::SetCookies;
use crate::session::tokens::{RefreshContent, Session, SessionWriter, Tokens};

pub(super) async fn handle(call: Call<'_>) -> Result<Answer, Failure> {
    let application = &call.worker.application;
    let settings = call.cookies.settings();
    let live = required_session(&call.cookies)?;
    let csrf = Zeroizing::new(check_csrf(call.headers, &application.csrf_header, settings, &live)?.to_vec());
    let LiveSession {
        refresh_token,
        id_token,
        ..
    } = live;
    let content = refresh_token.map_err(|fault| cookie_failure(settings, Purpose::RefreshToken, &fault))?;
    let id_token = id_token.ok();
    let id_token = id_token.and_then(|opened| String::from_utf8(opened.value.to_vec()).ok());

    let (session, started_at, scope) = (content.session, content.started_at, content.scope.clone());
    let renewed = renew(call.worker, content, id_token.clone()).await.map_err(|refusal| {
        let failure = Failure::new(refusal, "the refresh failed");
        match refusal {
            Refusal::SessionExpired => failure.because(Reason::RefreshTokenRefused),
            _ => failure,
        }
    })?;

    let session = match (session, started_at) {
        (Some(id), Some(started_at)) => Session { id, started_at },
        _ => {
            let claims = id_token.as_deref().and_then(claims_of_verified).unwrap_or_default();
            let claim = |name: &str| claims.get(name).and_then(Value::as_str);
            let issuer = &application.config.authorization_server.issuer;
            Session::new(issuer, claim("sub"), claim("sid"), call.now)?
        }
    };
    let tokens = Tokens {
        access_token: &renewed.access_token,
        access_token_expires_at: renewed.access_token_expires_at,
        refresh_token: Some(&renewed.refresh_token),
        refresh_token_expires_at: renewed.refresh_token_expires_at,
        scope: renewed.scope.as_deref().or(scope.as_deref()),
        id_token: renewed
            .id_token
            .as_ref()
            .map(|id_token| id_token.as_str())
            .or(id_token.as_deref()),
        renewed_by: renewed.renewed_by,
        renewed_at: renewed.renewed_at,
    };
    let mut set_cookies = SetCookies::new(&call.cookies);
    SessionWriter::new(&mut set_cookies, session, application.lifetimes, clock::now()).write(&tokens, &csrf, None)?;
    Ok(Answer::default().with_cookies(set_cookies.into_lines()))
}

/// Leads the refresh, or gets the tokens of the one that is under way or just over.
async fn renew(worker: &Worker, content: RefreshContent, id_token: Option<String>) -> RefreshOutcome {
    let application = &worker.application;
    let flight = Flight {
        application: Arc::clone(application),
        client: Rc::clone(&worker.client),
        session: content.session.unwrap_or(SessionId::NONE),
        began_at: content.started_at.unwrap_or_default(),
        got: content
            .renewed
            .filter(|(replica, _)| *replica == application.replica)
            .map(|(_, at)| at),
        refresh_token: content.refresh_token,
        scope: content.scope,
        id_token,
    };
    // A task of its own: when this caller hangs up, the rotated token must still reach the others, and the browser's
    // next attempt.
    let task = actix_web::rt::spawn(RequestContext::inherit(flight.run()));
    // No caller waits longer than a leader may take.
    match tokio::time::timeout(application.refresh_bound, task).await {
        Ok(outcome) => outcome.unwrap_or(Err(Refusal::ServerError)),
        Err(_) => Err(Refusal::AuthorizationServerError),
    }
}

/// One caller's refresh.
struct Flight {
    application: Arc<Application>,
    client: Rc<OAuthClient>,
    session: SessionId,
    /// When the session began, in UNIX seconds.
    began_at: u64,
    /// Since when this process has the refresh token, if it was this one that got it.
    got: Option<u64>,
    refresh_token: Zeroizing<String>,
    /// The scope that was granted, where it is known.
    scope: Option<String>,
    id_token: Option<String>,
}

impl Flight {
    async fn run(self) -> RefreshOutcome {
        let key = RefreshKey::new(self.session, &self.refresh_token);
        let (outcome, how) = match self.application.refreshes.join(key, self.got).await {
            Turn::Settled(outcome) => (outcome, Refreshed::Coalesced),
            Turn::Replayed(outcome) => (outcome, Refreshed::Replayed),
            Turn::Lead => {
                let outcome = self.lead().await;
                // Signed out meanwhile: the new tokens must not stay behind where nobody holds them.
                let outcome = match outcome {
                    Ok(tokens) if self.is_over() => {
                        self.client
                            .revoke(Some(tokens.refresh_token.clone()), Some(tokens.access_token.clone()));
                        Err(Refusal::SessionExpired)
                    }
                    outcome => outcome,
                };
                self.application.refreshes.settle(key, outcome.clone()).await;
                let how = match &outcome {
                    Ok(tokens) if tokens.refresh_token == self.refresh_token => Refreshed::Renewed,
                    _ => Refreshed::Rotated,
                };
                (outcome, how)
            }
        };
        let outcome = match outcome {
            Ok(_) if self.is_over() => Err(Refusal::SessionExpired),
            outcome => outcome,
        };
        let how = if outcome.is_ok() { how } else { Refreshed::Failed };
        self.application.metrics.refreshed(how);
        outcome
    }

    /// Whether the session was ended meanwhile.
    fn is_over(&self) -> bool {
        self.application.ended.contains(&self.session, self.began_at)
    }

    /// The refresh itself.
    async fn lead(&self) -> RefreshOutcome {
        // Room of its own: a flight that only waits for another one does not need it.
        let scope = self.scope.as_deref();
        let refresh = Box::pin(
            self.client
                .refresh(&self.refresh_token, self.id_token.as_deref(), scope),
        );
        let tokens = match refresh.await {
            Ok(tokens) => tokens,
            Err(error) => {
                let name = session_name(self.session);
                let refusal = refusal_of_refresh(&error);
                let level = match refusal {
                    Refusal::AuthorizationServerError => log::Level::Error,
                    _ => log::Level::Warn,
                };
                log::log!(
                    target: AUDIT,
                    level,
                    event = "refresh_failed",
                    session = name.as_str();
                    "refresh of session {name} failed: {error}"
                );
                return Err(refusal);
            }
        };
        let now = clock::now();
        let name = session_name(self.session);
        log::info!(target: AUDIT, event = "refresh", session = name.as_str(); "refresh succeeded: session {name}");
        Ok(Arc::new(RenewedTokens {
            access_token_expires_at: self.application.access_token_expires_at(tokens.expires_in, now),
            access_token: tokens.access_token.into(),
            refresh_token: tokens
                .refresh_token
                .map_or_else(|| self.refresh_token.clone(), Into::into),
            refresh_token_expires_at: tokens.refresh_expires_in.map(|seconds| now.saturating_add(seconds)),
            scope: tokens.scope,
            id_token: tokens.id_token.map(|id_token| id_token.raw.into()),
            renewed_by: self.application.replica,
            renewed_at: now,
        }))
    }
}
