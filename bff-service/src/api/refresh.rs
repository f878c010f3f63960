//! `POST /refresh`: new tokens for a session, once for however many callers come at once.

use std::rc::Rc;
use std::sync::Arc;

use bff_core::reply::Refusal;
use bff_core::seal::{Purpose, SessionId};

use super::errors::Failure;
use super::request_checks::{check_csrf, required_cookie};
use super::{Answer, Call, Worker};
use crate::clock;
use crate::logging::{AUDIT, RequestId, session_name};
use crate::oauth::{OAuthClient, OAuthError};
use crate::service::Service;
use crate::session::live::{csrf_fits, same_session};
use crate::session::refresh_store::{RefreshKey, RefreshOutcome, RenewedTokens, Turn};
use crate::session::set_cookies::SetCookies;
use crate::session::tokens::{RefreshContent, Session, SessionWriter, Tokens};

pub(super) async fn handle(call: Call<'_>) -> Result<Answer, Failure> {
    let service = &call.worker.service;
    let csrf = check_csrf(call.headers, &service.csrf_header, &call.cookies)?;
    let opened = required_cookie(&call.cookies, Purpose::RefreshToken)?;
    let content = RefreshContent::parse(&opened)
        .ok_or_else(|| Failure::unauthorized("the refresh token's cookie holds no refresh token"))?;
    if !csrf_fits(csrf.session, content.session) {
        return Err(Failure::unauthorized(
            "the CSRF value and the refresh token are of different sessions",
        ));
    }
    let id_token = call
        .cookies
        .open(Purpose::IdToken)
        .ok()
        .filter(|id| same_session(id.session, content.session));
    let id_token = id_token.and_then(|opened| String::from_utf8(opened.value.to_vec()).ok());

    let renewed = match renew(call.worker, &content, id_token.clone()).await {
        Ok(renewed) => renewed,
        Err(refusal) => return Err(refused(&call, refusal)),
    };

    let session = match (content.session, content.started_at) {
        (Some(id), Some(started_at)) => Session { id, started_at },
        _ => Session::new(call.now)?,
    };
    let tokens = Tokens {
        access_token: &renewed.access_token,
        access_token_expires_at: renewed.access_token_expires_at,
        refresh_token: Some(&renewed.refresh_token),
        refresh_token_expires_at: renewed.refresh_token_expires_at,
        id_token: renewed
            .id_token
            .as_ref()
            .map(|id_token| id_token.as_str())
            .or(id_token.as_deref()),
    };
    let mut set_cookies = SetCookies::new(&call.cookies);
    SessionWriter::new(&mut set_cookies, session, service.lifetimes, clock::now()).write(&tokens, &csrf.value, None)?;
    Ok(Answer {
        body: None,
        set_cookies: set_cookies.into_lines(),
    })
}

/// Leads the refresh, or gets the tokens of the one that is under way or just over.
async fn renew(worker: &Worker, content: &RefreshContent, id_token: Option<String>) -> RefreshOutcome {
    let service = &worker.service;
    let session = content.session.unwrap_or(SessionId::NONE);
    let key = RefreshKey::new(session, &content.refresh_token);
    // No caller waits longer than a leader may take.
    let turn = tokio::time::timeout(service.refresh_bound, service.refreshes.join(key)).await;
    match turn {
        Err(_) => Err(Refusal::AuthorizationServerError),
        Ok(Turn::Settled(outcome)) => {
            service.metrics.refresh_coalesced();
            outcome
        }
        Ok(Turn::Lead) => {
            let flight = Flight {
                service: Arc::clone(service),
                client: Rc::clone(&worker.client),
                session,
                refresh_token: content.refresh_token.clone(),
                id_token,
            };
            let work = async move {
                let (service, client) = (Arc::clone(&flight.service), Rc::clone(&flight.client));
                let outcome = flight.run().await;
                let settled = service.refreshes.settle(key, outcome.clone()).await;
                if let (Ok(tokens), Err(_)) = (&outcome, &settled) {
                    // Signed out meanwhile: the new token must not stay behind where nobody holds it.
                    client.revoke(&tokens.refresh_token).await;
                }
                settled
            };
            // A task of its own: when this caller hangs up, the rotated token must still reach the others, and the
            // browser's next attempt.
            let task = match RequestId::current() {
                Some(id) => actix_web::rt::spawn(id.scope(work)),
                None => actix_web::rt::spawn(work),
            };
            task.await.unwrap_or(Err(Refusal::ServerError))
        }
    }
}

/// One refresh at the authorization server.
struct Flight {
    service: Arc<Service>,
    client: Rc<OAuthClient>,
    session: SessionId,
    refresh_token: zeroize::Zeroizing<String>,
    id_token: Option<String>,
}

impl Flight {
    async fn run(self) -> RefreshOutcome {
        let answer = self.client.refresh(&self.refresh_token, self.id_token.as_deref()).await;
        let tokens = match answer {
            Ok(tokens) => tokens,
            Err(error) => {
                log::warn!("refresh of session {} failed: {error}", session_name(self.session));
                return Err(match error {
                    OAuthError::InvalidGrant => Refusal::SessionExpired,
                    error => Failure::from(error).refusal(),
                });
            }
        };
        let now = clock::now();
        log::info!(target: AUDIT, "refresh succeeded: session {}", session_name(self.session));
        Ok(Arc::new(RenewedTokens {
            access_token_expires_at: self.service.access_token_expires_at(tokens.expires_in, now),
            access_token: tokens.access_token.into(),
            refresh_token: tokens.refresh_token.map_or(self.refresh_token, Into::into),
            refresh_token_expires_at: tokens.refresh_expires_in.map(|seconds| now.saturating_add(seconds)),
            id_token: tokens.id_token.map(|id_token| id_token.raw.into()),
        }))
    }
}

fn refused(call: &Call<'_>, refusal: Refusal) -> Failure {
    let failure = Failure::new(refusal, "the refresh failed");
    if refusal != Refusal::SessionExpired {
        return failure;
    }
    let mut set_cookies = SetCookies::new(&call.cookies);
    set_cookies.clear_session();
    failure.with_cookies(set_cookies.into_lines())
}
