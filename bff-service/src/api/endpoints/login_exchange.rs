//! The exchange behind a login: of one code, once, for however many calls finish that login. A page that mounts twice and a
//! service worker that repeats a request finish it twice at once, and one that takes longer than its caller waits is there
//! for the next call. All answers begin one and the same session.
//!
//! What binds the calls is the login cookie: the exchange is named by the code verifier, which is sealed in there.

use std::rc::Rc;
use std::sync::Arc;

use crate::error_code::ErrorCode;
use serde_json::Value;
use zeroize::Zeroizing;

use super::claims::claims_of;
use super::refresh_exchange::newest_tokens;
use crate::api::call::Call;
use crate::api::error::{ApiError, Reason};
use crate::application::Application;
use crate::application::exchanges::Exchange;
use crate::clock;
use crate::oauth::{OAuthClient, OAuthError, TokenSet};
use crate::random;
use crate::session::current_session::RequestSession;
use crate::session::identity::Session;
use crate::session::pending_logins::PendingLogin;
use crate::session::refresh::store::{BegunSession, Holder, RefreshKey, RenewedTokens, Role};
use crate::session::writer::Tokens;
use crate::telemetry::logging::{AUDIT, session_name, subject};

/// One call's part in it.
pub(in crate::api) struct LoginExchange {
    application: Arc<Application>,
    code: Zeroizing<String>,
    login: PendingLogin,
    /// The CSRF value of this browser's session, and the user whose it is.
    previous: Option<Previous>,
}

struct Previous {
    subject: String,
    csrf: Zeroizing<Vec<u8>>,
}

/// What the leader got: a failure in detail, as the others are told no more than the refusal.
type Exchanged = Result<Arc<RenewedTokens>, ApiError>;

impl LoginExchange {
    /// Of the code that came for `login`, which was in the login cookie of `call`.
    pub(in crate::api) fn new(call: &Call<'_>, code: String, login: &PendingLogin) -> LoginExchange {
        LoginExchange {
            application: Arc::clone(&call.worker.application),
            code: code.into(),
            login: login.clone(),
            previous: Previous::of(call),
        }
    }

    /// Leads the exchange, or gets what came of it.
    pub(in crate::api) async fn run(self) -> Exchanged {
        let exchanges = Arc::clone(&self.application.exchanges);
        let exchanged = exchanges.begin(|client| self.join(client)).await;
        exchanged.unwrap_or_else(|| {
            let why = "the token endpoint did not answer in time";
            Err(ApiError::new(ErrorCode::AuthorizationServerError, why))
        })
    }

    async fn join(self, client: Rc<OAuthClient>) -> Exchanged {
        let application = &self.application;
        let key = RefreshKey::of_login(&self.login.state, &self.login.code_verifier, &self.code);
        match application.refreshes.join(key, Holder::Nobody).await {
            Role::Leader(lease) => {
                let exchanged = self.lead(&client).await;
                let outcome = match &exchanged {
                    Ok(tokens) => Ok(Arc::clone(tokens)),
                    Err(failure) => Err(failure.error_code()),
                };
                // A failure is this call's own, with all of its detail, unless another one knows better.
                match application.refreshes.publish(key, lease, outcome).await {
                    Ok(tokens) => Ok(tokens),
                    Err(_) => exchanged,
                }
            }
            Role::Follower(outcome) | Role::Replay(outcome) => match outcome {
                Ok(tokens) if self.is_over(&tokens) => {
                    let failure = ApiError::invalid("the session that began with this login has ended");
                    Err(failure.because(Reason::SessionEnded))
                }
                Ok(tokens) => Ok(self.newest(tokens).await),
                Err(refusal) => Err(ApiError::new(refusal, "another call that finished this login failed")),
            },
        }
    }

    /// The tokens that the session has by now: the cookie of a refresh token that has been used must not come over that of the
    /// newer one.
    async fn newest(&self, tokens: Arc<RenewedTokens>) -> Arc<RenewedTokens> {
        let Some(begun) = &tokens.begun else { return tokens };
        match newest_tokens(&self.application, begun.session.id, &tokens.refresh_token).await {
            Some(newer) => Arc::new(RenewedTokens {
                begun: Some(begun.clone()),
                scope: newer.scope.clone().or_else(|| tokens.scope.clone()),
                id_token: newer.id_token.clone().or_else(|| tokens.id_token.clone()),
                ..(*newer).clone()
            }),
            None => tokens,
        }
    }

    /// Whether the session was ended meanwhile.
    fn is_over(&self, tokens: &RenewedTokens) -> bool {
        let ended = &self.application.ended;
        tokens
            .begun
            .as_ref()
            .is_none_or(|begun| ended.contains(&begun.session.id, begun.session.started_at))
    }

    async fn lead(&self, client: &Rc<OAuthClient>) -> Exchanged {
        let login = &self.login;
        // A logout that comes from now on may be of what the server is about to issue tokens for.
        let (asked_at, seen) = (clock::now(), self.application.ended_by_now().await);
        let redirect_uri = self.application.redirect_uri(login.return_to.is_some());
        let exchange = Box::pin(client.exchange_code(
            &self.code,
            &login.code_verifier,
            redirect_uri,
            &login.nonce,
            &login.requirements,
        ));
        let answer = self.application.exchanges.in_time(Exchange::Code, exchange).await;
        let tokens = answer.unwrap_or_else(|| Err(OAuthError::Unavailable("no answer in time".to_owned())))?;
        self.begin_session(tokens, asked_at, seen)
    }

    /// Begins a session with a new id, whatever was in the browser before: a session that somebody else put there must not
    /// become this user's. `seen` is what had ended at `asked_at` (UNIX seconds), when the tokens were asked for; where its user
    /// or its login was ended since, the tokens are given back.
    fn begin_session(&self, tokens: TokenSet, asked_at: u64, seen: u64) -> Exchanged {
        let application = &self.application;
        let now = clock::now();
        let claim = |name: &str| {
            let id_token = tokens.id_token.as_ref()?;
            id_token.claims.get(name).and_then(Value::as_str)
        };
        let issuer = &application.config.authorization_server.issuer;
        let session = Session::new(issuer, claim("sub"), claim("sid"), asked_at)?;
        let Some(started_at) = application.ended.begin(&session.id, asked_at, seen) else {
            application.revoke(
                tokens.refresh_token.map(Zeroizing::from),
                Some(tokens.access_token.into()),
            );
            let why = "the login was ended while its tokens were being requested";
            return Err(ApiError::new(ErrorCode::LoginRequired, why).because(Reason::SessionEnded));
        };
        let session = Session { started_at, ..session };
        let csrf = match &self.previous {
            Some(previous) if Some(previous.subject.as_str()) == claim("sub") => previous.csrf.clone(),
            _ => Zeroizing::new(random::token()?.into_bytes()),
        };
        let name = session_name(session.id);
        let subject = subject(claim("sub")).to_owned();
        let renewed = RenewedTokens {
            access_token_expires_at: application.access_token_expires_at(tokens.expires_in, now),
            access_token: tokens.access_token.into(),
            refresh_token: tokens.refresh_token.unwrap_or_default().into(),
            rotated: true,
            // What was asked for is what was granted, unless the server says otherwise (RFC 6749, section 5.1).
            scope: tokens.scope.or_else(|| Some(application.config.client.scope.clone())),
            refresh_token_expires_at: tokens.refresh_expires_in.map(|seconds| now.saturating_add(seconds)),
            id_token: tokens.id_token.map(|id_token| id_token.raw.into()),
            renewed_by: application.replica,
            renewed_at: now,
            begun: Some(BegunSession { session, csrf }),
        };
        if let Err(error) = application.check_fit(&Tokens::from(&renewed), session, now) {
            application.revoke(Some(renewed.refresh_token), Some(renewed.access_token));
            return Err(error.into());
        }
        application.metrics.logged_in();
        log::info!(
            target: AUDIT,
            event = "login",
            session = name.as_str(),
            subject = subject.as_str();
            "login succeeded: session {name}"
        );
        Ok(Arc::new(renewed))
    }
}

impl Previous {
    /// The user's other tabs hold the CSRF value of this browser's live session, and signing in again in one of them must not
    /// break the rest. It is kept where the same user signs in: a session of anybody else counts as planted.
    fn of(call: &Call<'_>) -> Option<Previous> {
        let session = RequestSession::of(&call.cookies).ok()?;
        let claims = claims_of(session.id_token.as_ref().ok()?).ok()?;
        let subject = claims.get("sub")?.as_str()?.to_owned();
        // A version 1 cookie is not bound to its session.
        let csrf = session.csrf.ok().filter(|csrf| csrf.session.is_some())?;
        Some(Previous {
            subject,
            csrf: csrf.value,
        })
    }
}
