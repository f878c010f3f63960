//! What holds where the file is silent. The fields' comments in [`super::sections`] say the same to the reader.

use bff_core::cookie::names::NamePrefixes;

use super::sections::{AssertionAudience, AuthorizationServer, Client, Redis, ResponseMode, Server, Session};

impl Default for Server {
    fn default() -> Server {
        let loopback = "127.0.0.1".to_owned();
        Server {
            address: loopback.clone(),
            port: 3003,
            admin_address: loopback,
            admin_port: 3005,
            workers: None,
            drain_seconds: 0,
            reread_seconds: 5,
        }
    }
}

impl Default for AuthorizationServer {
    fn default() -> AuthorizationServer {
        AuthorizationServer {
            issuer: String::new(),
            ca_file: None,
            discovery: true,
            authorization_endpoint: None,
            token_endpoint: None,
            jwks_uri: None,
            userinfo_endpoint: None,
            revocation_endpoint: None,
            end_session_endpoint: None,
            pushed_authorization_request_endpoint: None,
            authorization_response_iss_parameter_supported: false,
            connect_timeout_ms: 2000,
            request_timeout_ms: 5000,
            exchange_seconds: 30,
            max_connections: 50,
            idle_connection_seconds: 4,
            refresh_seconds: 3600,
            unknown_key_seconds: 10,
            id_token_algorithms: strings(&["RS256", "PS256", "ES256", "EdDSA"]),
            clock_skew_seconds: 10,
        }
    }
}

impl Default for Client {
    fn default() -> Client {
        Client {
            id: String::new(),
            secret: None,
            secret_file: None,
            authentication: None,
            signing_key_files: Vec::new(),
            signing_algorithm: None,
            assertion_audience: AssertionAudience::default(),
            certificate_file: None,
            certificate_key_file: None,
            pushed_authorization_requests: None,
            signed_request_objects: None,
            response_mode: ResponseMode::default(),
            dpop_key_file: None,
            resource: Vec::new(),
            redirect_uri: String::new(),
            post_logout_redirect_uri: None,
            scope: "openid profile".to_owned(),
            send_scope_at_refresh: true,
            allowed_extra_params: strings(&[
                "prompt",
                "login_hint",
                "ui_locales",
                "acr_values",
                "max_age",
                "claims",
                "resource",
            ]),
            trusted_audiences: Vec::new(),
            send_id_token_hint: false,
            frontchannel_logout: false,
        }
    }
}

impl Default for Session {
    fn default() -> Session {
        Session {
            max_lifetime_seconds: None,
            max_idle_seconds: None,
            login_seconds: 600,
            refresh_replay_seconds: 30,
            refresh_replay_entries: 10_000,
            ended_seconds: 86_400,
            ended_entries: 10_000,
        }
    }
}

impl Default for Redis {
    fn default() -> Redis {
        Redis {
            url: None,
            url_file: None,
            timeout_ms: 250,
            session_affinity: false,
        }
    }
}

pub(super) fn endpoints_prefix() -> String {
    "/bff".to_owned()
}

pub(super) fn cookie_name_prefix() -> String {
    "example".to_owned()
}

pub(super) fn cookie_hardening() -> NamePrefixes {
    NamePrefixes::Host
}

pub(super) fn max_cookie_parts() -> usize {
    5
}

/// What monitoring in pages (OpenTelemetry, Zipkin, Sentry, Datadog, New Relic, Application Insights, Dynatrace, Elastic,
/// Instana) and older frameworks add to each call.
pub(super) fn cors_allowed_headers() -> Vec<String> {
    strings(&[
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
    ])
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}
