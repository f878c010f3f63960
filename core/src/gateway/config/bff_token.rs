//! The cookie stage's section.

use serde::Deserialize;

use super::error::ConfigError;
use super::source::Source;
use crate::cookie::names::{CookieNames, NamePrefixes, csrf_header_name};
use crate::cookie::seal::Sealer;
use crate::crypto::key_ring::{KeyRing, KeyWarning};
use crate::request::trusted_origins::TrustedOrigins;

/// The cookie stage.
#[derive(Clone, Debug)]
pub struct BffToken {
    /// Opens the cookies.
    pub sealer: Sealer,
    /// What they are called.
    pub names: CookieNames,
    /// Who may call.
    pub origins: TrustedOrigins,
    /// The CSRF header's name, in lower case.
    pub csrf_header: String,
    /// Whether unsafe methods need the CSRF header.
    pub verify_csrf: bool,
    /// Whether safe methods need it too.
    pub require_header: bool,
    /// Whether a request with a bearer token and none of our cookies skips this stage.
    pub allow_tokens: bool,
    /// Whether a navigation from a sibling domain may get through.
    pub allow_navigation: bool,
    /// Cookies that are none of ours and do not reach the API either.
    pub drop_cookies: Vec<String>,
    /// Where the list of ended sessions is read, if it is.
    pub ended_sessions: Option<EndedSessionsSource>,
}

/// Where the list of sessions that were ended is read from time to time.
#[derive(Clone, Debug)]
pub struct EndedSessionsSource {
    /// The Envoy cluster of the service's admin listener.
    pub cluster: String,
    /// Path of the list.
    pub path: String,
    /// How often it is read, in seconds.
    pub poll_seconds: u64,
}

/// Where the list of sessions that were ended is read from time to time: without it, a session that was ended is let in until
/// its access token expires.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RawEndedSessions {
    /// The Envoy cluster of the service's admin listener.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    cluster: String,
    /// Path of the list; `/ended-sessions/<application>` where the service has several applications.
    #[serde(default = "ended_sessions_path")]
    path: String,
    /// How often it is read, in seconds. A session that was ended is refused this much later at most, and a second more with
    /// several replicas that share Redis. Without Redis one of them is asked each time: it takes until the one that knows is
    /// asked.
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
                "write the name of the Envoy cluster of the service's admin listener",
            ));
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if !self.path.starts_with('/') || !self.path.bytes().all(legal) {
            return Err(error("path", "write a path such as `/ended-sessions`"));
        }
        if !(1..=3600).contains(&self.poll_seconds) {
            return Err(error("poll_seconds", "write a number from 1 to 3600"));
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

/// Paths of the refresh and ID token cookies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
enum CookiePaths {
    /// The API's prefix.
    #[default]
    Narrow,
    /// `/`, as RFC 10017 recommends.
    Root,
}

/// The cookie stage: opens the access-token cookie, checks Origin and CSRF.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawBffToken {
    /// Begins the names of the cookies and of the CSRF header (`x-<prefix>-csrf`). As in the service's configuration.
    cookie_name_prefix: String,
    /// The keys that seal the cookies, parted by commas, 64 hex digits each. As in the service's configuration: the first
    /// seals there, all of them open.
    encryption_key: Source,
    /// The origins whose pages may call, as `https://www.example.com`. At least one.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    trusted_web_origins: Vec<String>,
    /// Whether unsafe methods (all but GET, HEAD and OPTIONS) need the CSRF header.
    #[serde(default = "yes")]
    verify_csrf: bool,
    /// Whether safe methods need it too.
    #[serde(default)]
    require_header: bool,
    /// Whether a request with a bearer token and none of our cookies skips this stage.
    #[serde(default)]
    allow_tokens: bool,
    /// Whether a navigation from a sibling domain may get through.
    #[serde(default)]
    allow_navigation: bool,
    /// Also reads cookies sealed in the form of version 1. As in the service's configuration.
    #[serde(default)]
    accept_v1_cookies: bool,
    /// Which cookie name prefixes are used. As in the service's configuration.
    #[serde(default)]
    cookie_hardening: NamePrefixes,
    /// As in the service's configuration: it decides some of the names.
    #[serde(default)]
    cookie_paths: CookiePaths,
    /// As in the service's configuration: it decides some of the names.
    cookie_domain: Option<String>,
    /// Names of further cookies that do not reach the API: that of a single sign-on session, say, which the authorization
    /// server sets for the parent domain. None by default: all cookies but ours travel on.
    #[serde(default)]
    drop_cookies: Vec<String>,
    ended_sessions: Option<RawEndedSessions>,
    /// For trying out on one machine: keys that were published and plain http origins are accepted.
    #[serde(default)]
    demo: bool,
}

impl RawBffToken {
    pub(super) fn check(
        self,
        env: &impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<KeyWarning>,
    ) -> Result<BffToken, ConfigError> {
        let keys = self.encryption_key.read("bff_token.encryption_key", env)?;
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
                "requires `verify_csrf`: leave one of the two out",
            ));
        }
        // RFC 6265, section 4.1.1: a cookie's name is a token (RFC 9110, section 5.6.2).
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if let Some(name) = self
            .drop_cookies
            .iter()
            .find(|name| name.is_empty() || !name.bytes().all(legal) || names.recognise(name.as_bytes()).is_some())
        {
            return Err(ConfigError::new(
                "bff_token.drop_cookies",
                format!("`{name}`: write the name of a cookie that the BFF does not set: its own never reach the API"),
            ));
        }
        Ok(BffToken {
            sealer: Sealer::new(ring, &self.cookie_name_prefix, self.accept_v1_cookies),
            names,
            origins,
            csrf_header: csrf_header_name(&self.cookie_name_prefix),
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
