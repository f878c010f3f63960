//! What can be configured. Each field's comment is its reference.

use std::path::PathBuf;
use std::time::Duration;

use bff_core::cookie::names::NamePrefixes;
use serde::Deserialize;

use super::defaults::{cookie_hardening, cookie_name_prefix, cors_allowed_headers, endpoints_prefix, max_cookie_parts};
use super::secrets::Secret;

/// The whole file.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// For trying out on one machine: plain http and keys that were published are accepted. Default false.
    #[serde(default)]
    pub demo: bool,
    /// Path prefix of the API. Default `/bff`.
    #[serde(default = "endpoints_prefix")]
    pub endpoints_prefix: String,
    /// Prefixes that `endpoints_prefix` was before: cookies at these paths are cleared at sign-in and sign-out. `/bff`, the default,
    /// is one of them unasked.
    #[serde(default)]
    pub former_endpoints_prefixes: Vec<String>,
    /// Begins the names of the cookies and of the CSRF header (`x-<prefix>-csrf`). Default `example`.
    #[serde(default = "cookie_name_prefix")]
    pub cookie_name_prefix: String,
    /// `Domain` of the cookies. Without it (the default) they go back to this host alone. With it the whole sealed session
    /// travels to every host below the domain, and a page of any of them can set cookies of these names: leave it out unless
    /// the API is at another host than the service.
    pub cookie_domain: Option<String>,
    /// `host` (default): `__Host-Http-` and `__Http-`; `secure`: `__Host-` and `__Secure-`; `none`: plain names.
    #[serde(default = "cookie_hardening")]
    pub cookie_hardening: NamePrefixes,
    /// Which paths the refresh and ID token cookies are sent to: `narrow` (default), the API's own; `root`, all.
    #[serde(default)]
    pub cookie_paths: CookiePaths,
    /// Into how many cookies a long value may be split. Default 5, at most 20.
    #[serde(default = "max_cookie_parts")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 20)))]
    pub max_cookie_parts: usize,
    /// Also reads cookies sealed in the form of version 1. Default false.
    #[serde(default)]
    pub accept_v1_cookies: bool,
    /// The hosts at which this application is reached, as `api.example.com`; with a port, only there. Default: any.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The origins whose pages may call the API, as `https://www.example.com`. At least one.
    #[serde(default)]
    pub trusted_web_origins: Vec<String>,
    /// Request headers that those pages may send to this API besides its own (which are `accept`, `content-type`, the CSRF
    /// header, `token-handler-version`, `traceparent`, `tracestate` and `x-request-id`): those that monitoring in the page
    /// adds to each call. `x-datadog-*` is every header that begins so. Default: those of the common tools.
    #[serde(default = "cors_allowed_headers")]
    pub cors_allowed_headers: Vec<String>,
    /// Where `/userInfo` takes the claims from: `id_token` (default) or `userinfo_endpoint`.
    #[serde(default)]
    pub userinfo_source: UserInfoSource,
    /// Where the service listens.
    #[serde(default)]
    pub server: Server,
    /// The authorization server and how it is reached.
    #[serde(default)]
    pub authorization_server: AuthorizationServer,
    /// This client, as registered at the authorization server.
    #[serde(default)]
    pub client: Client,
    /// The navigation variant: `GET /login`, `/callback` and `/logout`, for applications without code for it in their pages.
    #[serde(default)]
    pub navigation: Navigation,
    /// How long things last.
    #[serde(default)]
    pub session: Session,
    /// The Redis that several replicas share.
    #[serde(default)]
    pub redis: Redis,
    /// The keys that seal the cookies.
    #[serde(default)]
    pub keys: Keys,
    /// `/authorize` on the admin listener: the filter's rules for proxies that ask an HTTP service.
    #[serde(default)]
    pub authorize: Authorize,
}

/// Where the service listens.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address of the API. Default 127.0.0.1.
    pub address: String,
    /// Port of the API. Default 3003; 0 takes a free one.
    pub port: u16,
    /// Address of the admin listener: health, readiness, metrics. Default 127.0.0.1.
    pub admin_address: String,
    /// Port of the admin listener. Default 3005; 0 takes a free one.
    pub admin_port: u16,
    /// Worker threads. Default: one for each core.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1024)))]
    pub workers: Option<usize>,
    /// After SIGTERM, how long the service goes on as before, only not ready, until it lets the last requests finish and
    /// ends, in seconds: what the proxy in front needs to notice. Default 0.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3600)))]
    pub drain_seconds: u64,
    /// How often cookie keys, client secrets and the rules of `/authorize` are read anew, in seconds; 0: only on SIGHUP.
    /// Default 5.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3600)))]
    pub reread_seconds: u64,
}

/// The authorization server and how it is reached.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuthorizationServer {
    /// Its issuer identifier, exactly as its metadata and its ID tokens spell it. Required.
    pub issuer: String,
    /// PEM file of certificates that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the metadata is fetched (OpenID Connect Discovery, else RFC 8414). Default true. Without, the endpoints
    /// below are all there are; authorization, token and jwks are then required.
    pub discovery: bool,
    /// Overrides the metadata's `authorization_endpoint`.
    pub authorization_endpoint: Option<String>,
    /// Overrides the metadata's `token_endpoint`.
    pub token_endpoint: Option<String>,
    /// Overrides the metadata's `jwks_uri`.
    pub jwks_uri: Option<String>,
    /// Overrides the metadata's `userinfo_endpoint`.
    pub userinfo_endpoint: Option<String>,
    /// Overrides the metadata's `revocation_endpoint`.
    pub revocation_endpoint: Option<String>,
    /// Overrides the metadata's `end_session_endpoint`.
    pub end_session_endpoint: Option<String>,
    /// Overrides the metadata's `pushed_authorization_request_endpoint`.
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Whether authorization responses carry `iss` (RFC 9207), although no metadata say so: a response without it is then
    /// refused. Default false: as the metadata say.
    pub authorization_response_iss_parameter_supported: bool,
    /// How long establishing a connection may take, in milliseconds. Default 2000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60000)))]
    pub connect_timeout_ms: u64,
    /// How long a whole request may take, connection and answer included, in milliseconds. Default 5000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60000)))]
    pub request_timeout_ms: u64,
    /// How long the token endpoint may take, in seconds. Callers of `/login/end` and `/refresh` are answered after
    /// `request_timeout_ms`; the exchange goes on, and its outcome is there for the next call. Default 30.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 300)))]
    pub exchange_seconds: u64,
    /// Requests at once of each worker, each on a connection of its own. As many again for metadata and keys. Default 50.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10000)))]
    pub max_connections: usize,
    /// How long an idle connection for metadata and keys is kept, in seconds. Requests about a user have connections of
    /// their own. Default 4: less than what servers keep theirs (Node.js: 5), so that no request is sent into a connection
    /// that is just being closed.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3600)))]
    pub idle_connection_seconds: u64,
    /// How often metadata and keys are fetched anew, in seconds. Default 3600.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 86400)))]
    pub refresh_seconds: u64,
    /// How often an unknown key id may make the keys be fetched, in seconds: once. Default 10.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3600)))]
    pub unknown_key_seconds: u64,
    /// Signature algorithms accepted for ID tokens, and for everything else that the authorization server signs. `Ed25519`
    /// and `EdDSA` are the same. Default RS256, PS256, ES256, EdDSA.
    pub id_token_algorithms: Vec<String>,
    /// How far the authorization server's clock may be off, in seconds. Default 10, at most 60.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 60)))]
    pub clock_skew_seconds: u64,
}

/// This client, as registered at the authorization server.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// `client_id`. Required.
    pub id: String,
    /// The secret itself. Demo mode only.
    pub secret: Option<Secret>,
    /// File that holds the secret; a line break at its end is ignored.
    pub secret_file: Option<PathBuf>,
    /// How the client proves who it is. Default: the strongest way that it has the means for and the authorization
    /// server supports.
    pub authentication: Option<ClientAuthentication>,
    /// PEM files of the client's private keys (RSA, P-256, P-384 or Ed25519), for `private_key_jwt` and signed requests.
    /// The first signs, all are published at `<endpoints_prefix>/jwks`, each under its thumbprint as key id.
    pub signing_key_files: Vec<PathBuf>,
    /// What the first of them signs with. Default: what fits the key and the authorization server's metadata.
    pub signing_algorithm: Option<String>,
    /// For whom the assertions of `private_key_jwt` are: `issuer` (default), as RFC 7523bis demands, or `token_endpoint`, the
    /// endpoint's URL and `typ` `JWT`, for servers that take nothing else.
    pub assertion_audience: AssertionAudience,
    /// PEM file of the client's certificate and its chain, for mutual TLS. Read anew when it changes.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    pub certificate_key_file: Option<PathBuf>,
    /// Whether the authorization request is pushed to the server (PAR, RFC 9126). Default: where the server requires it.
    pub pushed_authorization_requests: Option<bool>,
    /// Whether the authorization request is signed (JAR, RFC 9101). Default: where the server requires it.
    pub signed_request_objects: Option<bool>,
    /// How the authorization response comes: `query` (default), or `jwt`, signed by the server (JARM).
    pub response_mode: ResponseMode,
    /// PEM file of a private key (P-256, P-384 or Ed25519): tokens are then bound to it (DPoP, RFC 9449). All replicas
    /// need the same.
    pub dpop_key_file: Option<PathBuf>,
    /// What the access tokens are for (RFC 8707). Absolute URIs.
    pub resource: Vec<String>,
    /// Where the browser comes back to after signing in: a page on a trusted web origin. Required.
    pub redirect_uri: String,
    /// Where the browser comes back to after signing out. None by default.
    pub post_logout_redirect_uri: Option<String>,
    /// Requested scope, parted by spaces. Default `openid profile`; `openid` is required.
    pub scope: String,
    /// Whether a refresh asks for the scope that was granted, which some servers demand. Default true.
    pub send_scope_at_refresh: bool,
    /// Parameters that a page may add to the authorization request. Default `prompt`, `login_hint`, `ui_locales`,
    /// `acr_values`, `max_age`, `claims`, `resource`.
    pub allowed_extra_params: Vec<String>,
    /// Who else may be in an ID token's `aud`. None by default: an ID token for others too is refused.
    pub trusted_audiences: Vec<String>,
    /// Whether the ID token goes along as `id_token_hint` at logout, for servers that want it. Default false, since
    /// it then stands in a URL, in the browser's history and in logs.
    pub send_id_token_hint: bool,
    /// Whether the authorization server may end a login by a frame in its sign-out page (OpenID Connect Front-Channel
    /// Logout). Default false: back-channel logout does the same, and proves who asks.
    pub frontchannel_logout: bool,
}

/// How long things last.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// A session ends this long after signing in, in seconds. Default: when the authorization server says so.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 31622400)))]
    pub max_lifetime_seconds: Option<u64>,
    /// A session ends this long after its last refresh, in seconds. Default: when the authorization server says so.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 31622400)))]
    pub max_idle_seconds: Option<u64>,
    /// How long a login may take, in seconds. Default 600.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 86400)))]
    pub login_seconds: u64,
    /// How long the outcome of a refresh is handed to late callers with the same refresh token, in seconds. Default 30.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 600)))]
    pub refresh_replay_seconds: u64,
    /// How many refresh outcomes are remembered at most. Default 10000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10000000)))]
    pub refresh_replay_entries: usize,
    /// How long it is remembered that a session was ended before its time, in seconds: as long as its cookies could live.
    /// Default 86400.
    #[cfg_attr(feature = "schema", schemars(range(min = 60, max = 31622400)))]
    pub ended_seconds: u64,
    /// How many ended sessions are remembered at most. Default 10000.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10000)))]
    pub ended_entries: usize,
}

/// The navigation variant: `GET /login`, `/callback` and `/logout`, for applications without code for it in their pages.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Navigation {
    /// Where the browser comes back to after signing in by navigation: this API's own `/callback`. The variant is off
    /// without it.
    pub redirect_uri: Option<String>,
    /// The origin that the paths in `returnTo` are of. Default: the first of `trusted_web_origins`.
    pub web_origin: Option<String>,
}

/// The Redis that several replicas share.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://host:port`, or `rediss://` over TLS. With a password in it, it belongs into `BFF_REDIS_URL`, or into a
    /// file that `BFF_REDIS_URL_FILE` or `redis.url_file` names. Default: none.
    pub url: Option<Secret>,
    /// File that holds the URL.
    pub url_file: Option<PathBuf>,
    /// How long a command may take, in milliseconds. Default 250.
    #[cfg_attr(feature = "schema", schemars(range(min = 10, max = 10000)))]
    pub timeout_ms: u64,
    /// Whether the proxy in front sends all of a session's requests to the same replica, as consistent hashing does. When
    /// Redis is away each replica then goes on by itself; else it refreshes only what nobody else can have refreshed.
    /// Default false.
    pub session_affinity: bool,
}

/// The keys that seal the cookies.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The keys themselves, parted by commas. Demo mode only.
    pub ring: Option<Secret>,
    /// File that holds the keys, parted by commas; the first seals, all open.
    pub file: Option<PathBuf>,
}

/// `/authorize` on the admin listener: the filter's rules for proxies that ask an HTTP service.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Authorize {
    /// File with the rules: the filter's plugin configuration, in JSON. Default: none, and no `/authorize`.
    pub plugin_configuration_file: Option<PathBuf>,
    /// The header in which the proxy says the method of the request that it asks about, as `x-original-method`. The proxy
    /// must put it in place of whatever a client sends. Default: none, it asks with that method itself.
    pub method_header: Option<String>,
}

/// Paths of the refresh and ID token cookies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum CookiePaths {
    /// The API's prefix.
    #[default]
    Narrow,
    /// `/`, as RFC 10017 recommends.
    Root,
}

/// Source of `/userInfo`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum UserInfoSource {
    /// The claims of the ID token.
    #[default]
    IdToken,
    /// The authorization server's userinfo endpoint.
    UserinfoEndpoint,
}

/// OAuth client authentication methods, by their registered names; the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// A JWT signed with the client's key, RFC 7523 and OpenID Connect Core section 9.
    PrivateKeyJwt,
    /// A certificate of a trusted authority, RFC 8705 section 2.1.
    TlsClientAuth,
    /// A certificate that is registered itself, RFC 8705 section 2.2.
    SelfSignedTlsClientAuth,
    /// HTTP Basic with form-encoded parts, RFC 6749 section 2.3.1.
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the request body.
    ClientSecretPost,
}

impl ClientAuthentication {
    /// All of them, the strongest first.
    pub const ALL: [ClientAuthentication; 5] = [
        ClientAuthentication::PrivateKeyJwt,
        ClientAuthentication::TlsClientAuth,
        ClientAuthentication::SelfSignedTlsClientAuth,
        ClientAuthentication::ClientSecretBasic,
        ClientAuthentication::ClientSecretPost,
    ];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            ClientAuthentication::PrivateKeyJwt => "private_key_jwt",
            ClientAuthentication::TlsClientAuth => "tls_client_auth",
            ClientAuthentication::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            ClientAuthentication::ClientSecretBasic => "client_secret_basic",
            ClientAuthentication::ClientSecretPost => "client_secret_post",
        }
    }

    /// Whether it takes a client secret.
    pub fn needs_secret(self) -> bool {
        matches!(
            self,
            ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost
        )
    }

    /// Whether it takes a client certificate.
    pub fn needs_certificate(self) -> bool {
        matches!(
            self,
            ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth
        )
    }
}

/// For whom client assertions are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The issuer identifier, with the `typ` of RFC 7523bis.
    #[default]
    Issuer,
    /// The URL of the token endpoint at every endpoint, with the `typ` of any JWT (RFC 7523, section 3).
    TokenEndpoint,
}

/// How the authorization response comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// As parameters of the redirect URI's query.
    #[default]
    Query,
    /// As one signed parameter of the query: JWT Secured Authorization Response Mode, `response_mode=jwt`.
    Jwt,
}

impl AuthorizationServer {
    /// [`AuthorizationServer::connect_timeout_ms`].
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// [`AuthorizationServer::request_timeout_ms`].
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}
