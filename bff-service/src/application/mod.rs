//! One application: a client of one authorization server, with its own hosts, origins, cookies and keys. All workers
//! share it.
//!
//! * [`routing`]: which requests are for it.
//! * [`live_settings`]: what of it may change while the service runs.
//! * [`exchanges`]: how a code or a refresh token is exchanged without being lost.

pub mod exchanges;
pub mod live_settings;
pub mod routing;

use std::sync::Arc;
use std::time::Duration;

use bff_core::session::ended_sessions::Ended;

use oauth2::RedirectUrl;
use zeroize::Zeroizing;

use self::exchanges::Exchanges;
use self::live_settings::LiveSettings;
use self::routing::Routing;
use crate::config::{Config, CookiePaths};
use crate::oauth::Provider;
use crate::oauth::exchange_times::ExchangeTimes;
use crate::random;
use crate::session::cookies::settings::CookieSettings;
use crate::session::ended;
use crate::session::ended::redis_sync;
use crate::session::ended::used_logout_tokens::LogoutTokens;
use crate::session::fit;
use crate::session::identity::{ReplicaId, Session, SessionLifetimes};
use crate::session::logout_state::LogoutStates;
use crate::session::pending_logins::PendingLogin;
use crate::session::redis::Redis;
use crate::session::refresh::in_process::{InProcessRefreshStore, RefreshStoreLimits};
use crate::session::refresh::redis::{self, RedisRefreshStore};
use crate::session::refresh::store::RefreshStore;
use crate::session::writer::{Tokens, WriteError};
use crate::telemetry::metrics::Metrics;

/// How long an access token counts as good where the authorization server does not say, in seconds. Nothing rests on
/// it: whoever accepts the token decides.
const UNSTATED_ACCESS_TOKEN_SECONDS: u64 = 3600;

/// The parts of an application, made once from its configuration.
pub struct Application {
    /// The configuration.
    pub config: Arc<Config>,
    /// The authorization server's metadata and keys.
    pub provider: Provider,
    /// What of it may change while the service runs.
    pub live: LiveSettings,
    /// Which requests are for it.
    pub routing: Routing,
    /// How cookies are named, sealed and sent.
    pub cookies: CookieSettings,
    /// How long sessions last.
    pub lifetimes: SessionLifetimes,
    /// Makes one of concurrent refreshes.
    pub refreshes: Arc<dyn RefreshStore>,
    /// Codes and refresh tokens on their way to the token endpoint.
    pub exchanges: Arc<Exchanges>,
    /// The sessions that are over.
    pub ended: ended::List,
    /// The logout tokens that were used.
    pub logout_tokens: LogoutTokens,
    /// Tells the browser's return from signing out from any other page load.
    pub logout_states: LogoutStates,
    /// This process.
    pub replica: ReplicaId,
    /// Counters.
    pub metrics: Arc<Metrics>,
    redis: Option<Redis>,
}

/// Makes all applications of a configuration, with one set of counters. The error is one of configuration.
pub fn all(configs: Vec<Config>) -> Result<Vec<Arc<Application>>, String> {
    let metrics = Arc::new(Metrics::default());
    let make = |config: Config| {
        let config = Arc::new(config);
        let provider = Provider::new(&config, &metrics).map_err(|error| error.to_string())?;
        Ok(Arc::new(Application::new(config, provider, Arc::clone(&metrics))?))
    };
    configs.into_iter().map(make).collect()
}

impl Application {
    /// Puts the application together. The error is one of configuration. Must run where tokio runs.
    pub fn new(config: Arc<Config>, provider: Provider, metrics: Arc<Metrics>) -> Result<Application, String> {
        let narrow_path = match config.cookie_paths {
            CookiePaths::Narrow => config.endpoints_prefix.clone(),
            CookiePaths::Root => "/".to_owned(),
        };
        let live = LiveSettings::new(&config, provider.client_secret());
        let cookie_keys = Arc::clone(&live.cookie_keys);
        let cookies = CookieSettings {
            sealer: cookie_keys.for_cookies(),
            names: config.cookie_names().clone(),
            domain: config.cookie_domain.clone(),
            narrow_path,
            endpoints_prefix: config.endpoints_prefix.clone(),
            former_paths: config.former_cookie_paths(),
            max_parts: config.max_cookie_parts,
        };
        let lifetimes = SessionLifetimes {
            absolute: config.session.max_lifetime_seconds,
            idle: config.session.max_idle_seconds,
        };
        let times = ExchangeTimes::of(&config.authorization_server);
        let replay_window = Duration::from_secs(config.session.refresh_replay_seconds);
        let limits = RefreshStoreLimits {
            replay_window,
            lead: times.over(),
            wait: times.answer,
            entries: config.session.refresh_replay_entries,
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
                    wait: times.answer,
                    over: times.over(),
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
            provider,
            routing: Routing::new(&config),
            cookies,
            lifetimes,
            refreshes,
            exchanges: Arc::new(Exchanges::new(times)),
            ended,
            logout_tokens: LogoutTokens::new(redis.clone()),
            logout_states: LogoutStates::new(cookie_keys.for_logouts()),
            live,
            replica: ReplicaId(number()?),
            metrics,
            redis,
            config,
        })
    }

    /// Where the authorization server sends the browser back to.
    pub fn redirect_uri(&self, by_navigation: bool) -> &RedirectUrl {
        match self.config.navigation_redirect_uri() {
            Some(uri) if by_navigation => uri,
            Some(_) | None => self.config.redirect_uri(),
        }
    }

    /// What a pending login says that was begun here, to come back to `redirect_uri`.
    pub fn begun_for(&self, redirect_uri: &str) -> String {
        let config = &self.config;
        PendingLogin::digest(&config.authorization_server.issuer, &config.client.id, redirect_uri)
    }

    /// When an access token that came at `now` expires, both in UNIX seconds.
    pub fn access_token_expires_at(&self, expires_in: Option<u64>, now: u64) -> u64 {
        now.saturating_add(expires_in.unwrap_or(UNSTATED_ACCESS_TOKEN_SECONDS))
    }

    /// Whether new tokens of a session fit into its cookies.
    ///
    /// # Errors
    /// They are too long.
    pub fn check_fit(&self, tokens: &Tokens<'_>, session: Session, now: u64) -> Result<(), WriteError> {
        fit::check(tokens, session, &self.cookies, &self.ended, self.lifetimes, now)
    }

    /// Revokes tokens of a session that is over, behind the answer: nobody waits for it but the shutdown.
    pub fn revoke(&self, refresh_token: Option<Zeroizing<String>>, access_token: Option<Zeroizing<String>>) {
        // What comes of it is in the log.
        drop(
            self.exchanges
                .begin_behind_the_answer(async move |client| client.revoke(refresh_token, access_token).await),
        );
    }

    /// Ends what has begun by `now` (UNIX seconds), here and, where they share Redis, at the other replicas.
    pub async fn end(&self, ended: Ended, now: u64) {
        if let Some(until) = self.ended.end(ended, now) {
            self.tell(ended, now, until).await;
        }
    }

    /// As [`Application::end`], on the word of somebody who did not prove who they are. Returns whether there was room for it.
    pub async fn end_if_room(&self, ended: Ended, now: u64) -> bool {
        let Some(until) = self.ended.end_if_room(ended, now) else {
            return false;
        };
        self.tell(ended, now, until).await;
        true
    }

    async fn tell(&self, ended: Ended, now: u64, until: u64) {
        if let Some(redis) = &self.redis {
            redis_sync::publish(redis, &self.ended, ended, now, until).await;
        }
    }

    /// What is known to have ended by now, here and, where they share Redis, at the other replicas: to be asked before
    /// the tokens of a login are asked for, and given to [`ended::List::begin`].
    pub async fn ended_by_now(&self) -> u64 {
        if let Some(redis) = &self.redis {
            redis_sync::catch_up(redis, &self.ended).await;
        }
        self.ended.changes()
    }

    /// What runs beside the requests: never ends, to be spawned once in a process, on a thread that runs actix.
    pub async fn run_background(&self) {
        let follow = async {
            match &self.redis {
                Some(redis) => redis_sync::follow(redis.clone(), self.ended.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.provider.clone().keep_fresh(), follow);
    }
}
