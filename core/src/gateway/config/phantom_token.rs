//! The `phantom_token` section: configuration of the token stage.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::response_format::{ClaimToHeader, Response, ResponseFormat};
use super::source::{Secrets, Source};
use super::steps::Steps;
use super::token_exchange::{RawTokenExchange, invalid_scope};
use crate::gateway::authentication::{AuthenticationRequirement, MAX_AUTH_AGE_SECONDS, is_acr};
use crate::gateway::requirement::{Requirement, is_scope};

/// The maximum of `token_cache_seconds`, in seconds.
pub(crate) const MAX_CACHE_SECONDS: u64 = 86_400;

/// Valid configuration of the token stage.
#[derive(Clone)]
pub struct PhantomToken {
    /// What the stage does with an access token.
    pub steps: Steps,
    /// Envoy cluster of the authorization server.
    pub cluster: String,
    /// Client identifier of the client that introspects and exchanges tokens.
    pub client_id: String,
    /// Client secret of that client.
    pub client_secret: Zeroizing<String>,
    /// Authentication method of that client.
    pub client_authentication: ClientAuthentication,
    /// Maximum time for which an introspection response or an exchanged token is cached, in seconds.
    pub cache_seconds: u64,
    /// Whether `Cache-Control` of an introspection response has no effect.
    pub ignore_cache_control: bool,
    /// Maximum number of responses about active tokens that each worker caches, and again about inactive ones.
    pub cache_entries: usize,
    /// Maximum size of the responses about active tokens that each worker caches, in bytes.
    pub cache_bytes: usize,
    /// Maximum size of the responses about active tokens that all workers share, in bytes. 0: they share none.
    pub shared_cache_bytes: usize,
    /// What every access token must have at this entry point.
    pub requirement: Requirement,
    /// Namespace of the route metadata with further requirements. `None`: routes have none.
    pub route_metadata: Option<String>,
    /// Whether a bearer token must be bound to the client certificate of its connection.
    pub require_certificate_binding: bool,
    /// Form of the introspection responses, and what the API receives.
    pub response: ResponseFormat,
    /// Time limit for an introspection, and again for a token exchange, in milliseconds.
    pub timeout_ms: u64,
    /// Whether an access token that is a JWT is introspected or exchanged rather than forwarded.
    pub introspect_jwts: bool,
}

impl PhantomToken {
    /// Returns the time limit of all steps together.
    pub(crate) const fn time_limit(&self) -> Duration {
        let steps = match self.steps {
            Steps::Introspect(_) | Steps::Exchange(_) => 1,
            Steps::Both(..) => 2,
        };
        Duration::from_millis(self.timeout_ms.saturating_mul(steps))
    }
}

impl fmt::Debug for PhantomToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            steps,
            cluster,
            client_id,
            ..
        } = self;
        write!(f, "PhantomToken {{ {steps:?} by {cluster} as {client_id} }}")
    }
}

/// Authentication method of the client that introspects and exchanges tokens (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// HTTP Basic with form-encoded client identifier and secret.
    #[default]
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the request body, for authorization servers that do not form-decode HTTP Basic
    /// credentials.
    ClientSecretPost,
}

/// What the filter does with an access token that is a JWT.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum JwtAccessTokens {
    /// The filter does not introspect it, but checks its claims (expiry, scopes, audience, authentication of the user,
    /// certificate), and forwards it unchanged. The API validates it.
    Pass,
    /// The filter introspects or exchanges it like any other token. With `response: auto` and without `token_exchange`,
    /// if the token is active and the response contains no JWT, the filter forwards the token unchanged.
    Introspect,
}

/// The token stage: introspects the access token, exchanges it, or both, so that the API receives a JWT, an access
/// token of its own, or claims in headers.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawPhantomToken {
    /// URL of the introspection endpoint (RFC 7662). The connection, with TLS, is that of `cluster`. Required without
    /// `token_exchange`. If unset, the filter exchanges the access token without introspection.
    introspection_endpoint: Option<String>,
    token_exchange: Option<RawTokenExchange>,
    /// Envoy cluster of the introspection endpoint and the token endpoint.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    cluster: String,
    /// Client identifier of the client that introspects and exchanges tokens.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    client_id: String,
    /// Client secret of that client.
    client_secret: Source,
    #[serde(default)]
    client_authentication: ClientAuthentication,
    #[serde(default)]
    response: Response,
    /// Issuer of signed introspection responses. Required if `response` is `rfc9701`, and not allowed otherwise.
    issuer: Option<String>,
    /// Claims that the API receives in headers instead of a token. Required if `response` is `claims` or `rfc9701`, and not
    /// allowed otherwise.
    #[serde(default)]
    claim_to_headers: Vec<ClaimToHeader>,
    /// Maximum time for which the filter caches an introspection response or an exchanged token, in seconds. The expiry
    /// of either shortens this time, and so does `Cache-Control` of an introspection response unless
    /// `ignore_cache_control` is `true`. The filter caches a response about an inactive token for at most 5 seconds.
    #[serde(default = "default_cache_seconds")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 86400)))]
    token_cache_seconds: u64,
    /// Whether `Cache-Control` does not shorten the time for which the filter caches an introspection response. Some
    /// authorization servers forbid caching in every response.
    #[serde(default)]
    ignore_cache_control: bool,
    /// Maximum number of responses about active tokens (of introspection or token exchange) that each worker caches. The
    /// same number again applies to responses about inactive tokens, and three times this number to opened cookies.
    #[serde(default = "default_cache_entries")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1000000)))]
    token_cache_entries: u64,
    /// Maximum size of the responses about active tokens (of introspection or token exchange) that each worker caches, in
    /// bytes. The same number again applies to opened cookies, and an eighth of it to responses about inactive tokens.
    #[serde(default = "default_cache_bytes")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 536870912)))]
    token_cache_bytes: u64,
    /// Maximum size of the responses about active tokens (of introspection or token exchange) that all workers of an
    /// Envoy process share, in bytes. The native module has them in its own memory, and its workers cache no others. The
    /// proxy-wasm module has them in Envoy's shared data, beside what each worker caches. Entry points with the same
    /// settings of introspection and exchange, this field and `timeout_ms` included, share them, whatever they require of
    /// a token. In the native module, the size applies to each group of such entry points. 0, or less than 8,192 in the
    /// proxy-wasm module: workers share no responses. The proxy-wasm module shares none of more than some 8,000 bytes. At
    /// `/authorize` the field has no effect.
    #[serde(default = "default_shared_cache_bytes")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1073741824)))]
    shared_cache_bytes: u64,
    /// Scopes that every access token must have (with `token_exchange`, the exchanged one), one scope for each entry.
    #[serde(default)]
    required_scopes: Vec<String>,
    /// Audience that every access token must have (with `token_exchange`, the exchanged one). If unset, any.
    required_audience: Option<String>,
    /// Acceptable values of `acr`, in order of preference, one for each entry (RFC 9470): how the user must have authenticated.
    /// If the access token has none of them, the filter answers HTTP 401 `insufficient_user_authentication`.
    #[serde(default)]
    required_acr: Vec<String>,
    /// Maximum time since the user authenticated (`auth_time` of the access token), in seconds (RFC 9470). If it has passed, or
    /// the access token has no `auth_time`, the filter answers HTTP 401 `insufficient_user_authentication`. If unset, any time.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 31536000)))]
    max_auth_age: Option<u64>,
    /// Namespace of the route metadata with `required_scopes`, `required_audience`, `required_acr` and `max_auth_age`. If set,
    /// every route must have this metadata. If unset, routes have no further requirements.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    route_metadata: Option<String>,
    /// Whether a bearer token must be bound to the client certificate of its connection (RFC 8705, section 3.1).
    #[serde(default)]
    require_certificate_binding: bool,
    /// Time limit for an introspection, and again for a token exchange, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60000)))]
    timeout_ms: u64,
    /// What the filter does with an access token that is a JWT. If unset, the value is `pass` if `response` is `auto` and there
    /// is no `token_exchange`, and otherwise `introspect`, which is then the only valid value.
    jwt_access_tokens: Option<JwtAccessTokens>,
}

impl RawPhantomToken {
    pub(super) fn check(self, secrets: &impl Secrets) -> Result<PhantomToken, ConfigError> {
        let steps = Steps::check(self.introspection_endpoint.as_deref(), self.token_exchange)?;
        if self.ignore_cache_control && steps.introspection().is_none() {
            return Err(ConfigError::new(
                "phantom_token.ignore_cache_control",
                "has no effect without `introspection_endpoint`, since the filter ignores `Cache-Control` of token responses: remove it",
            ));
        }
        let response = match steps.exchange() {
            Some(_) => response_before_exchange(self.response, self.issuer.as_ref(), &self.claim_to_headers)?,
            None => ResponseFormat::check(self.response, self.issuer, self.claim_to_headers)?,
        };
        let introspect_jwts = match (self.jwt_access_tokens, &response) {
            (Some(JwtAccessTokens::Introspect), _) => true,
            (Some(JwtAccessTokens::Pass), _) if steps.exchange().is_some() => {
                return Err(ConfigError::new(
                    "phantom_token.jwt_access_tokens",
                    "`pass` forwards a JWT without token exchange: write `introspect`, or remove the field",
                ));
            }
            (_, ResponseFormat::Jwt) => false,
            // An API that receives claims in headers does not validate JWTs, so nothing would.
            (None, _) => true,
            (Some(JwtAccessTokens::Pass), _) => {
                return Err(ConfigError::new(
                    "phantom_token.jwt_access_tokens",
                    "`pass` sets no headers for the API: write `introspect`, or remove the field",
                ));
            }
        };
        if self.route_metadata.as_deref() == Some("") {
            return Err(ConfigError::new(
                "phantom_token.route_metadata",
                "empty: write the namespace of the route metadata, for example `bff_filter`, or remove the field",
            ));
        }
        check_not_empty(
            "phantom_token.cluster",
            &self.cluster,
            "empty: write the name of an Envoy cluster",
        )?;
        check_not_empty(
            "phantom_token.client_id",
            &self.client_id,
            "empty: write the `client_id` of the client that introspects and exchanges tokens",
        )?;
        if let Some(scope) = self.required_scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(invalid_scope("phantom_token.required_scopes", scope));
        }
        if let Some(value) = self.required_acr.iter().find(|value| !is_acr(value)) {
            return Err(ConfigError::new(
                "phantom_token.required_acr",
                format!(
                    "invalid value `{value}`: write one value of `acr` of printable ASCII characters, without spaces, `\"` and \
                     `\\`, in each entry"
                ),
            ));
        }
        let check_age = |seconds| check_range("phantom_token.max_auth_age", seconds, 1, MAX_AUTH_AGE_SECONDS);
        Ok(PhantomToken {
            steps,
            client_secret: self.client_secret.read("phantom_token.client_secret", secrets)?,
            client_authentication: self.client_authentication,
            cluster: self.cluster,
            client_id: self.client_id,
            cache_seconds: check_range(
                "phantom_token.token_cache_seconds",
                self.token_cache_seconds,
                0,
                MAX_CACHE_SECONDS,
            )?,
            ignore_cache_control: self.ignore_cache_control,
            cache_entries: check_usize_range(
                "phantom_token.token_cache_entries",
                self.token_cache_entries,
                1,
                1_000_000,
            )?,
            cache_bytes: check_usize_range(
                "phantom_token.token_cache_bytes",
                self.token_cache_bytes,
                1,
                512 * 1024 * 1024,
            )?,
            shared_cache_bytes: check_usize_range(
                "phantom_token.shared_cache_bytes",
                self.shared_cache_bytes,
                0,
                1024 * 1024 * 1024,
            )?,
            requirement: Requirement {
                scopes: self.required_scopes,
                audience: self.required_audience,
                authentication: AuthenticationRequirement {
                    acr_values: self.required_acr,
                    max_age: self.max_auth_age.map(check_age).transpose()?,
                }
                .boxed(),
            },
            route_metadata: self.route_metadata,
            require_certificate_binding: self.require_certificate_binding,
            response,
            timeout_ms: check_range("phantom_token.timeout_ms", self.timeout_ms, 1, 60_000)?,
            introspect_jwts,
        })
    }
}

/// Returns the form of introspection responses before a token exchange: whether the token is active, and its claims. What the
/// API receives comes from the exchange.
fn response_before_exchange(
    response: Response,
    issuer: Option<&String>,
    headers: &[ClaimToHeader],
) -> Result<ResponseFormat, ConfigError> {
    let set = [
        ("response", response != Response::Auto),
        ("issuer", issuer.is_some()),
        ("claim_to_headers", !headers.is_empty()),
    ];
    match set.into_iter().find_map(|(field, is_set)| is_set.then_some(field)) {
        Some(field) => Err(ConfigError::new(
            &format!("phantom_token.{field}"),
            "has no effect with `token_exchange`, whose token the API receives: remove one of the two",
        )),
        None => Ok(ResponseFormat::Claims(Vec::new())),
    }
}

fn check_not_empty(field: &str, value: &str, message: &str) -> Result<(), ConfigError> {
    if value.is_empty() {
        Err(ConfigError::new(field, message))
    } else {
        Ok(())
    }
}

fn check_range(field: &str, value: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ConfigError::new(
            field,
            format!("out of range: write a number from {least} to {most}"),
        ))
    }
}

fn check_usize_range(field: &str, value: u64, least: u64, most: u64) -> Result<usize, ConfigError> {
    let value = check_range(field, value, least, most)?;
    usize::try_from(value).map_err(|_| ConfigError::new(field, "too large for this machine: write a smaller number"))
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

fn default_shared_cache_bytes() -> u64 {
    192 * 1024 * 1024
}

fn default_timeout_ms() -> u64 {
    2000
}

#[cfg(test)]
impl PhantomToken {
    /// A valid stage with these further members of its JSON.
    pub(in crate::gateway) fn with(members: &str) -> Self {
        let text = format!(
            r#"{{"phantom_token": {{"introspection_endpoint": "https://login.example.com/introspect", "cluster": "c",
                "client_id": "gateway", {members}}}}}"#
        );
        let config = super::Config::parse(text.as_bytes(), |_| None).unwrap();
        config.phantom_token.unwrap()
    }
}
