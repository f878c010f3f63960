//! The `bff_token` section: configuration of the cookie stage.

use serde::Deserialize;

use super::error::ConfigError;
use super::source::{Secrets, Source};
use crate::cookie::name_prefixes::{CookieNames, NamePrefixes};
use crate::cookie::seal::Sealer;
use crate::crypto::key_ring::{KeyRing, KeyWarning};
use crate::request::trusted_origins::TrustedOrigins;
use crate::session::csrf;

/// Valid configuration of the cookie stage.
#[derive(Clone, Debug)]
pub struct BffToken {
    /// Opens the sealed cookies.
    pub sealer: Sealer,
    /// Names of the cookies.
    pub names: CookieNames,
    /// Trusted web origins, whose pages may call the API.
    pub origins: TrustedOrigins,
    /// Name of the CSRF header, in lower case.
    pub csrf_header: String,
    /// Whether requests with unsafe methods must have the CSRF header.
    pub verify_csrf: bool,
    /// Whether requests with safe methods (GET, HEAD and OPTIONS) must also have the CSRF header. Requires
    /// `verify_csrf`.
    pub require_header: bool,
    /// Whether a request with `Authorization`, and with neither access token cookie nor CSRF cookie, skips this stage.
    pub allow_tokens: bool,
    /// Whether a navigation (GET with `Sec-Fetch-Mode: navigate`) from a sibling domain is accepted without an Origin.
    pub allow_navigation: bool,
    /// Names of further cookies that are not forwarded.
    pub drop_cookies: Vec<String>,
    /// Source of the list of ended sessions. `None`: the filter does not poll it.
    pub ended_sessions: Option<EndedSessionsSource>,
}

/// Where and how often the filter polls the list of ended sessions.
#[derive(Clone, Debug)]
pub struct EndedSessionsSource {
    /// Envoy cluster of the service's admin listener.
    pub cluster: String,
    /// Path of the list.
    pub path: String,
    /// Time between two polls, in seconds.
    pub poll_seconds: u64,
}

/// Where the filter polls the list of ended sessions. If unset, the filter accepts an ended session, at the longest
/// until its access token expires.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawEndedSessions {
    /// Envoy cluster of the service's admin listener.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    cluster: String,
    /// Path of the list. If the service has several applications: `/ended-sessions/<application>`.
    #[serde(default = "ended_sessions_path")]
    path: String,
    /// Time between two polls, in seconds. If its polls succeed, the filter refuses an ended session within about this
    /// time and the duration of a poll, or one second later if several replicas of the service share Redis. Without
    /// Redis, each replica knows only the sessions that it ended itself, so the filter refuses such a session only after
    /// a poll of that replica.
    #[serde(default = "poll_seconds")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3600)))]
    poll_seconds: u64,
}

impl RawEndedSessions {
    fn check(self) -> Result<EndedSessionsSource, ConfigError> {
        let error = |field: &str, what: &str| ConfigError::new(&format!("bff_token.ended_sessions.{field}"), what);
        if self.cluster.is_empty() {
            return Err(error(
                "cluster",
                "empty: write the name of the Envoy cluster of the service's admin listener",
            ));
        }
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if !self.path.starts_with('/') || !self.path.bytes().all(is_legal) {
            return Err(error("path", "invalid path: write a path such as `/ended-sessions`"));
        }
        if !(1..=3600).contains(&self.poll_seconds) {
            return Err(error("poll_seconds", "out of range: write a number from 1 to 3600"));
        }
        Ok(EndedSessionsSource {
            cluster: self.cluster,
            path: self.path,
            poll_seconds: self.poll_seconds,
        })
    }
}

fn ended_sessions_path() -> String {
    "/ended-sessions".to_owned()
}

fn poll_seconds() -> u64 {
    5
}

/// `Path` attribute of the refresh token cookie, the ID token cookie and the device key cookie.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
enum CookiePaths {
    /// The path prefix of the service, `endpoints_prefix`.
    #[default]
    Narrow,
    /// `/`, as RFC 10017 recommends.
    Root,
}

/// The cookie stage: opens the access token cookie, and checks Origin and CSRF.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawBffToken {
    /// Prefix of the cookie names and of the name of the CSRF header (`x-<prefix>-csrf`). Must equal `cookie_name_prefix` of
    /// the service.
    cookie_name_prefix: String,
    /// Key ring that opens the cookies: comma-separated keys, each of 64 hexadecimal digits or of 32 bytes in base64. Must
    /// contain every key of the service's key ring, whose first key seals.
    encryption_key: Source,
    /// Origins whose pages may call the API, such as `https://www.example.com`. At least one is required.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    trusted_web_origins: Vec<String>,
    /// Whether requests with unsafe methods (all but GET, HEAD and OPTIONS) must have the CSRF header.
    #[serde(default = "yes")]
    verify_csrf: bool,
    /// Whether requests with safe methods (GET, HEAD and OPTIONS) must also have the CSRF header. Requires `verify_csrf`.
    #[serde(default)]
    require_header: bool,
    /// Whether a request with `Authorization`, and with neither access token cookie nor CSRF cookie, skips this stage.
    #[serde(default)]
    allow_tokens: bool,
    /// Whether a navigation (GET with `Sec-Fetch-Mode: navigate`) from another host of the same site
    /// (`Sec-Fetch-Site: same-site`) is accepted without an Origin.
    #[serde(default)]
    allow_navigation: bool,
    /// Whether the filter also accepts cookies that are sealed in the format of version 1. Must equal `accept_v1_cookies` of
    /// the service.
    #[serde(default)]
    accept_v1_cookies: bool,
    /// Cookie name prefixes, which browsers enforce. Must equal `cookie_hardening` of the service.
    #[serde(default)]
    cookie_hardening: NamePrefixes,
    /// `Path` attribute of the refresh token cookie, the ID token cookie and the device key cookie. Their names depend
    /// on it. Must equal `cookie_paths` of the service.
    #[serde(default)]
    cookie_paths: CookiePaths,
    /// `Domain` attribute of the cookies. Their names depend on it. Must equal `cookie_domain` of the service. If unset, the
    /// cookies have no `Domain`.
    cookie_domain: Option<String>,
    /// Names of further cookies that the filter does not forward to the API, such as a single sign-on cookie that the
    /// authorization server sets for the parent domain. The filter never forwards a cookie with the name of a cookie of
    /// the service.
    #[serde(default)]
    drop_cookies: Vec<String>,
    ended_sessions: Option<RawEndedSessions>,
    /// Whether demo mode is on, for trying the filter on one machine only. In demo mode the filter accepts weak keys,
    /// such as published ones, and http origins of every host. Otherwise it accepts http origins of `localhost` and of
    /// names below it only.
    #[serde(default)]
    demo: bool,
}

impl RawBffToken {
    pub(super) fn check(self, secrets: &impl Secrets, warnings: &mut Vec<KeyWarning>) -> Result<BffToken, ConfigError> {
        let keys = self.encryption_key.read("bff_token.encryption_key", secrets)?;
        let (ring, key_warnings) =
            KeyRing::parse(&keys, self.demo).map_err(|error| ConfigError::new("bff_token.encryption_key", error))?;
        warnings.extend(key_warnings);
        let root_paths = self.cookie_paths == CookiePaths::Root;
        let names = CookieNames::new(
            &self.cookie_name_prefix,
            self.cookie_hardening,
            root_paths,
            self.cookie_domain.is_some(),
        )
        .map_err(|error| ConfigError::new("bff_token.cookie_name_prefix", error))?;
        let origins = TrustedOrigins::parse(&self.trusted_web_origins, self.demo)
            .map_err(|error| ConfigError::new("bff_token.trusted_web_origins", error))?;
        if self.require_header && !self.verify_csrf {
            return Err(ConfigError::new(
                "bff_token.require_header",
                "has no effect without `verify_csrf`: remove it, or write `verify_csrf: true`",
            ));
        }
        // RFC 6265, section 4.1.1: a cookie's name is a token (RFC 9110, section 5.6.2).
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if let Some(name) = self
            .drop_cookies
            .iter()
            .find(|name| name.is_empty() || !name.bytes().all(is_legal) || names.recognize(name.as_bytes()).is_some())
        {
            return Err(ConfigError::new(
                "bff_token.drop_cookies",
                format!(
                    "invalid name `{name}`: write the name of a cookie that the BFF does not set, since its own never reach the API"
                ),
            ));
        }
        Ok(BffToken {
            sealer: Sealer::new(ring, &self.cookie_name_prefix, self.accept_v1_cookies),
            names,
            origins,
            csrf_header: csrf::header_name(&self.cookie_name_prefix),
            verify_csrf: self.verify_csrf,
            require_header: self.require_header,
            allow_tokens: self.allow_tokens,
            allow_navigation: self.allow_navigation,
            drop_cookies: self.drop_cookies,
            ended_sessions: self.ended_sessions.map(RawEndedSessions::check).transpose()?,
        })
    }
}

fn yes() -> bool {
    true
}
