//! The authorization server as all workers know it: its metadata and its keys.
//!
//! Both are fetched in the background from the start on and refreshed from time to time. The service starts without
//! them, and whoever needs them before they are there fetches them; so an authorization server that comes late, or
//! comes back, needs no restart here. What was good stays in use while a newer one cannot be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::cached::Cached;
use super::client_secret::ClientSecret;
use super::discovery;
use super::error::OAuthError;
use super::exchange_times::{ExchangeTimes, MAX_BEHIND_THE_ANSWER};
use super::http::{HttpClient, MAX_DOCUMENT_BYTES};
use super::metadata::{self, Metadata};
use crate::config::{AuthorizationServer, Config, ConfigError, FieldError};
use crate::http_client::Limits;
use crate::http_client::tls::{ClientTls, TlsError};
use crate::jose::jwks::KeySet;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// How soon the background task tries again after a failure: at first, and at most.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// However little the server lets its keys be kept, they are not fetched more often than this, in seconds.
const LEAST_REFRESH_SECONDS: u64 = 60;

/// Shared by all workers; clones are the same provider.
#[derive(Clone)]
pub struct Provider(Arc<Shared>);

struct Shared {
    config: Arc<Config>,
    client_secret: ClientSecret,
    tls: Arc<rustls::ClientConfig>,
    metrics: Arc<Metrics>,
    metadata: Cached<Metadata>,
    keys: Cached<KeySet>,
    /// How long the server lets its keys be kept, in seconds; `u64::MAX` where it does not say.
    keys_max_age: AtomicU64,
    /// The last time that an unknown key made the keys be fetched, by whose token it was.
    unknown_key_fetches: [tokio::sync::Mutex<Option<UnknownKeyFetch>>; 2],
}

/// Whose hands a signed token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSender {
    /// The authorization server's, over a connection to it.
    AuthorizationServer,
    /// Anybody's who can reach this service.
    Anybody,
}

struct UnknownKeyFetch {
    at: Instant,
    /// Why there were no keys then, if so.
    error: Option<String>,
}

impl Provider {
    /// Reads the certificate authorities; asks nobody anything yet.
    pub fn new(config: &Arc<Config>, metrics: &Arc<Metrics>) -> Result<Provider, ConfigError> {
        let settings = &config.authorization_server;
        let tls = tls_of(config).load().map_err(tls_fault)?;
        let metadata = match settings.discovery {
            true => None,
            false => {
                let report = metadata::from_config(config, config.client_secret().is_some());
                let faults = report
                    .faults
                    .iter()
                    .map(|fault| FieldError::new("authorization_server", fault));
                Some(report.metadata.ok_or_else(|| ConfigError::new(faults.collect()))?)
            }
        };
        Ok(Provider(Arc::new(Shared {
            client_secret: ClientSecret::new(config.client_secret()),
            config: Arc::clone(config),
            tls,
            metrics: Arc::clone(metrics),
            metadata: Cached::new(metadata),
            keys: Cached::new(None),
            keys_max_age: AtomicU64::new(u64::MAX),
            unknown_key_fetches: Default::default(),
        })))
    }

    /// Connections for one worker.
    pub fn http_client(&self) -> HttpClient {
        self.http_client_with(&limits_of(&self.0.config.authorization_server))
    }

    /// Connections for exchanges at the token endpoint, each of which may take as long as
    /// [`ExchangeTimes`] say; those that go on behind their answers take none from the rest.
    pub fn http_client_for_exchanges(&self) -> HttpClient {
        let settings = &self.0.config.authorization_server;
        let limits = limits_of(settings);
        self.http_client_with(&Limits {
            request_timeout: ExchangeTimes::of(settings).total,
            max_connections: limits.max_connections.saturating_add(MAX_BEHIND_THE_ANSWER),
            ..limits
        })
    }

    fn http_client_with(&self, limits: &Limits) -> HttpClient {
        HttpClient::new(limits, &self.0.tls, self.0.config.proxy(), &self.0.metrics)
    }

    /// The client secret in force.
    pub fn client_secret(&self) -> &ClientSecret {
        &self.0.client_secret
    }

    /// Whether metadata and keys are there.
    pub fn ready(&self) -> bool {
        self.0.metadata.get().is_some() && self.0.keys.get().is_some()
    }

    /// Fetches metadata and keys, again after a failure and again when they are old. Never ends: to be spawned once in
    /// a process, on a thread that runs actix.
    pub async fn keep_fresh(self) {
        let http = self.http_client();
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match self.fetch_all(&http).await {
                Ok(()) => {
                    log::info!("loaded authorization server metadata and JWKS");
                    retry = FIRST_RETRY;
                    let most = self.0.config.authorization_server.refresh_seconds;
                    Duration::from_secs(refresh_after(most, self.0.keys_max_age.load(Relaxed)))
                }
                Err(error) => {
                    log::warn!("loading authorization server metadata and JWKS failed: {error}");
                    let pause = retry;
                    retry = LAST_RETRY.min(retry.saturating_mul(2));
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_all(&self, http: &HttpClient) -> Result<(), String> {
        if self.0.config.authorization_server.discovery {
            self.0.metadata.fetch(|| self.fetch_metadata(http)).await?;
        }
        self.0.keys.fetch(|| self.fetch_keys(http)).await?;
        Ok(())
    }

    /// The metadata; fetched if they are not there yet.
    pub async fn metadata(&self, http: &HttpClient) -> Result<Arc<Metadata>, OAuthError> {
        self.0
            .metadata
            .get_or_fetch(|| self.fetch_metadata(http))
            .await
            .map_err(OAuthError::Unavailable)
    }

    /// The keys; fetched if they are not there yet.
    pub async fn keys(&self, http: &HttpClient) -> Result<Arc<KeySet>, OAuthError> {
        self.0
            .keys
            .get_or_fetch(|| self.fetch_keys(http))
            .await
            .map_err(OAuthError::Unavailable)
    }

    /// The keys after `used`, which did not verify a token: the server may have changed them since. `None` where there
    /// are no newer ones; they are fetched at most once in `authorization_server.unknown_key_seconds` for this reason,
    /// so that nobody can have us flood the server with made-up key ids. What strangers send has an interval of its own, so
    /// that it cannot keep the keys from the server's own tokens.
    pub async fn keys_after(
        &self,
        http: &HttpClient,
        used: &Arc<KeySet>,
        from: TokenSender,
    ) -> Result<Option<Arc<KeySet>>, OAuthError> {
        let [of_server, of_anybody] = &self.0.unknown_key_fetches;
        let last = match from {
            TokenSender::AuthorizationServer => of_server,
            TokenSender::Anybody => of_anybody,
        };
        // Held while the keys are fetched: whoever comes meanwhile waits for them.
        let mut last = last.lock().await;
        if let Some(newer) = self.0.keys.get().filter(|keys| !Arc::ptr_eq(keys, used)) {
            return Ok(Some(newer));
        }
        let interval = Duration::from_secs(self.0.config.authorization_server.unknown_key_seconds);
        if let Some(last) = last.as_ref().filter(|last| last.at.elapsed() < interval) {
            return match &last.error {
                Some(error) => Err(OAuthError::Unavailable(error.clone())),
                None => Ok(None),
            };
        }
        let at = Instant::now();
        let outcome = self.0.keys.fetch(|| self.fetch_keys(http)).await;
        *last = Some(UnknownKeyFetch {
            at,
            error: outcome.as_ref().err().cloned(),
        });
        outcome.map(Some).map_err(OAuthError::Unavailable)
    }

    async fn fetch_metadata(&self, http: &HttpClient) -> Result<Metadata, String> {
        let document = discovery::fetch(http, &self.0.config.authorization_server.issuer).await?;
        let has_secret = self.0.client_secret.get().is_some();
        let report = metadata::examine(&document, &self.0.config, has_secret);
        for warning in report.warnings.iter().chain(&report.overridden) {
            log::warn!("{warning}");
        }
        report.metadata.ok_or_else(|| report.faults.join("; "))
    }

    async fn fetch_keys(&self, http: &HttpClient) -> Result<KeySet, String> {
        let metadata = self.0.metadata.get_or_fetch(|| self.fetch_metadata(http)).await?;
        let url = metadata.jwks_uri.as_str();
        let answer = http
            .get(ServerEndpoint::Jwks, url, &[], MAX_DOCUMENT_BYTES)
            .await
            .map_err(|error| format!("{url}: {error}"))?;
        if answer.status != 200 {
            return Err(format!("{url}: HTTP {}", answer.status));
        }
        self.0.keys_max_age.store(answer.lifetime(), Relaxed);
        let keys = KeySet::parse(&answer.body).map_err(|error| format!("{url}: {error}"))?;
        for unusable in keys.unusable() {
            log::debug!("{url}: {unusable}");
        }
        Ok(keys)
    }
}

fn limits_of(settings: &AuthorizationServer) -> Limits {
    Limits {
        connect_timeout: settings.connect_timeout(),
        request_timeout: settings.request_timeout(),
        max_connections: settings.max_connections,
        idle: Duration::from_secs(settings.idle_connection_seconds),
    }
}

fn tls_of(config: &Config) -> ClientTls {
    let (server, client) = (&config.authorization_server, &config.client);
    ClientTls {
        ca_file: server.ca_file.clone(),
        needs_authorities: server.issuer.starts_with("https:"),
        certificate: client.certificate_file.clone().zip(client.certificate_key_file.clone()),
    }
}

/// The field that is to blame.
fn tls_fault(error: TlsError) -> FieldError {
    let field = match &error {
        TlsError::Authorities(_) => "authorization_server.ca_file",
        TlsError::ClientCertificate(_) => "client.certificate_file",
        TlsError::Setup(_) => "",
    };
    FieldError::new(field, error.to_string())
}

/// When to fetch again, in seconds: when the server's own bound is reached, but neither later than `most` nor all the time.
fn refresh_after(most: u64, max_age: u64) -> u64 {
    most.min(max_age.max(LEAST_REFRESH_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_as_long_as_the_server_lets_and_not_longer_than_configured() {
        assert_eq!(refresh_after(3600, u64::MAX), 3600);
        assert_eq!(refresh_after(3600, 600), 600);
        assert_eq!(refresh_after(3600, 0), 60, "no-store is no reason to fetch without end");
        assert_eq!(refresh_after(10, 600), 10);
    }
}
