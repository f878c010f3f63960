//! The introspection stage's section.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::response_format::{ClaimToHeader, Response, ResponseFormat};
use super::source::Source;
use crate::gateway::requirement::{Requirement, is_scope};

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
    /// How it shows id and secret.
    pub client_authentication: ClientAuthentication,
    /// The longest time an introspection response is kept, in seconds.
    pub cache_seconds: u64,
    /// The most introspection responses that are kept.
    pub cache_entries: usize,
    /// The most bytes of introspection responses that are kept.
    pub cache_bytes: usize,
    /// What a token must be good for, everywhere behind this entry point.
    pub requirement: Requirement,
    /// The namespace of the route metadata that say what a token must be good for there, if they do.
    pub route_metadata: Option<String>,
    /// Whether a bearer token must be bound to the client's certificate.
    pub require_certificate_binding: bool,
    /// The form of introspection responses, and what the API gets.
    pub response: ResponseFormat,
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

/// How the introspection client authenticates itself (RFC 6749, section 2.3.1); the names are those of the service's
/// `client.authentication`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// HTTP Basic, with id and secret form-encoded.
    #[default]
    ClientSecretBasic,
    /// In the form, for servers that do not form-decode HTTP Basic credentials.
    ClientSecretPost,
}

/// What happens to an access token that is a JWT already.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum JwtAccessTokens {
    /// It is forwarded as it is. The API validates it.
    Pass,
    /// It is introspected like any other token, and forwarded as it is where the response calls it active and holds no JWT.
    Introspect,
}

/// The introspection stage: replaces the opaque token by a JWT, or by claims in headers.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawPhantomToken {
    /// The URL of the introspection endpoint (RFC 7662). Envoy's cluster makes the connection, and TLS.
    introspection_endpoint: String,
    /// The Envoy cluster of the introspection endpoint.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    cluster: String,
    /// The id of the client that introspects.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    client_id: String,
    /// The secret of the client that introspects.
    client_secret: Source,
    #[serde(default)]
    client_authentication: ClientAuthentication,
    #[serde(default)]
    response: Response,
    /// The issuer of signed introspection responses. Required with `response: rfc9701`, and only used there.
    issuer: Option<String>,
    /// The claims that the API gets in headers in place of a token. Required with `response: claims` and `rfc9701`, and only used
    /// there.
    #[serde(default)]
    claim_to_headers: Vec<ClaimToHeader>,
    /// The longest time an introspection response is kept, in seconds; its `exp` and `Cache-Control` shorten it.
    #[serde(default = "default_cache_seconds")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 86400)))]
    token_cache_seconds: u64,
    /// The most introspection responses that are kept, in each worker.
    #[serde(default = "default_cache_entries")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1000000)))]
    token_cache_entries: u64,
    /// The most bytes of introspection responses that are kept, and as many of opened cookies, in each worker.
    #[serde(default = "default_cache_bytes")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 536870912)))]
    token_cache_bytes: u64,
    /// The scopes that every token must have, one scope for each entry.
    #[serde(default)]
    required_scopes: Vec<String>,
    /// The audience that every token must have. By default any.
    required_audience: Option<String>,
    /// The namespace of route metadata with `required_scopes` and `required_audience`. Every route must then have it. By default
    /// routes require nothing in addition.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    route_metadata: Option<String>,
    /// Whether a bearer token must be bound to the client's certificate (RFC 8705, section 3.1).
    #[serde(default)]
    require_certificate_binding: bool,
    /// The timeout of an introspection, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60000)))]
    timeout_ms: u64,
    /// What happens to an access token that is already a JWT. Default: `pass` where the API gets a JWT; where it gets headers,
    /// `introspect`, which is then the only choice.
    jwt_access_tokens: Option<JwtAccessTokens>,
}

impl RawPhantomToken {
    pub(super) fn check(self, env: &impl Fn(&str) -> Option<String>) -> Result<PhantomToken, ConfigError> {
        let endpoint = Endpoint::parse(&self.introspection_endpoint)?;
        let response = ResponseFormat::check(self.response, self.issuer, self.claim_to_headers)?;
        let introspect_jwts = match (self.jwt_access_tokens, &response) {
            (Some(JwtAccessTokens::Introspect), _) => true,
            (_, ResponseFormat::Jwt) => false,
            // An API that gets claims in headers does not validate JWTs, so nothing would.
            (None, _) => true,
            (Some(JwtAccessTokens::Pass), _) => {
                return Err(ConfigError::new(
                    "phantom_token.jwt_access_tokens",
                    "a JWT that is passed sets no headers for the API: write `introspect`, or leave it out",
                ));
            }
        };
        if self.route_metadata.as_deref() == Some("") {
            return Err(ConfigError::new(
                "phantom_token.route_metadata",
                "write the namespace of the route metadata, for example `bff_filter`, or leave it out",
            ));
        }
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
        if let Some(scope) = self.required_scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(ConfigError::new(
                "phantom_token.required_scopes",
                format!("`{scope}` is not a scope: write one scope for each entry"),
            ));
        }
        Ok(PhantomToken {
            authority: endpoint.authority,
            path: endpoint.path,
            scheme: endpoint.scheme,
            client_secret: self.client_secret.read("phantom_token.client_secret", env)?,
            client_authentication: self.client_authentication,
            cluster: self.cluster,
            client_id: self.client_id,
            cache_seconds: in_range("phantom_token.token_cache_seconds", self.token_cache_seconds, 0, 86_400)?,
            cache_entries: size("phantom_token.token_cache_entries", self.token_cache_entries, 1_000_000)?,
            cache_bytes: size(
                "phantom_token.token_cache_bytes",
                self.token_cache_bytes,
                512 * 1024 * 1024,
            )?,
            requirement: Requirement {
                scopes: self.required_scopes,
                audience: self.required_audience,
            },
            route_metadata: self.route_metadata,
            require_certificate_binding: self.require_certificate_binding,
            response,
            timeout_ms: in_range("phantom_token.timeout_ms", self.timeout_ms, 1, 60_000)?,
            introspect_jwts,
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
    usize::try_from(value).map_err(|_| ConfigError::new(field, "too large for this machine"))
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
