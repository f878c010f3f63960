//! A web application, with its own client at an authorization server, hosts, origins, cookies and keys. All workers
//! share it.
//!
//! * [`routing`]: the requests that belong to it.
//! * [`live_settings`]: the settings that the service reloads.
//! * [`exchanges`]: exchanges of codes and refresh tokens, which must not be lost.

pub mod exchanges;
pub mod live_settings;
pub mod routing;

use std::sync::Arc;
use std::time::Duration;

use bff_core::cookie::session_id::SessionId;
use bff_core::session::ended_sessions::{AllEnded, Ended};
use oauth2::RedirectUrl;
use zeroize::Zeroizing;

use self::exchanges::Exchanges;
use self::live_settings::LiveSettings;
use self::routing::Routing;
use crate::clock;
use crate::config::{Config, CookiePaths, DeviceBinding};
use crate::oauth::AuthorizationServer;
use crate::oauth::exchange_times::ExchangeTimes;
use crate::oauth::logout_token;
use crate::random;
use crate::session::cookies::settings::CookieSettings;
use crate::session::device_binding::challenge::Challenges;
use crate::session::device_binding::decisions::BindingDecisions;
use crate::session::device_binding::{CHALLENGE_EXTRA_SECONDS, MIN_OFFER_SECONDS, REGISTRATION_SECONDS};
use crate::session::ended;
use crate::session::ended::redis_sync;
use crate::session::fit;
use crate::session::identity::{ReplicaId, Session, SessionLifetimes};
use crate::session::logout_state::LogoutStates;
use crate::session::one_time_ids::OneTimeIds;
use crate::session::pending_logins::PendingLogin;
use crate::session::redis::Redis;
use crate::session::refresh::in_process::{InProcessRefreshStore, RefreshStoreLimits};
use crate::session::refresh::redis::{self, RedisRefreshStore};
use crate::session::refresh::store::RefreshStore;
use crate::session::tokens::Tokens;
use crate::session::writer::WriteError;
use crate::telemetry::metrics::Metrics;

/// Assumed lifetime of an access token for which the authorization server states none, in seconds. No security depends
/// on it: the API decides whether it accepts the token.
const UNSTATED_ACCESS_TOKEN_SECONDS: u64 = 3600;

/// How long the id of a used logout token is stored, in seconds: until the token is refused for its age, plus one
/// minute of clock skew in each direction.
const LOGOUT_TOKEN_SECONDS: u64 = logout_token::MAX_AGE_SECONDS + 120;
/// How long a used challenge is stored, in seconds: its longest lifetime, plus one minute of clock skew in each
/// direction.
const MAX_CHALLENGE_SECONDS: u64 = 600 + CHALLENGE_EXTRA_SECONDS + 120;

/// The parts of an application, built once from its configuration.
pub struct Application {
    /// The configuration.
    pub config: Arc<Config>,
    /// The authorization server's metadata and JWKS.
    pub authorization_server: AuthorizationServer,
    /// The settings that the service reloads.
    pub live: LiveSettings,
    /// The requests that belong to the application.
    pub routing: Routing,
    /// How cookies are named, sealed and sent.
    pub cookies: CookieSettings,
    /// Configured lifetimes of sessions.
    pub lifetimes: SessionLifetimes,
    /// Combines concurrent refreshes.
    pub refreshes: Arc<dyn RefreshStore>,
    /// Exchanges at the token endpoint.
    pub exchanges: Arc<Exchanges>,
    /// The ended sessions.
    pub ended: ended::List,
    /// The used logout tokens.
    pub logout_tokens: OneTimeIds,
    /// The binding decisions.
    pub binding_decisions: BindingDecisions,
    /// The challenges that devices sign.
    pub challenges: Challenges,
    /// The used challenges.
    pub used_challenges: OneTimeIds,
    /// Recognizes the browser's return from a logout.
    pub logout_states: LogoutStates,
    /// This process.
    pub replica: ReplicaId,
    /// The metrics, which all applications share.
    pub metrics: Arc<Metrics>,
    redis: Option<Redis>,
}

/// Builds all applications of a configuration, with shared metrics. Must run where tokio runs.
///
/// # Errors
/// The configuration is invalid, or the random number generator failed.
pub fn build_all(configs: Vec<Config>) -> Result<Vec<Arc<Application>>, String> {
    let metrics = Arc::new(Metrics::default());
    let make = |config: Config| {
        let config = Arc::new(config);
        let authorization_server = AuthorizationServer::new(&config, &metrics).map_err(|error| error.to_string())?;
        Ok(Arc::new(Application::new(
            config,
            authorization_server,
            Arc::clone(&metrics),
        )?))
    };
    configs.into_iter().map(make).collect()
}

impl Application {
    /// Builds the application. Must run where tokio runs.
    ///
    /// # Errors
    /// The configuration is invalid, or the random number generator failed.
    pub fn new(
        config: Arc<Config>,
        authorization_server: AuthorizationServer,
        metrics: Arc<Metrics>,
    ) -> Result<Application, String> {
        let narrow_path = match config.cookie_paths {
            CookiePaths::Narrow => config.endpoints_prefix.clone(),
            CookiePaths::Root => "/".to_owned(),
        };
        let live = LiveSettings::new(&config, authorization_server.client_secret());
        let cookie_keys = Arc::clone(&live.cookie_keys);
        let cookies = CookieSettings {
            sealer: cookie_keys.for_cookies(),
            names: config.cookie_names().clone(),
            domain: config.cookie_domain.clone(),
            narrow_path,
            endpoints_prefix: config.endpoints_prefix.clone(),
            former_paths: config.former_cookie_paths(),
            max_parts: config.max_cookie_parts,
            binds_sessions: config.session.device_binding != DeviceBinding::Off,
        };
        let lifetimes = SessionLifetimes {
            absolute: config.session.max_lifetime_seconds,
            idle: config.session.max_idle_seconds,
        };
        let times = ExchangeTimes::of(&config.authorization_server);
        let replay_window = Duration::from_secs(config.session.refresh_replay_seconds);
        let limits = RefreshStoreLimits {
            replay_window,
            lead: times.complete_after(),
            wait: times.wait,
            entries: config.session.refresh_replay_entries,
            undelivered_elsewhere: config.redis.url.is_some(),
        };
        let redis = match &config.redis.url {
            Some(url) => {
                let timeout = Duration::from_millis(config.redis.timeout_ms);
                Some(Redis::new(
                    url.expose(),
                    timeout,
                    &config.identity(),
                    Arc::clone(&metrics),
                )?)
            }
            None => None,
        };
        let local = InProcessRefreshStore::new(limits);
        let refreshes: Arc<dyn RefreshStore> = match &redis {
            None => Arc::new(local),
            Some(redis) => Arc::new(RedisRefreshStore::new(
                local,
                redis.clone(),
                cookie_keys.for_refreshes(),
                redis::RedisRefreshSettings {
                    replay_window,
                    wait: times.wait,
                    complete_after: times.complete_after(),
                    session_affinity: config.redis.session_affinity,
                },
                Arc::clone(&metrics),
            )),
        };
        let number = || {
            random::bytes::<8>()
                .map(u64::from_be_bytes)
                .map_err(|error| error.to_string())
        };
        let ended = ended::List::new(
            config.session.ended_entries,
            config.session.ended_seconds,
            config.authorization_server.clock_skew_seconds,
            number()? as u32,
        );
        Ok(Application {
            authorization_server,
            routing: Routing::new(&config),
            cookies,
            lifetimes,
            refreshes,
            exchanges: Arc::new(Exchanges::new(times)),
            ended,
            logout_tokens: OneTimeIds::new("logout-token", LOGOUT_TOKEN_SECONDS, redis.clone()),
            binding_decisions: BindingDecisions::new(redis.clone(), clock::now()),
            challenges: Challenges::new(cookie_keys.for_challenges()),
            used_challenges: OneTimeIds::new("challenge", MAX_CHALLENGE_SECONDS, redis.clone()),
            logout_states: LogoutStates::new(cookie_keys.for_logouts()),
            live,
            replica: ReplicaId(number()?),
            metrics,
            redis,
            config,
        })
    }

    /// If `by_navigation` is true and the navigation variant is enabled, its redirect URI. Otherwise that of logins
    /// that a page starts.
    pub fn redirect_uri(&self, by_navigation: bool) -> &RedirectUrl {
        match self.config.navigation_redirect_uri() {
            Some(uri) if by_navigation => uri,
            Some(_) | None => self.config.redirect_uri(),
        }
    }

    /// The digest that binds a pending login to this application and to `redirect_uri`.
    pub fn begun_for(&self, redirect_uri: &str) -> String {
        let config = &self.config;
        PendingLogin::digest(&config.authorization_server.issuer, &config.client.id, redirect_uri)
    }

    /// The expiry time of an access token that was received at `now`, both in seconds since 1970. `expires_in` is its
    /// lifetime in seconds, if the authorization server states one.
    pub fn access_token_expires_at(&self, expires_in: Option<u64>, now: u64) -> u64 {
        now.saturating_add(expires_in.unwrap_or(UNSTATED_ACCESS_TOKEN_SECONDS))
    }

    /// If the service may offer a registration for a session that began at `started_at` and whose tokens are written at
    /// `now` (both in seconds since 1970), begins the session as provisional. Returns whether it did.
    pub async fn begin_provisional(&self, session: &SessionId, started_at: u64, now: u64) -> bool {
        let until = started_at.saturating_add(REGISTRATION_SECONDS);
        self.config.session.device_binding == DeviceBinding::WhereSupported
            && until >= now.saturating_add(MIN_OFFER_SECONDS)
            && self.binding_decisions.begin(session, now).await
    }

    /// Checks whether new tokens of a session fit into its cookies.
    ///
    /// # Errors
    /// The tokens do not fit, or sealing failed.
    pub fn check_fit(&self, tokens: &Tokens<'_>, session: Session, now: u64) -> Result<(), WriteError> {
        fit::check(tokens, session, &self.cookies, &self.ended, self.lifetimes, now)
    }

    /// Revokes these tokens in the background. Only a shutdown waits for the revocation.
    pub fn revoke(&self, refresh_token: Option<Zeroizing<String>>, access_token: Option<Zeroizing<String>>) {
        // A failure is logged.
        drop(
            self.exchanges
                .begin_in_background(async move |client| client.revoke(refresh_token, access_token).await),
        );
    }

    /// Ends the sessions that began by `now` (seconds since 1970), here and, with Redis, at the other replicas. Returns
    /// whether the other replicas know, or will know after about a second.
    pub async fn end(&self, ended: Ended, now: u64) -> bool {
        match self.ended.end(ended, now) {
            Some(until) => self.tell(ended, now, until).await,
            None => true,
        }
    }

    /// Ends all sessions that began before `before`, at `now` (both in seconds since 1970), here and, with Redis, at
    /// the other replicas. Returns what has ended, and whether the other replicas know, or will know after about a second.
    pub async fn end_all(&self, before: u64, now: u64) -> (AllEnded, bool) {
        // A session may have begun right after an entry of another replica.
        self.ended_by_now().await;
        let all = self.ended.end_all(before, now);
        let all_know = match &self.redis {
            Some(redis) => redis_sync::publish_all(redis, &self.ended, all).await,
            None => false,
        };
        (all, all_know)
    }

    /// Like [`Application::end`], for an unauthenticated caller. Returns whether the list had room for the entry.
    pub async fn end_if_room(&self, ended: Ended, now: u64) -> bool {
        let Some(until) = self.ended.end_if_room(ended, now) else {
            return false;
        };
        self.tell(ended, now, until).await;
        true
    }

    async fn tell(&self, ended: Ended, now: u64, until: u64) -> bool {
        match &self.redis {
            Some(redis) => redis_sync::publish(redis, &self.ended, ended, now, until).await,
            None => false,
        }
    }

    /// The state of the list of ended sessions, including, if Redis is available, the entries of other replicas. Call it
    /// before the token request of a login, and pass the result to [`ended::List::begin`].
    pub async fn ended_by_now(&self) -> u64 {
        if let Some(redis) = &self.redis {
            redis_sync::catch_up(redis, &self.ended).await;
        }
        self.ended.changes()
    }

    /// Whether Redis is configured, and the last command to it failed.
    pub fn is_redis_unavailable(&self) -> bool {
        self.redis.as_ref().is_some_and(Redis::is_unavailable)
    }

    /// Runs the background tasks. Never returns. Spawn it once in a process, on a thread that runs actix.
    pub async fn run_background(&self) {
        let follow = async {
            match &self.redis {
                Some(redis) => redis_sync::follow(redis.clone(), self.ended.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.authorization_server.clone().keep_fresh(), follow);
    }
}
