//! The configuration: one TOML file, with single fields overridden by environment variables.
//!
//! A field's variable is `BFF_` and its path in capitals, tables parted by two underscores: `server.port` is
//! `BFF_SERVER__PORT`, `trusted_web_origins` is `BFF_TRUSTED_WEB_ORIGINS`. Lists are written with commas, booleans as
//! `true` and `false`.
//!
//! Secrets do not belong into the file. They come from `BFF_COOKIE_KEYS` and `BFF_CLIENT_SECRET`, or from the files
//! that `BFF_COOKIE_KEYS_FILE` or `keys.file`, and `BFF_CLIENT_SECRET_FILE` or `client.secret_file`, name. Only in demo
//! mode may they be written inline as `keys.ring` and `client.secret`. Both are read anew while the service runs
//! ([`crate::server::reload`]).
//!
//! The proxy that the authorization server is reached through comes from `HTTPS_PROXY` and `NO_PROXY`
//! ([`crate::http_client::proxy`]), for all applications.
//!
//! * [`sections`]: what can be configured, and the defaults.
//! * [`fields`]: the same as a table of names, from which unknown fields and the variables are told.
//! * [`environment`]: the overrides.
//! * [`secrets`]: where secrets come from.
//! * [`applications`]: several applications in one file.
//! * [`validate`]: what the values must be; [`client_keys`]: the key files that they name.
//! * `authorize`: the rules of `/authorize`.
//! * `schema`: all of it as a JSON Schema, for `docs/reference`.

pub mod applications;
mod authorize;
pub mod client_keys;
mod cookie_scope;
mod defaults;
pub mod error;
pub mod fields;
pub mod overrides;
#[cfg(feature = "schema")]
mod schema;
pub mod secrets;
pub mod sections;
pub mod validate;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use bff_core::keys::KeyRing;
use bff_core::names::CookieNames;
use bff_core::origin::TrustedOrigins;
use bff_core::seal::NameDigest;
use bff_core::seal::Sealer;
use zeroize::Zeroizing;

use crate::hex;
use crate::http_client::Proxy;
use crate::jose::algorithm::Algorithm;

pub use self::authorize::AuthorizeRules;
pub use self::client_keys::ClientKeys;
pub use self::error::{ConfigError, Fault};
#[cfg(feature = "schema")]
pub use self::schema::schema;
pub use self::secrets::Secret;
pub use self::sections::{
    AssertionAudience, AuthorizationServer, Authorize, Client, ClientAuthentication, CookiePaths, Keys, Navigation,
    Redis, ResponseMode, Server, Session, Settings, UserInfoSource,
};
use self::validate::Parts;

/// A configuration that has been checked, and what was made of it.
///
/// The fields are those of [`Settings`], which this dereferences to.
#[derive(Debug)]
pub struct Config {
    /// The application's name, where there are several.
    name: Option<String>,
    settings: Settings,
    parts: Parts,
    /// The one thing in here that changes: see [`crate::server::reload`].
    client_secret: ArcSwapOption<Secret>,
    authorize_rules: Option<AuthorizeRules>,
    warnings: Vec<String>,
    proxy: Proxy,
    shares_redirect_uri: bool,
}

impl Config {
    /// Whom and by whom a JWT of the authorization server is for this client: the issuer, the client's id, and who else
    /// may be in `aud`.
    pub fn addressee(&self) -> (&str, &str, &[String]) {
        let client = &self.client;
        (&self.authorization_server.issuer, &client.id, &client.trusted_audiences)
    }
}

impl std::ops::Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Config {
    /// As [`load`], for a text at hand with a single application.
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let mut all = parse(text, env)?;
        match (all.pop(), all.is_empty()) {
            (Some(config), true) => Ok(config),
            _ => Err(Fault::new("applications", "there are several").into()),
        }
    }

    /// Checks what the file and the variables come to.
    fn of_table(
        name: Option<&str>,
        table: toml::Table,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let mut settings: Settings = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| Fault::new(&error.path().to_string(), error.inner().message().to_owned()))?;
        let mut faults = secrets::resolve(&mut settings, env);
        let checked = validate::check(&settings, &mut faults);
        let authorize_rules = authorize::load(&settings, env).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        match checked {
            Some((parts, warnings)) if faults.is_empty() => Ok(Config {
                name: name.map(str::to_owned),
                client_secret: ArcSwapOption::new(settings.client.secret.take().map(Arc::new)),
                settings,
                parts,
                authorize_rules,
                warnings,
                proxy: Proxy::default(),
                shares_redirect_uri: false,
            }),
            _ => Err(ConfigError::new(faults)),
        }
    }

    /// The application's name, where there are several.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether there is no other application.
    pub fn is_alone(&self) -> bool {
        self.name.is_none()
    }

    /// What tells this application from any other, wherever its replicas run.
    pub fn identity(&self) -> String {
        let client = NameDigest::of(&self.settings.authorization_server.issuer, &self.settings.client.id);
        format!("{}:{}", self.settings.cookie_name_prefix, hex::encode(&client.0))
    }

    /// The rules of `/authorize`, where it is on.
    pub fn authorize_rules(&self) -> Option<&AuthorizeRules> {
        self.authorize_rules.as_ref()
    }

    /// Whether another application has another issuer's responses come to a redirect URI of this one's.
    pub fn shares_redirect_uri(&self) -> bool {
        self.shares_redirect_uri
    }

    /// Where responses of the authorization server come to.
    fn redirect_uris(&self) -> impl Iterator<Item = &str> {
        let page = Some(self.settings.client.redirect_uri.as_str());
        page.into_iter().chain(self.settings.navigation.redirect_uri.as_deref())
    }

    /// What is allowed but should not stay so, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The proxy that the authorization server is reached through.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The keys that seal the cookies.
    pub fn key_ring(&self) -> &KeyRing {
        &self.parts.key_ring
    }

    /// Seals and opens the cookies of this deployment, with these keys.
    pub fn sealer(&self, ring: KeyRing) -> Sealer {
        Sealer::new(ring, &self.settings.cookie_name_prefix, self.settings.accept_v1_cookies)
    }

    /// Seals and opens what is no cookie, so that neither opens as the other.
    pub fn sealer_for(&self, what: &str, ring: KeyRing) -> Sealer {
        // `#` stands in no prefix.
        let deployment = format!("{}#{what}", self.settings.cookie_name_prefix);
        Sealer::new(ring, &deployment, false)
    }

    /// The names of the five cookies.
    pub fn cookie_names(&self) -> &CookieNames {
        &self.parts.cookie_names
    }

    /// The paths at which an earlier configuration may have set the refresh and ID token cookies: former prefixes of the
    /// endpoints, and the paths of the OAuth agents whose cookies are read.
    pub fn former_cookie_paths(&self) -> Vec<String> {
        let settings = &self.settings;
        let mut paths = settings.former_endpoints_prefixes.clone();
        if settings.endpoints_prefix != defaults::endpoints_prefix() {
            paths.push(defaults::endpoints_prefix());
        }
        if settings.accept_v1_cookies {
            for prefix in [settings.endpoints_prefix.as_str(), "/oauth-agent"] {
                paths.extend(["", "/refresh", "/claims"].map(|path| format!("{prefix}{path}")));
            }
        }
        paths
    }

    /// The origins that may call the API.
    pub fn trusted_origins(&self) -> &TrustedOrigins {
        &self.parts.trusted_origins
    }

    /// The algorithms that an ID token may be signed with.
    pub fn id_token_algorithms(&self) -> &[Algorithm] {
        &self.parts.id_token_algorithms
    }

    /// The client's private keys.
    pub fn client_keys(&self) -> &ClientKeys {
        &self.parts.client_keys
    }

    /// The client secret. `None` only where the client authenticates itself without one.
    pub fn client_secret(&self) -> Option<Arc<Secret>> {
        self.client_secret.load_full()
    }

    /// Takes the client secret of another reading of the same configuration; whether it is a new one.
    pub fn take_client_secret(&self, other: &Config) -> bool {
        let text = |config: &Config| config.client_secret().map(|secret| secret.expose().to_owned());
        let is_new = text(self).map(Zeroizing::new) != text(other).map(Zeroizing::new);
        if is_new {
            self.client_secret.store(other.client_secret());
        }
        is_new
    }
}

/// Reads the file at `path`, applies the overrides found by `env` (normally `std::env::var`), reads the secrets and
/// checks everything, for each application. The error lists every fault that was found, not only the first.
pub fn load(path: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Vec<Config>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Fault::new("", format!("the file {} cannot be read: {error}", path.display())))?;
    parse(&text, env)
}

/// As [`load`], for a text at hand.
pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Vec<Config>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error| not_toml(text, &error))?;
    let proxy = Proxy::from_env(&env).map_err(|error| Fault::new(error.variable, error.what))?;
    let mut configs = applications::parse(table, &env)?;
    for config in &mut configs {
        config.proxy = proxy.clone();
    }
    Ok(configs)
}

/// The error's own text would quote the line, and a secret may be in it.
fn not_toml(text: &str, error: &toml::de::Error) -> Fault {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Fault::new("", format!("this is not TOML: line {line}: {}", error.message()))
}

#[cfg(test)]
mod tests;
