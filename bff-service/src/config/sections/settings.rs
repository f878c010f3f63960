//! The whole file, and what stands outside of all tables.

use bff_core::cookie::names::NamePrefixes;
use bff_core::cookie::parts::MAX_PARTS;
use serde::Deserialize;

use super::authorization_server::AuthorizationServer;
use super::authorize::Authorize;
use super::client::Client;
use super::field::{FieldType, Kind, strings};
use super::keys::Keys;
use super::navigation::Navigation;
use super::redis::Redis;
use super::server::Server;
use super::session::Session;

/// `endpoints_prefix` where nobody says otherwise.
pub const DEFAULT_ENDPOINTS_PREFIX: &str = "/bff";

// The bound of `max_cookie_parts` below.
const _: () = assert!(MAX_PARTS == 20);

section! {
    /// The whole file.
    pub struct Settings at "" {
        /// For trying out on one machine: plain http and keys that were published are accepted.
        pub demo: bool = false;
        /// Path prefix of the API.
        pub endpoints_prefix: String = DEFAULT_ENDPOINTS_PREFIX.to_owned();
        /// Prefixes that `endpoints_prefix` was before: cookies at these paths are cleared at sign-in and sign-out.
        /// `/bff`, the default, is one of them unasked.
        pub(in crate::config) former_endpoints_prefixes: Vec<String> = Vec::new();
        /// Begins the names of the cookies and of the CSRF header (`x-<prefix>-csrf`).
        pub(in crate::config) cookie_name_prefix: String = "example".to_owned();
        /// `Domain` of the cookies. Without it (the default) they go back to this host alone. With it the whole sealed
        /// session travels to every host below the domain, and a page of any of them can set cookies of these names:
        /// leave it out unless the API is at another host than the service.
        pub cookie_domain: Option<String> = None;
        /// `host` (default): `__Host-Http-` and `__Http-`; `secure`: `__Host-` and `__Secure-`; `none`: plain names.
        pub(in crate::config) cookie_hardening: NamePrefixes = NamePrefixes::Host;
        /// Which paths the refresh and ID token cookies are sent to: `narrow` (default), the API's own; `root`, all.
        pub cookie_paths: CookiePaths = CookiePaths::Narrow;
        /// Into how many cookies a long value may be split.
        pub max_cookie_parts: usize = 5, 1..=20;
        /// Also reads cookies sealed in the form of version 1.
        pub(in crate::config) accept_v1_cookies: bool = false;
        /// The hosts at which this application is reached, as `api.example.com`; with a port, only there. Default: any.
        pub hosts: Vec<String> = Vec::new();
        /// The origins whose pages may call the API, as `https://www.example.com`. At least one.
        pub(in crate::config) trusted_web_origins: Vec<String> = Vec::new();
        /// Request headers that pages of `trusted_web_origins` may send to this API besides its own (which are `accept`,
        /// `content-type`,
        /// the CSRF header, `token-handler-version`, `traceparent`, `tracestate` and `x-request-id`): those that
        /// monitoring in the page adds to each call. `x-datadog-*` is every header that begins so. Default: those of
        /// the common tools.
        pub(in crate::config) cors_allowed_headers: Vec<String> = strings(&[
            "b3",
            "baggage",
            "elastic-apm-traceparent",
            "newrelic",
            "request-context",
            "request-id",
            "sentry-trace",
            "x-b3-*",
            "x-correlation-id",
            "x-datadog-*",
            "x-dtpc",
            "x-dtreferer",
            "x-instana-*",
            "x-requested-with",
        ]);
        /// Where `/userInfo` takes the claims from: `id_token` (default) or `userinfo_endpoint`.
        pub userinfo_source: UserInfoSource = UserInfoSource::IdToken;
    } with {
        /// Where the service listens.
        server: Server;
        /// The authorization server and how it is reached.
        authorization_server: AuthorizationServer;
        /// This client, as registered at the authorization server.
        client: Client;
        /// The navigation variant: `GET /login`, `/callback` and `/logout`, for applications without code for it in
        /// their pages.
        navigation: Navigation;
        /// How long things last.
        session: Session;
        /// The Redis that several replicas share.
        redis: Redis;
        /// The keys that seal the cookies.
        keys: Keys;
        /// `/authorize` on the admin listener: the filter's rules for proxies that ask an HTTP service.
        authorize: Authorize;
    }
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

impl FieldType for NamePrefixes {
    const KIND: Kind = Kind::Text;
}

impl FieldType for CookiePaths {
    const KIND: Kind = Kind::Text;
}

impl FieldType for UserInfoSource {
    const KIND: Kind = Kind::Text;
}
