//! The token request of a refresh: one for all callers with the same refresh token. If the request outlasts its
//! callers, the next caller gets the result.

use std::rc::Rc;
use std::sync::Arc;

use crate::error_code::ErrorCode;
use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::SessionId;
use zeroize::Zeroizing;

use crate::api::error::{ApiError, Reason, code_of_failed_refresh};
use crate::application::Application;
use crate::application::exchanges::{Caller, Exchange};
use crate::clock;
use crate::oauth::OAuthClient;
use crate::session::identity::{ReplicaId, Session};
use crate::session::refresh::store::{Holder, RefreshKey, RefreshOutcome, RenewedTokens, Role};
use crate::session::refresh_cookie::RefreshContent;
use crate::session::tokens::Tokens;
use crate::telemetry::logging::{AUDIT, session_name};
use crate::telemetry::metrics::RefreshKind;

/// Maximum number of rotations that a late caller follows. There are several only if the session was refreshed several
/// times within the replay window.
const MAX_ROTATIONS: usize = 10;

/// Leads the refresh, or returns the tokens of one that is in progress or just completed.
pub(in crate::api) async fn renew(
    application: &Arc<Application>,
    content: RefreshContent,
    id_token: Option<String>,
) -> RefreshOutcome {
    let exchange = RefreshExchange {
        application: Arc::clone(application),
        session: content.session.unwrap_or(SessionId::NONE),
        began_at: content.started_at.unwrap_or_default(),
        renewed: content.renewed,
        refresh_token: content.refresh_token,
        scope: content.scope,
        id_token,
    };
    let outcome = application
        .exchanges
        .begin(|client, caller| exchange.run(client, caller))
        .await;
    outcome.unwrap_or_else(|| {
        // If Redis is unavailable, the exchange may still be waiting for it.
        Err(match application.is_redis_unavailable() {
            true => ErrorCode::RefreshUnavailable,
            false => ErrorCode::AuthorizationServerError,
        })
    })
}

/// The error of a refresh after which the session cannot continue.
pub(in crate::api) fn session_over() -> ApiError {
    let why = "the authorization server no longer accepts the refresh token or sent an invalid ID token, or the \
               session has ended meanwhile";
    ApiError::new(ErrorCode::SessionExpired, why).because(Reason::RefreshTokenRefused)
}

/// The tokens of a refresh. If the response has no scope or no ID token, the earlier one stays.
pub(in crate::api) fn completed<'a>(
    renewed: Tokens<'a>,
    scope: Option<&'a str>,
    id_token: Option<&'a str>,
) -> Tokens<'a> {
    Tokens {
        scope: renewed.scope.or(scope),
        id_token: renewed.id_token.or(id_token),
        ..renewed
    }
}

/// The current tokens of a session, if known in this store: those of the last refresh in the chain that began with
/// `refresh_token`.
pub(in crate::api) async fn newest_tokens(
    application: &Application,
    session: SessionId,
    refresh_token: &str,
) -> Option<Arc<RenewedTokens>> {
    let settled = |token: &str| application.refreshes.published(RefreshKey::new(session, token));
    let mut newest = settled(refresh_token).await?;
    for _ in 0..MAX_ROTATIONS {
        match settled(&newest.refresh_token).await {
            Some(newer) if newest.rotated => newest = newer,
            _ => break,
        }
    }
    Some(newest)
}

/// The refresh of one caller.
struct RefreshExchange {
    application: Arc<Application>,
    session: SessionId,
    /// The time at which the session began, in seconds since 1970; 0 in a session of version 1.
    began_at: u64,
    /// The replica that received the refresh token, and when (seconds since 1970), if known.
    renewed: Option<(ReplicaId, u64)>,
    refresh_token: Zeroizing<String>,
    /// The granted scope, if known.
    scope: Option<String>,
    id_token: Option<String>,
}

impl RefreshExchange {
    async fn run(mut self, client: Rc<OAuthClient>, caller: Caller) -> RefreshOutcome {
        let (outcome, how) = self.join(&client, &caller).await;
        let outcome = match outcome {
            Ok(_) if self.is_ended() => Err(ErrorCode::SessionExpired),
            outcome => outcome,
        };
        let how = if outcome.is_ok() { how } else { RefreshKind::Failed };
        self.application.metrics.count_refresh(how);
        outcome
    }

    async fn join(&mut self, client: &Rc<OAuthClient>, caller: &Caller) -> (RefreshOutcome, RefreshKind) {
        for _ in 0..MAX_ROTATIONS {
            let key = RefreshKey::new(self.session, &self.refresh_token);
            match self.application.refreshes.join(key, self.holder()).await {
                Role::Follower(outcome) => return (outcome, RefreshKind::Coalesced),
                Role::Replay(Ok(tokens)) if self.is_outdated(&tokens).await => self.follow(&tokens),
                Role::Replay(outcome) => return (outcome, RefreshKind::Replayed),
                Role::Leader(lease) => {
                    let outcome = self.lead(client, caller).await;
                    let outcome = self.application.refreshes.publish(key, lease, outcome).await;
                    let outcome = self.reject_if_ended(outcome).await;
                    let how = match &outcome {
                        Ok(tokens) if tokens.rotated => RefreshKind::Rotated,
                        _ => RefreshKind::Renewed,
                    };
                    return (outcome, how);
                }
            }
        }
        (Err(ErrorCode::AuthorizationServerError), RefreshKind::Failed)
    }

    /// Whether earlier tokens, with a rotated refresh token, are outdated: the access token has expired, or the refresh
    /// token has been used since, and its cookie must not replace that of the newer one.
    async fn is_outdated(&self, tokens: &RenewedTokens) -> bool {
        let next = RefreshKey::new(self.session, &tokens.refresh_token);
        tokens.rotated && (!tokens.is_live(clock::now()) || self.application.refreshes.published(next).await.is_some())
    }

    /// Continues as if the caller's cookies contained these tokens.
    fn follow(&mut self, tokens: &RenewedTokens) {
        self.refresh_token = tokens.refresh_token.clone();
        self.renewed = Some((tokens.renewed_by, tokens.renewed_at));
        self.scope = tokens.scope.clone().or_else(|| self.scope.take());
        if let Some(id_token) = &tokens.id_token {
            self.id_token = Some(id_token.to_string());
        }
    }

    fn holder(&self) -> Holder {
        match self.renewed {
            Some((replica, at)) if replica == self.application.replica => Holder::ThisProcess(at),
            _ => Holder::AnyProcess,
        }
    }

    /// Whether the session was ended in the meantime.
    fn is_ended(&self) -> bool {
        self.application.ended.has_ended(&self.session, self.began_at)
    }

    /// Returns the result after publication. A logout first ends the session and then looks for newer tokens. A refresh
    /// first publishes the tokens and then looks for a logout. At one replica, or with Redis, whichever is second sees the
    /// other, and revokes the tokens.
    async fn reject_if_ended(&self, outcome: RefreshOutcome) -> RefreshOutcome {
        if outcome.is_ok() {
            self.application.ended_by_now().await;
        }
        match outcome {
            Ok(tokens) if self.is_ended() => {
                self.application
                    .revoke(Some(tokens.refresh_token.clone()), Some(tokens.access_token.clone()));
                Err(ErrorCode::SessionExpired)
            }
            outcome => outcome,
        }
    }

    /// Sends the token request on behalf of all callers that wait.
    async fn lead(&self, client: &Rc<OAuthClient>, caller: &Caller) -> RefreshOutcome {
        // Boxed: a caller that only waits does not need this memory.
        let scope = self.scope.as_deref();
        let refresh = Box::pin(client.refresh(&self.refresh_token, self.id_token.as_deref(), scope));
        let response = self
            .application
            .exchanges
            .run_in_time(Exchange::RefreshToken, refresh)
            .await;
        let response = response.unwrap_or_else(|timed_out| Err(timed_out.into()));
        let tokens = match response {
            Ok(tokens) => tokens,
            Err(error) => {
                let name = session_name(self.session);
                let code = code_of_failed_refresh(&error);
                let level = match code == ErrorCode::AuthorizationServerError {
                    true => log::Level::Error,
                    false => log::Level::Warn,
                };
                log::log!(
                    target: AUDIT,
                    level,
                    event = "refresh_failed",
                    session = name.as_str();
                    "refresh of session {name} failed: {error}"
                );
                return Err(code);
            }
        };
        let now = clock::now();
        let access_token = Zeroizing::new(tokens.access_token);
        let refresh_token = match tokens.refresh_token {
            Some(token) => Zeroizing::new(token),
            None => self.refresh_token.clone(),
        };
        if self.is_ended() {
            // The session was ended in the meantime: the new tokens are revoked, because no browser gets them.
            self.application.revoke(Some(refresh_token), Some(access_token));
            return Err(ErrorCode::SessionExpired);
        }
        let renewed = RenewedTokens {
            access_token_expires_at: self.application.access_token_expires_at(tokens.expires_in, now),
            access_token,
            rotated: refresh_token != self.refresh_token,
            is_undelivered: !caller.is_waiting(),
            refresh_token,
            scope: tokens.scope,
            refresh_token_expires_at: tokens.refresh_expires_in.map(|seconds| now.saturating_add(seconds)),
            id_token: tokens.id_token.map(|id_token| id_token.raw.into()),
            renewed_by: self.application.replica,
            renewed_at: now,
            begun: None,
        };
        let name = session_name(self.session);
        let session = Session {
            id: self.session,
            started_at: self.began_at,
            // The length of a sealed value does not depend on the binding.
            binding: Binding::Unbound,
        };
        let written = Tokens {
            scope: renewed.scope.as_deref().or(self.scope.as_deref()),
            // Without a new ID token, the previous one is written again.
            id_token: renewed
                .id_token
                .as_deref()
                .map(String::as_str)
                .or(self.id_token.as_deref()),
            ..Tokens::from(&renewed)
        };
        if let Err(error) = self.application.check_fit(&written, session, now) {
            log::error!(
                target: AUDIT,
                event = "refresh_failed",
                session = name.as_str();
                "refresh of session {name} failed: {error}"
            );
            // A refresh token that was not rotated is still in the browser's cookie.
            let rotated = renewed.rotated.then_some(renewed.refresh_token);
            self.application.revoke(rotated, Some(renewed.access_token));
            return Err(ErrorCode::ServerError);
        }
        log::info!(target: AUDIT, event = "refresh", session = name.as_str(); "refreshed session {name}");
        Ok(Arc::new(renewed))
    }
}
