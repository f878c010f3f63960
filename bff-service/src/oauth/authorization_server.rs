//! The metadata and the JWKS of the authorization server, shared by all workers.
//!
//! Both are fetched in the background, at startup and again periodically; without discovery only the JWKS, since the metadata
//! are those of the configuration. The service starts without them, and a request
//! that needs them fetches them, so the service needs no restart after the authorization server has started. While
//! fetching fails, the previous documents stay in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::cached::Cached;
use super::client_secret::ClientSecret;
use super::discovery;
use super::error::OAuthError;
use super::exchange_times::{ExchangeTimes, MAX_BACKGROUND_EXCHANGES};
use super::http::{HttpClient, MAX_DOCUMENT_BYTES};
use super::metadata::{self, Metadata};
use crate::config::{AuthorizationServer as Settings, Config, ConfigError, FieldError};
use crate::http_client::Limits;
use crate::http_client::tls::{ClientTls, TlsError};
use crate::jose::jwks::KeySet;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server_endpoint::ServerEndpoint;

/// First pause of the background task after a failure.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Maximum pause of the background task after failures.
const LAST_RETRY: Duration = Duration::from_secs(5);
/// Minimum time until the next periodic fetch, in seconds, whatever the `Cache-Control` of the JWKS. A shorter
/// `authorization_server.refresh_seconds` applies.
const MIN_REFRESH_SECONDS: u64 = 60;

/// The metadata and the JWKS, which all workers share, as do clones.
#[derive(Clone)]
pub struct AuthorizationServer(Arc<Shared>);

struct Shared {
    config: Arc<Config>,
    client_secret: ClientSecret,
    tls: Arc<rustls::ClientConfig>,
    metrics: Arc<Metrics>,
    metadata: Cached<Metadata>,
    keys: Cached<KeySet>,
    /// How long the authorization server allows caching of the JWKS, in seconds, or `u64::MAX` if it does not say.
    keys_max_age: AtomicU64,
    /// The last fetch because no key verified a token, by the sender of the token.
    unknown_key_fetches: [tokio::sync::Mutex<Option<UnknownKeyFetch>>; 2],
}

/// The sender of a signed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSender {
    /// The authorization server, over a direct connection.
    AuthorizationServer,
    /// Anybody who can send a request to this service.
    Anybody,
}

struct UnknownKeyFetch {
    at: Instant,
    /// The error of that fetch, if it failed.
    error: Option<String>,
}

impl AuthorizationServer {
    /// Reads the certificate authorities and the client certificate, and sends no request.
    ///
    /// # Errors
    /// The certificate authorities or the client certificate cannot be used. Without discovery: the configured endpoints
    /// do not fit the configuration.
    pub fn new(config: &Arc<Config>, metrics: &Arc<Metrics>) -> Result<AuthorizationServer, ConfigError> {
        let settings = &config.authorization_server;
        let tls = tls_of(config).load().map_err(add_field)?;
        let metadata = match settings.discovery {
            true => None,
            false => {
                let report = metadata::from_config(config, config.client_secret().is_some());
                let errors = report
                    .errors
                    .iter()
                    .map(|error| FieldError::new("authorization_server", error));
                Some(report.metadata.ok_or_else(|| ConfigError::new(errors.collect()))?)
            }
        };
        Ok(AuthorizationServer(Arc::new(Shared {
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

    /// Connections for one thread.
    pub fn http_client(&self) -> HttpClient {
        self.http_client_with(&limits_of(&self.0.config.authorization_server))
    }

    /// Connections for exchanges at the token endpoint, each with the time limit of [`ExchangeTimes`]. Those in the
    /// background take no connections from others.
    pub fn http_client_for_exchanges(&self) -> HttpClient {
        let settings = &self.0.config.authorization_server;
        let limits = limits_of(settings);
        self.http_client_with(&Limits {
            request_timeout: ExchangeTimes::of(settings).total,
            max_connections: limits.max_connections.saturating_add(MAX_BACKGROUND_EXCHANGES),
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

    /// Whether metadata and JWKS are loaded.
    pub fn is_ready(&self) -> bool {
        self.0.metadata.get().is_some() && self.0.keys.get().is_some()
    }

    /// Fetches metadata and JWKS, again after a failure, and again periodically. Never returns: spawn it once for each
    /// application, on a thread that runs actix.
    pub async fn keep_fresh(self) {
        let http = self.http_client();
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match self.fetch_all(&http).await {
                Ok(()) => {
                    log::info!("loaded authorization server metadata and JWKS");
                    retry = FIRST_RETRY;
                    let max_seconds = self.0.config.authorization_server.refresh_seconds;
                    Duration::from_secs(refresh_after(max_seconds, self.0.keys_max_age.load(Relaxed)))
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

    /// The metadata, fetched if not yet loaded.
    ///
    /// # Errors
    /// [`OAuthError::Unavailable`] if the metadata cannot be fetched or do not fit the configuration.
    pub async fn metadata(&self, http: &HttpClient) -> Result<Arc<Metadata>, OAuthError> {
        self.0
            .metadata
            .get_or_fetch(|| self.fetch_metadata(http))
            .await
            .map_err(OAuthError::Unavailable)
    }

    /// The JWKS, fetched if not yet loaded.
    ///
    /// # Errors
    /// [`OAuthError::Unavailable`] if the JWKS cannot be fetched or has no usable key.
    pub async fn keys(&self, http: &HttpClient) -> Result<Arc<KeySet>, OAuthError> {
        self.0
            .keys
            .get_or_fetch(|| self.fetch_keys(http))
            .await
            .map_err(OAuthError::Unavailable)
    }

    /// The keys that replace `used`, which did not verify a token: the authorization server may have changed its keys. Keys
    /// are fetched for this reason at most once in `authorization_server.unknown_key_seconds`, so that made-up tokens
    /// cannot flood the authorization server with requests. `None` if it is too early to fetch, and there are no newer keys.
    /// Tokens that anybody may send have a separate interval, so that they cannot delay keys for tokens that the
    /// authorization server sends.
    ///
    /// # Errors
    /// [`OAuthError::Unavailable`] if the last fetch failed.
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
        // Held during the fetch: other callers wait for the result.
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
        let result = self.0.keys.fetch(|| self.fetch_keys(http)).await;
        *last = Some(UnknownKeyFetch {
            at,
            error: result.as_ref().err().cloned(),
        });
        result.map(Some).map_err(OAuthError::Unavailable)
    }

    async fn fetch_metadata(&self, http: &HttpClient) -> Result<Metadata, String> {
        let document = discovery::fetch(http, &self.0.config.authorization_server.issuer).await?;
        let has_secret = self.0.client_secret.get().is_some();
        let report = metadata::examine(&document, &self.0.config, has_secret);
        for warning in report.warnings.iter().chain(&report.overridden) {
            log::warn!("{warning}");
        }
        report.metadata.ok_or_else(|| report.errors.join("; "))
    }

    async fn fetch_keys(&self, http: &HttpClient) -> Result<KeySet, String> {
        let metadata = self.0.metadata.get_or_fetch(|| self.fetch_metadata(http)).await?;
        let url = metadata.jwks_uri.as_str();
        let failed = |cause: &str| {
            format!(
                "fetching {url} failed: {cause}: check `jwks_uri` of the metadata and `authorization_server.jwks_uri`, and \
                 check that the authorization server is running"
            )
        };
        let response = http
            .get(ServerEndpoint::Jwks, url, &[], MAX_DOCUMENT_BYTES)
            .await
            .map_err(|error| failed(&error.to_string()))?;
        if response.status != 200 {
            return Err(failed(&format!("HTTP {}", response.status)));
        }
        self.0.keys_max_age.store(response.lifetime(), Relaxed);
        let keys = KeySet::parse(&response.body).map_err(|error| failed(&error))?;
        for unusable in keys.unusable() {
            log::debug!("ignored keys of {url}: {unusable}");
        }
        Ok(keys)
    }
}

fn limits_of(settings: &Settings) -> Limits {
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

/// Adds the field to the error.
fn add_field(error: TlsError) -> FieldError {
    let field = match &error {
        TlsError::Authorities(_) => "authorization_server.ca_file",
        TlsError::ClientCertificate(_) => "client.certificate_file",
        TlsError::Setup(_) => "",
    };
    FieldError::new(field, error.to_string())
}

/// When to fetch again, in seconds: at the end of the cache lifetime of the JWKS, but within bounds.
fn refresh_after(max_seconds: u64, max_age: u64) -> u64 {
    max_seconds.min(max_age.max(MIN_REFRESH_SECONDS))
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
