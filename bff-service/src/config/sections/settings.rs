//! The whole configuration file, and the fields outside of all tables.

use bff_core::cookie::name_prefixes::NamePrefixes;
use bff_core::cookie::parts::MAX_PARTS;
use serde::Deserialize;

use super::admin::Admin;
use super::authorization_server::AuthorizationServer;
use super::authorize::Authorize;
use super::client::Client;
use super::field::{FieldType, Kind, strings};
use super::keys::Keys;
use super::navigation::Navigation;
use super::redis::Redis;
use super::server::Server;
use super::session::Session;

/// The default of `endpoints_prefix`.
pub const DEFAULT_ENDPOINTS_PREFIX: &str = "/bff";

// The upper bound of `max_cookie_parts`.
const _: () = assert!(MAX_PARTS == 20);

section! {
    /// The configuration of the service. The fields of this section stand before the first table of the file.
    pub struct Settings at "" {
        /// Whether demo mode is on, for trying the service on one machine only. In demo mode the service accepts plain
        /// http, weak keys, such as published ones, and secrets in the configuration file.
        pub demo: bool = false;
        /// Path prefix of the service's endpoints.
        pub endpoints_prefix: String = DEFAULT_ENDPOINTS_PREFIX.to_owned();
        /// Former values of `endpoints_prefix`. At sign-in, refresh and sign-out, the service clears cookies that the
        /// browser may have at these paths. `/bff` is always one of these paths, unless it is the current prefix.
        pub(in crate::config) former_endpoints_prefixes: Vec<String> = Vec::new();
        /// Prefix of the cookie names and of the name of the CSRF header (`x-<prefix>-csrf`). The filter's
        /// configuration must have the same value.
        pub(in crate::config) cookie_name_prefix: String = "example".to_owned();
        /// `Domain` attribute of the cookies. If unset, browsers send the cookies only to the host of the service. If
        /// set, browsers send the whole sealed session to every host below the domain, and a page of any of these hosts
        /// can set cookies with the same names: leave the field unset unless the API is at a host other than the
        /// service's.
        pub cookie_domain: Option<String> = None;
        /// Cookie name prefixes, which browsers enforce.
        pub(in crate::config) cookie_hardening: NamePrefixes = NamePrefixes::Host;
        /// `Path` attribute of the cookies that only the endpoints need: refresh token, ID token and device key.
        pub cookie_paths: CookiePaths = CookiePaths::Narrow;
        /// Maximum number of cookies that a long value may be split into.
        pub max_cookie_parts: usize = 5, 1..=20;
        /// Whether the service also accepts cookies that are sealed in the format of version 1.
        pub(in crate::config) accept_v1_cookies: bool = false;
        /// Hosts that this application is reached at, such as `api.example.com`. A host with a port matches only that
        /// port. If empty, any host: an application that names the host takes precedence.
        pub hosts: Vec<String> = Vec::new();
        /// Origins whose pages may call the service, such as `https://www.example.com`. At least one is required.
        pub(in crate::config) trusted_web_origins: Vec<String> = Vec::new();
        /// Request headers that pages of `trusted_web_origins` may send in addition to `accept`,
        /// `content-type`, the CSRF header, `token-handler-version`, `traceparent`, `tracestate` and `x-request-id`.
        /// Monitoring in the page adds such headers to each call. A name that ends with `-*` matches every longer name
        /// with that prefix.
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
        /// Source of the claims that `/userInfo` returns.
        pub userinfo_source: UserInfoSource = UserInfoSource::IdToken;
    } with {
        /// The listeners and the process.
        server: Server;
        /// The authorization server, and how the service connects to it.
        authorization_server: AuthorizationServer;
        /// This client, as registered at the authorization server.
        client: Client;
        /// The navigation variant: `GET /login`, `/callback` and `/logout`, for applications whose pages have no code
        /// for sign-in and sign-out.
        navigation: Navigation;
        /// The lifetimes of sessions and logins, and whether sessions are bound to devices.
        session: Session;
        /// The Redis that several replicas share.
        redis: Redis;
        /// The keys that seal the cookies.
        keys: Keys;
        /// The credential of operators, who may end sessions.
        admin: Admin;
        /// `/authorize` on the admin listener: the filter's rules for proxies that ask an HTTP service.
        authorize: Authorize;
    }
}

/// `Path` attribute of the cookies that only the endpoints need: refresh token, ID token and device key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum CookiePaths {
    /// The path prefix of the service, `endpoints_prefix`.
    #[default]
    Narrow,
    /// `/`, as RFC 10017 recommends.
    Root,
}

/// Source of the claims that `/userInfo` returns.
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
    const KIND: Kind = Kind::String;
}

impl FieldType for CookiePaths {
    const KIND: Kind = Kind::String;
}

impl FieldType for UserInfoSource {
    const KIND: Kind = Kind::String;
}
