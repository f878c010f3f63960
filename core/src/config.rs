//! The filter's configuration (`docs/CONTRACT.md`, section 3): JSON, read once, checked wholly.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::keys::{KeyRing, KeyWarning};
use crate::names::{CookieNames, Hardening, csrf_header_name};
use crate::origin::TrustedOrigins;
use crate::seal::Sealer;

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cookie stage, where it is configured.
    pub bff_token: Option<BffToken>,
    /// The introspection stage, where it is configured.
    pub phantom_token: Option<PhantomToken>,
    /// What is accepted and should be changed, for the log.
    pub warnings: Vec<KeyWarning>,
}

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
}

/// The introspection stage.
#[derive(Clone)]
pub struct PhantomToken {
    /// Host and port of the introspection endpoint.
    pub authority: String,
    /// Path and query of the introspection endpoint.
    pub path: String,
    /// `http` or `https`, for the `:scheme` header; TLS is the cluster's work.
    pub scheme: &'static str,
    /// The Envoy cluster.
    pub cluster: String,
    /// The client that introspects.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Zeroizing<String>,
    /// The longest time an answer is kept, in seconds.
    pub cache_seconds: u64,
    /// The most answers that are kept.
    pub cache_entries: usize,
    /// The most bytes of answers that are kept.
    pub cache_bytes: usize,
    /// Scopes that a token must have.
    pub required_scopes: Vec<String>,
    /// The audience that a token must be for.
    pub required_audience: Option<String>,
    /// The bound on an introspection, in milliseconds.
    pub timeout_ms: u64,
    /// Whether a token that is a JWT already is introspected rather than passed.
    pub introspect_jwts: bool,
}

impl fmt::Debug for PhantomToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            authority,
            path,
            cluster,
            client_id,
            ..
        } = self;
        write!(f, "PhantomToken {{ {authority}{path} by {cluster} as {client_id} }}")
    }
}

/// A fault of the configuration: the field, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: String,
    message: String,
}

impl ConfigError {
    fn new(field: &str, message: impl fmt::Display) -> Self {
        Self {
            field: field.to_owned(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the plugin configuration. `env` gives the value of an environment variable.
    ///
    /// # Errors
    /// Names the first field that cannot be used, and says what to write.
    pub fn parse(json: &[u8], env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let raw: RawConfig = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| ConfigError::new(&error.path().to_string(), error.inner()))?;
        deserializer
            .end()
            .map_err(|error| ConfigError::new("configuration", error))?;
        if raw.bff_token.is_none() && raw.phantom_token.is_none() {
            return Err(ConfigError::new(
                "configuration",
                "write a `bff_token` section, a `phantom_token` section, or both",
            ));
        }
        let mut warnings = Vec::new();
        let bff_token = raw.bff_token.map(|raw| raw.check(&env, &mut warnings)).transpose()?;
        let phantom_token = raw.phantom_token.map(|raw| raw.check(&env)).transpose()?;
        Ok(Self {
            bff_token,
            phantom_token,
            warnings,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    bff_token: Option<RawBffToken>,
    phantom_token: Option<RawPhantomToken>,
}

/// Where a secret is.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Env(String),
    Inline(String),
}

impl Source {
    fn read(self, field: &str, env: &impl Fn(&str) -> Option<String>) -> Result<Zeroizing<String>, ConfigError> {
        let (value, what) = match self {
            Self::Inline(value) => (value, "it is empty".to_owned()),
            Self::Env(name) => {
                let what = format!(
                    "the environment variable {name} is not set or empty in the VM: set it for Envoy and list it in vm_config.environment_variables.host_env_keys"
                );
                (env(&name).unwrap_or_default(), what)
            }
        };
        let value = Zeroizing::new(value);
        if value.is_empty() {
            Err(ConfigError::new(field, what))
        } else {
            Ok(value)
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CookiePaths {
    #[default]
    Narrow,
    Root,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBffToken {
    cookie_name_prefix: String,
    encryption_key: Source,
    trusted_web_origins: Vec<String>,
    #[serde(default = "yes")]
    verify_csrf: bool,
    #[serde(default)]
    require_header: bool,
    #[serde(default)]
    allow_tokens: bool,
    #[serde(default)]
    allow_navigation: bool,
    #[serde(default)]
    accept_v1_cookies: bool,
    #[serde(default)]
    cookie_hardening: Hardening,
    /// As in the service's configuration: it decides some of the names.
    #[serde(default)]
    cookie_paths: CookiePaths,
    /// As in the service's configuration: it decides some of the names.
    cookie_domain: Option<String>,
    #[serde(default)]
    demo: bool,
}

impl RawBffToken {
    fn check(
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
                "it needs `verify_csrf`: leave one of the two out",
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
        })
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JwtAccessTokens {
    #[default]
    Pass,
    Introspect,
}

/// Which answers to introspection are understood: all in which a JWT for the API comes.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResponseForm {
    #[default]
    Auto,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhantomToken {
    introspection_endpoint: String,
    cluster: String,
    client_id: String,
    client_secret: Source,
    #[serde(default, rename = "response")]
    _response: ResponseForm,
    #[serde(default = "default_cache_seconds")]
    token_cache_seconds: u64,
    #[serde(default = "default_cache_entries")]
    token_cache_entries: u64,
    #[serde(default = "default_cache_bytes")]
    token_cache_bytes: u64,
    #[serde(default)]
    required_scopes: Vec<String>,
    required_audience: Option<String>,
    #[serde(default = "default_timeout_ms")]
    timeout_ms: u64,
    #[serde(default)]
    jwt_access_tokens: JwtAccessTokens,
}

impl RawPhantomToken {
    fn check(self, env: &impl Fn(&str) -> Option<String>) -> Result<PhantomToken, ConfigError> {
        let endpoint = Endpoint::parse(&self.introspection_endpoint)?;
        not_empty(
            "phantom_token.cluster",
            &self.cluster,
            "write the name of an Envoy cluster",
        )?;
        not_empty(
            "phantom_token.client_id",
            &self.client_id,
            "write the client that may introspect",
        )?;
        if let Some(scope) = self
            .required_scopes
            .iter()
            .find(|scope| scope.is_empty() || scope.contains([' ', '"', '\\']))
        {
            return Err(ConfigError::new(
                "phantom_token.required_scopes",
                format!("`{scope}` is not a scope: write one scope an entry"),
            ));
        }
        Ok(PhantomToken {
            authority: endpoint.authority,
            path: endpoint.path,
            scheme: endpoint.scheme,
            client_secret: self.client_secret.read("phantom_token.client_secret", env)?,
            cluster: self.cluster,
            client_id: self.client_id,
            cache_seconds: in_range("phantom_token.token_cache_seconds", self.token_cache_seconds, 0, 86_400)?,
            cache_entries: size("phantom_token.token_cache_entries", self.token_cache_entries, 1_000_000)?,
            cache_bytes: size(
                "phantom_token.token_cache_bytes",
                self.token_cache_bytes,
                512 * 1024 * 1024,
            )?,
            required_scopes: self.required_scopes,
            required_audience: self.required_audience,
            timeout_ms: in_range("phantom_token.timeout_ms", self.timeout_ms, 1, 60_000)?,
            introspect_jwts: self.jwt_access_tokens == JwtAccessTokens::Introspect,
        })
    }
}

struct Endpoint {
    scheme: &'static str,
    authority: String,
    path: String,
}

impl Endpoint {
    fn parse(url: &str) -> Result<Self, ConfigError> {
        let fault = || {
            ConfigError::new(
                "phantom_token.introspection_endpoint",
                "write an http or https URL without credentials or fragment, for example `https://login.example.com/oauth/v2/oauth-introspect`",
            )
        };
        let uri: http::Uri = url.parse().map_err(|_| fault())?;
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") => "http",
            _ => return Err(fault()),
        };
        let authority = uri
            .authority()
            .filter(|authority| !authority.as_str().contains('@'))
            .ok_or_else(fault)?;
        let path = uri.path_and_query().ok_or_else(fault)?;
        if url.contains('#') {
            return Err(fault());
        }
        Ok(Self {
            scheme,
            authority: authority.to_string(),
            path: path.to_string(),
        })
    }
}

fn not_empty(field: &str, value: &str, message: &str) -> Result<(), ConfigError> {
    if value.is_empty() {
        Err(ConfigError::new(field, message))
    } else {
        Ok(())
    }
}

fn in_range(field: &str, value: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::new(
            field,
            format!("write a number from {least} to {most}"),
        ))
    }
}

fn size(field: &str, value: u64, most: u64) -> Result<usize, ConfigError> {
    let value = in_range(field, value, 1, most)?;
    usize::try_from(value).map_err(|_| ConfigError::new(field, "it is too large for this machine"))
}

fn yes() -> bool {
    true
}

fn default_cache_seconds() -> u64 {
    900
}

fn default_cache_entries() -> u64 {
    10_000
}

fn default_cache_bytes() -> u64 {
    32 * 1024 * 1024
}

fn default_timeout_ms() -> u64 {
    2000
}
