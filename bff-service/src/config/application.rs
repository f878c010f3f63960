//! The configuration of one application.

use std::net::SocketAddr;

use actix_web::http::header::HeaderName;
use bff_core::cookie::name_prefixes::CookieNames;
use bff_core::cookie::seal::Sealer;
use bff_core::cookie::session_id::SubjectHash;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::request::trusted_origins::TrustedOrigins;
use oauth2::{RedirectUrl, Scope};
use url::Url;

use super::authorize::{self, AuthorizeRules};
use super::client_keys::ClientKeys;
use super::error::{ConfigError, FieldError};
use super::header_pattern::HeaderPattern;
use super::secret::Secret;
use super::secrets;
use super::sections::{
    Admin, AuthorizationServer, Client, CookiePaths, DEFAULT_ENDPOINTS_PREFIX, Redis, Server, Session, Settings,
    UserInfoSource,
};
use super::server_endpoints::ServerEndpoints;
use super::validate::{self, Parsed};
use crate::http_client::Proxy;
use crate::jose::algorithm::Algorithm;
use bff_core::encoding::hex;

/// A validated configuration, which is immutable: `application::live_settings` applies changes from a reload.
///
/// Most values that are used as written are fields with the names of the file. Values that are parsed are parsed once,
/// and have a method.
#[derive(Debug)]
pub struct Config {
    /// `demo`: plain http, published keys, and secrets in the file are accepted.
    pub demo: bool,
    /// `endpoints_prefix`.
    pub endpoints_prefix: String,
    /// `hosts`. If empty, any host.
    pub hosts: Vec<String>,
    /// `cookie_domain`.
    pub cookie_domain: Option<String>,
    /// `cookie_paths`.
    pub cookie_paths: CookiePaths,
    /// `max_cookie_parts`.
    pub max_cookie_parts: usize,
    /// `userinfo_source`.
    pub userinfo_source: UserInfoSource,
    /// `[server]`.
    pub server: Server,
    /// `[authorization_server]`.
    pub authorization_server: AuthorizationServer,
    /// `[client]`.
    pub client: Client,
    /// `[session]`.
    pub session: Session,
    /// `[redis]`.
    pub redis: Redis,
    admin: Admin,
    /// The name of the application, if the file has `[applications]`.
    name: Option<String>,
    pub(super) cookie_name_prefix: String,
    accept_v1_cookies: bool,
    former_endpoints_prefixes: Vec<String>,
    parsed: Parsed,
    authorize_rules: Option<AuthorizeRules>,
    method_header: Option<HeaderName>,
    warnings: Vec<String>,
    pub(super) proxy: Proxy,
    pub(super) has_shared_redirect_uri: bool,
    /// The `endpoints_prefix` of each application of this service.
    pub(super) all_endpoints_prefixes: Vec<String>,
}

impl Config {
    /// Validates the table of the file and the environment variables.
    pub(super) fn of_table(
        name: Option<&str>,
        table: toml::Table,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let mut settings: Settings = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| FieldError::new(&error.path().to_string(), reword(error.inner().message())))?;
        let mut errors = secrets::resolve(&mut settings, env);
        let checked = validate::check(&settings, &mut errors);
        let (authorize_rules, method_header) = authorize::load(&settings, env).unwrap_or_else(|error| {
            errors.push(error);
            (None, None)
        });
        match checked {
            Some((parsed, warnings)) if errors.is_empty() => Ok(Config {
                all_endpoints_prefixes: vec![settings.endpoints_prefix.clone()],
                demo: settings.demo,
                endpoints_prefix: settings.endpoints_prefix,
                hosts: settings.hosts,
                cookie_domain: settings.cookie_domain,
                cookie_paths: settings.cookie_paths,
                max_cookie_parts: settings.max_cookie_parts,
                userinfo_source: settings.userinfo_source,
                server: settings.server,
                authorization_server: settings.authorization_server,
                client: settings.client,
                session: settings.session,
                redis: settings.redis,
                admin: settings.admin,
                name: name.map(str::to_owned),
                cookie_name_prefix: settings.cookie_name_prefix,
                accept_v1_cookies: settings.accept_v1_cookies,
                former_endpoints_prefixes: settings.former_endpoints_prefixes,
                parsed,
                authorize_rules,
                method_header,
                warnings,
                proxy: Proxy::default(),
                has_shared_redirect_uri: false,
            }),
            _ => Err(ConfigError::new(errors)),
        }
    }

    /// The name of the application, if the file has `[applications]`.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether this is the only application, in a file without `[applications]`.
    pub fn is_only_application(&self) -> bool {
        self.name.is_none()
    }

    /// The identifier of this application, the same at all its replicas.
    pub fn identity(&self) -> String {
        let client = SubjectHash::of(&self.authorization_server.issuer, &self.client.id);
        format!("{}:{}", self.cookie_name_prefix, hex::encode(&client.0))
    }

    /// The issuer and the audience of JWTs for this client: the issuer, the client identifier, and further trusted
    /// audiences.
    pub fn addressee(&self) -> (&str, &str, &[String]) {
        let client = &self.client;
        (&self.authorization_server.issuer, &client.id, &client.trusted_audiences)
    }

    /// The address of the service's endpoints.
    pub fn api_address(&self) -> SocketAddr {
        self.parsed.api_address
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.parsed.admin_address
    }

    /// The token of operators. `None`: they cannot end sessions.
    pub fn admin_token(&self) -> Option<&Secret> {
        self.admin.token.as_ref()
    }

    /// What is allowed but should be changed, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The message of serde in the form of the other errors. Only ports have the type `u16`.
fn reword(message: &str) -> String {
    match message.ends_with(", expected u16") {
        true => "out of range: write a number from 0 to 65535".to_owned(),
        false => message
            .replacen("unknown variant", "unknown value", 1)
            .replacen(", expected ", ": write ", 1),
    }
}

/// The authorization server and the client.
impl Config {
    /// The issuer identifier as a URL.
    pub fn issuer_url(&self) -> &Url {
        &self.parsed.issuer_url
    }

    /// The endpoints in the configuration.
    pub fn endpoints(&self) -> &ServerEndpoints {
        &self.parsed.endpoints
    }

    /// The proxy for connections to the authorization server.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The accepted algorithms of ID tokens and of everything else that the authorization server signs.
    pub fn id_token_algorithms(&self) -> &[Algorithm] {
        &self.parsed.id_token_algorithms
    }

    /// The requested scopes.
    pub fn scopes(&self) -> &[Scope] {
        &self.parsed.scopes
    }

    /// The redirect URI of logins that a page starts.
    pub fn redirect_uri(&self) -> &RedirectUrl {
        &self.parsed.redirect_uri
    }

    /// The redirect URI of the navigation variant. `None`: it is disabled.
    pub fn navigation_redirect_uri(&self) -> Option<&RedirectUrl> {
        self.parsed.navigation_redirect_uri.as_ref()
    }

    /// The redirect URIs of both variants.
    pub(super) fn redirect_uris(&self) -> impl Iterator<Item = &RedirectUrl> {
        [Some(self.redirect_uri()), self.navigation_redirect_uri()]
            .into_iter()
            .flatten()
    }

    /// The `endpoints_prefix` of each application of this service.
    pub fn endpoints_prefixes(&self) -> impl Iterator<Item = &str> {
        self.all_endpoints_prefixes.iter().map(String::as_str)
    }

    /// Whether another application has the same redirect URI and another issuer.
    pub fn has_shared_redirect_uri(&self) -> bool {
        self.has_shared_redirect_uri
    }

    /// The client's private keys.
    pub fn client_keys(&self) -> &ClientKeys {
        &self.parsed.client_keys
    }

    /// The client secret. `None` only if the client authenticates without a secret.
    pub fn client_secret(&self) -> Option<&Secret> {
        self.client.secret.as_ref()
    }
}

/// Pages and their requests.
impl Config {
    /// The origins whose pages may call the service.
    pub fn trusted_origins(&self) -> &TrustedOrigins {
        &self.parsed.trusted_origins
    }

    /// The origin that the navigation variant returns to.
    pub fn web_origin(&self) -> &Url {
        &self.parsed.web_origin
    }

    /// Request headers that pages may send in addition to those of the service.
    pub fn cors_allowed_headers(&self) -> &[HeaderPattern] {
        &self.parsed.cors_allowed_headers
    }

    /// The header that repeats the CSRF value.
    pub fn csrf_header(&self) -> &HeaderName {
        &self.parsed.csrf_header
    }

    /// The rules of `/authorize`, if enabled.
    pub fn authorize_rules(&self) -> Option<&AuthorizeRules> {
        self.authorize_rules.as_ref()
    }

    /// The header in which the proxy sends `/authorize` the method of the original request.
    pub fn method_header(&self) -> Option<&HeaderName> {
        self.method_header.as_ref()
    }
}

/// Cookies.
impl Config {
    /// The names of the cookies.
    pub fn cookie_names(&self) -> &CookieNames {
        &self.parsed.cookie_names
    }

    /// The keys that seal the cookies.
    pub fn key_ring(&self) -> &KeyRing {
        &self.parsed.key_ring
    }

    /// A sealer for the cookies of this deployment with these keys.
    pub fn sealer(&self, ring: KeyRing) -> Sealer {
        Sealer::new(ring, &self.cookie_name_prefix, self.accept_v1_cookies)
    }

    /// A sealer for values that are not cookies: such a value does not open as a cookie, nor a cookie as such a value.
    pub fn sealer_for(&self, what: &str, ring: KeyRing) -> Sealer {
        // `#` is not allowed in a prefix.
        let deployment = format!("{}#{what}", self.cookie_name_prefix);
        Sealer::new(ring, &deployment, false)
    }

    /// The paths at which an earlier configuration may have set the cookies that only the endpoints need: former
    /// prefixes of the endpoints, and the paths of the OAuth agents whose cookies are accepted.
    pub fn former_cookie_paths(&self) -> Vec<String> {
        let mut paths = self.former_endpoints_prefixes.clone();
        if self.endpoints_prefix != DEFAULT_ENDPOINTS_PREFIX {
            paths.push(DEFAULT_ENDPOINTS_PREFIX.to_owned());
        }
        if self.accept_v1_cookies {
            for prefix in [self.endpoints_prefix.as_str(), "/oauth-agent"] {
                paths.extend(["", "/refresh", "/claims"].map(|path| format!("{prefix}{path}")));
            }
        }
        paths
    }
}
