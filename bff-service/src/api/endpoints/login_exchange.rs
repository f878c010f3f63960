//! The code exchange of a login, which happens once for all calls that complete the login. A page that mounts twice and
//! a service worker that repeats a request complete a login twice at once. If the exchange outlasts its caller, the
//! next call gets the result. All responses begin the same session.
//!
//! The login cookie binds the calls to each other: the sealed code verifier identifies the exchange.

use std::rc::Rc;
use std::sync::Arc;

use crate::error_code::ErrorCode;
use bff_core::cookie::seal::Binding;
use serde_json::Value;
use zeroize::Zeroizing;

use super::claims::claims_of;
use super::refresh_exchange::newest_tokens;
use crate::api::call::Call;
use crate::api::error::{ApiError, Reason};
use crate::application::Application;
use crate::application::exchanges::Exchange;
use crate::clock;
use crate::oauth::{OAuthClient, TokenSet};
use crate::random;
use crate::session::current_session::RequestSession;
use crate::session::identity::Session;
use crate::session::pending_logins::PendingLogin;
use crate::session::refresh::store::{BegunSession, Holder, RefreshKey, RenewedTokens, Role};
use crate::session::tokens::Tokens;
use crate::telemetry::logging::{AUDIT, session_name, subject};

/// One call's part in the exchange.
pub(in crate::api) struct LoginExchange {
    application: Arc<Application>,
    code: Zeroizing<String>,
    login: PendingLogin,
    /// Whether the browser can register a key of the device for the session.
    can_register: bool,
    /// The CSRF value and the user of this browser's current session.
    previous: Option<Previous>,
}

struct Previous {
    subject: String,
    csrf: Zeroizing<Vec<u8>>,
}

/// A completed login.
pub(in crate::api) struct Completed {
    /// The tokens, and the session that begins with them.
    pub(in crate::api) tokens: Arc<RenewedTokens>,
    /// Whether this call exchanged the code, and its result is the one that all calls got. True for at most one call.
    pub(in crate::api) is_leader: bool,
}

/// The result. A leader gets an error with its details. Followers get only the error code.
type Exchanged = Result<Arc<RenewedTokens>, ApiError>;

impl LoginExchange {
    /// `code` belongs to `login`, which is in a cookie of `call`.
    pub(in crate::api) fn new(
        call: &Call<'_>,
        code: String,
        login: &PendingLogin,
        can_register: bool,
    ) -> LoginExchange {
        LoginExchange {
            application: Arc::clone(&call.worker.application),
            code: code.into(),
            login: login.clone(),
            can_register,
            previous: Previous::of(call),
        }
    }

    /// Leads the exchange, or waits for its result.
    pub(in crate::api) async fn run(self) -> Result<Completed, ApiError> {
        let exchanges = Arc::clone(&self.application.exchanges);
        let exchanged = exchanges.begin(|client, _| self.join(client)).await;
        exchanged.unwrap_or_else(|| {
            let why = format!(
                "token request timed out after {} ms",
                exchanges.times().wait.as_millis()
            );
            Err(ApiError::new(ErrorCode::AuthorizationServerError, why))
        })
    }

    async fn join(self, client: Rc<OAuthClient>) -> Result<Completed, ApiError> {
        let application = &self.application;
        let key = RefreshKey::of_login(&self.login.state, &self.login.code_verifier, &self.code);
        match application.refreshes.join(key, Holder::Nobody).await {
            Role::Leader(lease) => {
                let exchanged = self.lead(&client).await;
                let outcome = match &exchanged {
                    Ok(tokens) => Ok(Arc::clone(tokens)),
                    Err(failure) => Err(failure.error_code()),
                };
                // The leader returns its own error with all details, unless another leader has succeeded.
                let published = application.refreshes.publish(key, lease, outcome).await;
                match (published, exchanged) {
                    // Another leader may have replaced this one, with another session.
                    (Ok(tokens), own) => Ok(Completed {
                        is_leader: own.is_ok_and(|own| own.is_of_the_same_new_session(&tokens)),
                        tokens,
                    }),
                    (Err(_), exchanged) => exchanged.map(|tokens| Completed {
                        tokens,
                        is_leader: false,
                    }),
                }
            }
            Role::Follower(outcome) | Role::Replay(outcome) => match outcome {
                Ok(tokens) if self.is_ended(&tokens) => {
                    let failure = ApiError::invalid("the session that began with this login has ended");
                    Err(failure.because(Reason::SessionEnded))
                }
                Ok(tokens) => Ok(Completed {
                    tokens: self.newest(tokens).await,
                    is_leader: false,
                }),
                Err(code) => Err(ApiError::new(
                    code,
                    "completing this login failed in another call, whose log line has the cause",
                )),
            },
        }
    }

    /// The current tokens of the session: the cookie of a used refresh token must not replace that of the newer one.
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

    /// Whether the session was ended in the meantime.
    fn is_ended(&self, tokens: &RenewedTokens) -> bool {
        let ended = &self.application.ended;
        tokens
            .begun
            .as_ref()
            .is_none_or(|begun| ended.has_ended(&begun.session.id, begun.session.started_at))
    }

    async fn lead(&self, client: &Rc<OAuthClient>) -> Exchanged {
        let login = &self.login;
        // A logout from now on may refer to the tokens that the authorization server is about to issue.
        let (requested_at, seen) = (clock::now(), self.application.ended_by_now().await);
        let redirect_uri = self.application.redirect_uri(login.return_to.is_some());
        let exchange = Box::pin(client.exchange_code(
            &self.code,
            &login.code_verifier,
            redirect_uri,
            &login.nonce,
            &login.requirements,
        ));
        let response = self.application.exchanges.run_in_time(Exchange::Code, exchange).await;
        let tokens = response.unwrap_or_else(|timed_out| Err(timed_out.into()))?;
        self.begin_session(tokens, requested_at, seen).await
    }

    /// Begins a session with a new id, whatever session the browser had before: a planted session must not become this
    /// user's session. `seen` is the state of the list of ended sessions at `requested_at` (seconds since 1970), when
    /// the tokens were requested. If the sessions of the user, those with the `sid`, or all sessions were ended since, the
    /// service revokes the tokens.
    async fn begin_session(&self, tokens: TokenSet, requested_at: u64, seen: u64) -> Exchanged {
        let application = &self.application;
        let now = clock::now();
        let claim = |name: &str| {
            let id_token = tokens.id_token.as_ref()?;
            id_token.claims.get(name).and_then(Value::as_str)
        };
        let issuer = &application.config.authorization_server.issuer;
        let session = Session::new(issuer, claim("sub"), claim("sid"), requested_at)?;
        let Some(started_at) = application.ended.begin(&session.id, requested_at, seen) else {
            application.revoke(
                tokens.refresh_token.map(Zeroizing::from),
                Some(tokens.access_token.into()),
            );
            let why = "the session was ended while its tokens were requested";
            return Err(ApiError::new(ErrorCode::LoginRequired, why).because(Reason::SessionEnded));
        };
        // Without a refresh token the session ends soon, and no refresh can decide that it is unbound.
        let can_bind = self.can_register && tokens.refresh_token.is_some();
        let binding = match can_bind && application.begin_provisional(&session.id, started_at, now).await {
            true => Binding::Provisional,
            false => Binding::Unbound,
        };
        let session = Session {
            started_at,
            binding,
            ..session
        };
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
            // If no caller gets this result, the page begins another login.
            is_undelivered: false,
            // The granted scope is the requested one unless the response says otherwise (RFC 6749, section 5.1).
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
        application.metrics.count_login();
        log::info!(
            target: AUDIT,
            event = "login",
            session = name.as_str(),
            subject = subject.as_str();
            "completed login: session {name}"
        );
        Ok(Arc::new(renewed))
    }
}

impl Previous {
    /// The user's other tabs have the CSRF value of this browser's current session, and a login in one of them must not
    /// break the others. If another user signs in, the value does not stay: that session may be planted.
    fn of(call: &Call<'_>) -> Option<Previous> {
        let session = RequestSession::of(&call.cookies).ok()?;
        let claims = claims_of(session.id_token.as_ref().ok()?).ok()?;
        let subject = claims.get("sub")?.as_str()?.to_owned();
        // A cookie of version 1 does not say to which session it belongs.
        let csrf = session.csrf.ok().filter(|csrf| csrf.session.is_some())?;
        Some(Previous {
            subject,
            csrf: csrf.value,
        })
    }
}
