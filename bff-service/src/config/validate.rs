//! What the values must be. Every fault is found, not only the first.

use std::net::IpAddr;

use bff_core::cookie::MAX_PARTS;
use bff_core::keys::KeyRing;
use bff_core::names::CookieNames;
use bff_core::origin::TrustedOrigins;
use url::Url;

use super::client_keys::{self, ClientKeys};
use super::cookie_scope;
use super::error::Fault;
use super::sections::{CookiePaths, Settings, UserInfoSource};
use crate::jose::algorithm::{Algorithm, NamedAlgorithm};
use crate::oauth::discovery::check_endpoint;
use crate::oauth::extra_params;

/// What the checks make of the values.
#[derive(Debug)]
pub struct Parts {
    /// The keys that seal the cookies.
    pub key_ring: KeyRing,
    /// The names of the cookies.
    pub cookie_names: CookieNames,
    /// Who may call.
    pub trusted_origins: TrustedOrigins,
    /// What ID tokens may be signed with.
    pub id_token_algorithms: Vec<Algorithm>,
    /// This client's private keys.
    pub client_keys: ClientKeys,
}

/// Checks everything; faults are added to `faults`. Also returns warnings.
pub fn check(settings: &Settings, faults: &mut Vec<Fault>) -> Option<(Parts, Vec<String>)> {
    let mut warnings = Vec::new();
    if settings.demo {
        warnings.push("`demo` is true: plain http and published keys are accepted; never so in production".to_owned());
    }
    check_api(settings, faults);
    cookie_scope::check(settings, faults, &mut warnings);
    check_authorization_server(settings, faults);
    check_client(settings, faults);
    check_session(settings, faults);
    check_navigation(settings, faults);
    check_hosts(settings, faults);
    let key_ring = key_ring(settings, faults, &mut warnings);
    let cookie_names = cookie_names(settings, faults);
    let trusted_origins = trusted_origins(settings, faults);
    let id_token_algorithms = id_token_algorithms(settings, faults);
    let client_keys = client_keys::load(settings, faults);
    if let Some(trusted) = &trusted_origins {
        check_page(
            "client.redirect_uri",
            Some(&settings.client.redirect_uri),
            settings,
            trusted,
            faults,
        );
        let back = settings.client.post_logout_redirect_uri.as_deref();
        check_page("client.post_logout_redirect_uri", back, settings, trusted, faults);
        if let Some(origin) = &settings.navigation.web_origin
            && !trusted.is_trusted(origin.as_bytes())
        {
            faults.push(Fault::new(
                "navigation.web_origin",
                "this must be one of `trusted_web_origins`",
            ));
        }
    }
    let parts = Parts {
        key_ring: key_ring?,
        cookie_names: cookie_names?,
        trusted_origins: trusted_origins?,
        id_token_algorithms,
        client_keys,
    };
    Some((parts, warnings))
}

fn check_api(settings: &Settings, faults: &mut Vec<Fault>) {
    let mut fault = |field: &str, message: &str| faults.push(Fault::new(field, message));
    if !is_prefix(&settings.endpoints_prefix) {
        fault(
            "endpoints_prefix",
            "this must be a path such as `/bff`: a slash at its beginning, none at its end",
        );
    }
    if !settings
        .former_endpoints_prefixes
        .iter()
        .all(|prefix| is_prefix(prefix))
    {
        fault(
            "former_endpoints_prefixes",
            "these must be paths such as `/bff`: a slash at its beginning, none at its end",
        );
    }
    if !(1..=MAX_PARTS).contains(&settings.max_cookie_parts) {
        fault("max_cookie_parts", "this must be from 1 to 20");
    }
    let is_header = |name: &String| {
        let prefix = name.strip_suffix("-*");
        let name = prefix.unwrap_or(name);
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
    };
    if let Some(name) = settings.cors_allowed_headers.iter().find(|name| !is_header(name)) {
        fault(
            "cors_allowed_headers",
            &format!("`{name}` is not the name of a header; write `baggage`, or `x-datadog-*` for all that begin so"),
        );
    }
    for (field, address) in [
        ("server.address", &settings.server.address),
        ("server.admin_address", &settings.server.admin_address),
    ] {
        if address.parse::<IpAddr>().is_err() {
            fault(field, "this must be an IP address such as `127.0.0.1` or `0.0.0.0`");
        }
    }
    let (api, admin) = (settings.server.port, settings.server.admin_port);
    if api != 0 && api == admin && settings.server.address == settings.server.admin_address {
        fault(
            "server.admin_port",
            "this must not be the port of the API (`server.port`)",
        );
    }
    if settings
        .server
        .workers
        .is_some_and(|workers| !(1..=1024).contains(&workers))
    {
        fault(
            "server.workers",
            "this must be from 1 to 1024; leave it out for one for each core",
        );
    }
    if settings.server.drain_seconds > 3600 {
        fault("server.drain_seconds", "this must be from 0 to 3600");
    }
    if settings.server.reread_seconds > 3600 {
        fault(
            "server.reread_seconds",
            "this must be from 0 to 3600; 0 for SIGHUP alone",
        );
    }
}

fn is_prefix(prefix: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let segment_is_sane = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(sane);
    prefix.starts_with('/') && prefix.split('/').skip(1).all(segment_is_sane)
}

fn check_authorization_server(settings: &Settings, faults: &mut Vec<Fault>) {
    let server = &settings.authorization_server;
    let mut fault =
        |field: &str, message: String| faults.push(Fault::new(&format!("authorization_server.{field}"), message));
    match server.issuer.as_str() {
        "" => fault(
            "issuer",
            "this is required: the authorization server's issuer identifier, a https URL".to_owned(),
        ),
        issuer => match check_endpoint(issuer, settings.demo) {
            Err(what) => fault("issuer", format!("this {what}")),
            Ok(url) if url.query().is_some() => fault("issuer", "an issuer has no query".to_owned()),
            Ok(_) => {}
        },
    }
    let endpoints = [
        ("authorization_endpoint", &server.authorization_endpoint, true),
        ("token_endpoint", &server.token_endpoint, true),
        ("jwks_uri", &server.jwks_uri, true),
        (
            "userinfo_endpoint",
            &server.userinfo_endpoint,
            settings.userinfo_source == UserInfoSource::UserinfoEndpoint,
        ),
        ("revocation_endpoint", &server.revocation_endpoint, false),
        ("end_session_endpoint", &server.end_session_endpoint, false),
        (
            "pushed_authorization_request_endpoint",
            &server.pushed_authorization_request_endpoint,
            settings.client.pushed_authorization_requests == Some(true),
        ),
    ];
    for (field, endpoint, needed) in endpoints {
        match endpoint.as_deref().map(|url| check_endpoint(url, settings.demo)) {
            Some(Err(what)) => fault(field, format!("this {what}")),
            None if needed && !server.discovery => {
                fault(
                    field,
                    "this is required where `authorization_server.discovery` is false".to_owned(),
                );
            }
            _ => {}
        }
    }
    let ranges = [
        ("connect_timeout_ms", server.connect_timeout_ms, 1, 60_000),
        ("request_timeout_ms", server.request_timeout_ms, 1, 60_000),
        ("exchange_seconds", server.exchange_seconds, 1, 300),
        ("max_connections", server.max_connections as u64, 1, 10_000),
        ("idle_connection_seconds", server.idle_connection_seconds, 0, 3600),
        ("refresh_seconds", server.refresh_seconds, 1, 86_400),
        ("unknown_key_seconds", server.unknown_key_seconds, 0, 3600),
        ("clock_skew_seconds", server.clock_skew_seconds, 0, 60),
    ];
    for (field, value, least, most) in ranges {
        if !(least..=most).contains(&value) {
            fault(field, format!("this must be from {least} to {most}"));
        }
    }
}

fn check_client(settings: &Settings, faults: &mut Vec<Fault>) {
    let client = &settings.client;
    let mut fault = |field: &str, message: &str| faults.push(Fault::new(&format!("client.{field}"), message));
    // RFC 6749 appendix A.1.
    let printable = |text: &str| text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    if client.id.is_empty() || !printable(&client.id) {
        fault(
            "id",
            "this is required: the client_id that the authorization server knows this client by",
        );
    }
    let scopes: Vec<&str> = client.scope.split_ascii_whitespace().collect();
    if !scopes.contains(&"openid") {
        fault("scope", "this must hold `openid`: without it there is no ID token");
    }
    if !printable(&client.scope) || client.scope.contains(['"', '\\']) {
        fault("scope", "this must be names parted by spaces");
    }
    for key in client
        .allowed_extra_params
        .iter()
        .filter(|key| extra_params::is_forbidden(key))
    {
        let what = format!("`{key}` must never be set by a page; take it out");
        fault("allowed_extra_params", &what);
    }
}

fn check_navigation(settings: &Settings, faults: &mut Vec<Fault>) {
    let Some(uri) = &settings.navigation.redirect_uri else {
        return;
    };
    let callback = format!("{}/callback", settings.endpoints_prefix);
    let problem = match check_endpoint(uri, settings.demo) {
        Err(what) => format!("this {what}"),
        Ok(url) if url.path() != callback || url.query().is_some() => {
            format!("this must be this API's own callback: its path must be `{callback}`")
        }
        Ok(_) => return,
    };
    faults.push(Fault::new("navigation.redirect_uri", problem));
}

fn check_hosts(settings: &Settings, faults: &mut Vec<Fault>) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']');
    for host in &settings.hosts {
        if host.is_empty() || !host.bytes().all(legal) {
            let what = format!("`{}` is not a host such as `api.example.com`", host.escape_debug());
            faults.push(Fault::new("hosts", what));
        }
    }
}

fn check_session(settings: &Settings, faults: &mut Vec<Fault>) {
    let session = &settings.session;
    let year = 366 * 86_400;
    let ranges = [
        (
            "max_lifetime_seconds",
            session.max_lifetime_seconds.unwrap_or(1),
            1,
            year,
        ),
        ("max_idle_seconds", session.max_idle_seconds.unwrap_or(1), 1, year),
        ("login_seconds", session.login_seconds, 1, 86_400),
        ("refresh_replay_seconds", session.refresh_replay_seconds, 0, 600),
        ("ended_seconds", session.ended_seconds, 60, year),
        // What the filter keeps.
        ("ended_entries", session.ended_entries as u64, 1, 10_000),
        (
            "refresh_replay_entries",
            session.refresh_replay_entries as u64,
            1,
            10_000_000,
        ),
    ];
    for (field, value, least, most) in ranges {
        if !(least..=most).contains(&value) {
            faults.push(Fault::new(
                &format!("session.{field}"),
                format!("this must be from {least} to {most}"),
            ));
        }
    }
    if !(10..=10_000).contains(&settings.redis.timeout_ms) {
        faults.push(Fault::new("redis.timeout_ms", "this must be from 10 to 10000"));
    }
}

/// A page that the browser is sent to: on a trusted origin, so that no code ever reaches another.
fn check_page(
    field: &str,
    value: Option<&str>,
    settings: &Settings,
    trusted: &TrustedOrigins,
    faults: &mut Vec<Fault>,
) {
    let problem = match value {
        None => return,
        Some("") => Some("this is required: the page that the browser comes back to".to_owned()),
        Some(value) => match check_endpoint(value, settings.demo) {
            Err(what) => Some(format!("this {what}")),
            Ok(url) if !trusted.is_trusted(origin(&url).as_bytes()) => {
                Some("this must be on one of `trusted_web_origins`".to_owned())
            }
            Ok(_) => None,
        },
    };
    faults.extend(problem.map(|what| Fault::new(field, what)));
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn key_ring(settings: &Settings, faults: &mut Vec<Fault>, warnings: &mut Vec<String>) -> Option<KeyRing> {
    // A missing ring is a fault already.
    let text = settings.keys.ring.as_ref()?;
    match KeyRing::parse(text.expose(), settings.demo) {
        Ok((ring, notes)) => {
            warnings.extend(notes.iter().map(|note| format!("cookie keys: {note}")));
            Some(ring)
        }
        Err(error) => {
            faults.push(Fault::new("keys", error.to_string()));
            None
        }
    }
}

fn cookie_names(settings: &Settings, faults: &mut Vec<Fault>) -> Option<CookieNames> {
    let root = settings.cookie_paths == CookiePaths::Root;
    let domain = settings.cookie_domain.is_some();
    let names = CookieNames::new(&settings.cookie_name_prefix, settings.cookie_hardening, root, domain);
    names
        .map_err(|error| faults.push(Fault::new("cookie_name_prefix", error.to_string())))
        .ok()
}

fn trusted_origins(settings: &Settings, faults: &mut Vec<Fault>) -> Option<TrustedOrigins> {
    if settings.trusted_web_origins.is_empty() {
        let what = "this is required: the origins of your pages, such as [\"https://www.example.com\"]";
        faults.push(Fault::new("trusted_web_origins", what));
        return None;
    }
    let origins = TrustedOrigins::parse(&settings.trusted_web_origins, settings.demo);
    origins
        .map_err(|error| faults.push(Fault::new("trusted_web_origins", error.to_string())))
        .ok()
}

fn id_token_algorithms(settings: &Settings, faults: &mut Vec<Fault>) -> Vec<Algorithm> {
    let field = "authorization_server.id_token_algorithms";
    let names = &settings.authorization_server.id_token_algorithms;
    if names.is_empty() {
        faults.push(Fault::new(
            field,
            "this must name at least one algorithm, such as RS256",
        ));
    }
    let mut algorithms = Vec::new();
    for name in names {
        match Algorithm::of(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => faults.push(Fault::new(
                field,
                format!("`{name}` is not accepted; choose from {}", NamedAlgorithm::names()),
            )),
        }
    }
    algorithms
}
