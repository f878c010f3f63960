//! What all workers share.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use bff_core::names::csrf_header_name;
use bff_core::origin::TrustedOrigins;

use crate::config::{Config, CookiePaths};
use crate::metrics::Metrics;
use crate::oauth::Provider;
use crate::session::CookieSettings;
use crate::session::in_process_refresh_store::{InProcessRefreshStore, RefreshStoreLimits};
use crate::session::refresh_store::RefreshStore;
use crate::session::tokens::SessionLifetimes;

/// How long an access token counts as good where the authorization server does not say, in seconds. Nothing rests on
/// it: whoever accepts the token decides.
const UNSTATED_ACCESS_TOKEN_SECONDS: u64 = 3600;
/// A refresh makes at most this many requests in a row: metadata (in two places), token, keys.
const REQUESTS_OF_A_REFRESH: u32 = 4;

/// The parts of the service, made once from the configuration.
pub struct Service {
    /// The configuration.
    pub config: Arc<Config>,
    /// The authorization server's metadata and keys.
    pub provider: Provider,
    /// How cookies are named, sealed and sent.
    pub cookies: CookieSettings,
    /// Whose pages may call.
    pub origins: TrustedOrigins,
    /// The header that repeats the CSRF value.
    pub csrf_header: HeaderName,
    /// How long sessions last.
    pub lifetimes: SessionLifetimes,
    /// Makes one of concurrent refreshes.
    pub refreshes: Arc<dyn RefreshStore>,
    /// How long a caller waits for a refresh that another one leads.
    pub refresh_bound: Duration,
    /// Counters.
    pub metrics: Metrics,
}

impl Service {
    /// Puts the service together. The error is one of configuration.
    pub fn new(config: Arc<Config>, provider: Provider) -> Result<Service, String> {
        let csrf_header = csrf_header_name(&config.cookie_name_prefix);
        let csrf_header = HeaderName::try_from(csrf_header.as_str())
            .map_err(|_| format!("`cookie_name_prefix`: `{csrf_header}` cannot be the name of a header"))?;
        let narrow_path = match config.cookie_paths {
            CookiePaths::Narrow => config.endpoints_prefix.clone(),
            CookiePaths::Root => "/".to_owned(),
        };
        let cookies = CookieSettings {
            sealer: config.sealer(),
            names: config.cookie_names().clone(),
            domain: config.cookie_domain.clone(),
            narrow_path,
            max_parts: config.max_cookie_parts,
        };
        let lifetimes = SessionLifetimes {
            absolute: config.session.max_lifetime_seconds,
            idle: config.session.max_idle_seconds,
        };
        let refresh_bound = config
            .authorization_server
            .request_timeout()
            .saturating_mul(REQUESTS_OF_A_REFRESH);
        let limits = RefreshStoreLimits {
            replay_window: Duration::from_secs(config.session.refresh_replay_seconds),
            lead: refresh_bound,
            settled: config.session.refresh_replay_entries,
        };
        Ok(Service {
            origins: config.trusted_origins().clone(),
            provider,
            cookies,
            csrf_header,
            lifetimes,
            refreshes: Arc::new(InProcessRefreshStore::new(limits)),
            refresh_bound,
            metrics: Metrics::default(),
            config,
        })
    }

    /// When an access token that came at `now` expires, both in UNIX seconds.
    pub fn access_token_expires_at(&self, expires_in: Option<u64>, now: u64) -> u64 {
        now.saturating_add(expires_in.unwrap_or(UNSTATED_ACCESS_TOKEN_SECONDS))
    }
}
