//! Validates and parses the values, and collects the errors.
//!
//! [`sections`](super::sections) has the ranges of single numbers. This module and those that it calls have the other
//! rules of an application, except those of secrets and of `[authorize]`.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderName;
use bff_core::cookie::name_prefixes::CookieNames;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::request::trusted_origins::TrustedOrigins;
use oauth2::{RedirectUrl, Scope};
use url::Url;

use super::client_keys::{self, ClientKeys};
use super::cookie_scope;
use super::endpoint_url;
use super::error::FieldError;
use super::forbidden_params::is_forbidden;
use super::header_pattern::HeaderPattern;
use super::sections::{AuthorizationServer, CookiePaths, Settings};
use super::server_endpoints::{ServerEndpoints, parse_endpoints};
use crate::jose::algorithm::{Algorithm, NamedAlgorithm};

/// The parsed values.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) api_address: SocketAddr,
    pub(super) admin_address: SocketAddr,
    pub(super) key_ring: KeyRing,
    pub(super) cookie_names: CookieNames,
    pub(super) csrf_header: HeaderName,
    pub(super) trusted_origins: TrustedOrigins,
    pub(super) cors_allowed_headers: Vec<HeaderPattern>,
    pub(super) issuer_url: Url,
    pub(super) endpoints: ServerEndpoints,
    pub(super) id_token_algorithms: Vec<Algorithm>,
    pub(super) scopes: Vec<Scope>,
    pub(super) redirect_uri: RedirectUrl,
    pub(super) navigation_redirect_uri: Option<RedirectUrl>,
    pub(super) web_origin: Url,
    pub(super) client_keys: ClientKeys,
}

/// Validates the values, and adds errors to `errors`. Also returns warnings.
pub(super) fn check(settings: &Settings, errors: &mut Vec<FieldError>) -> Option<(Parsed, Vec<String>)> {
    let mut warnings = Vec::new();
    if settings.demo {
        warnings.push(
            "`demo` is true: the service accepts plain http, published keys, and secrets in this file: remove `demo` \
             in production"
                .to_owned(),
        );
    }
    check_prefixes(settings, errors);
    let cors_allowed_headers = parse_header_patterns(settings, errors);
    let addresses = parse_addresses(settings, errors);
    cookie_scope::check(settings, errors, &mut warnings);
    let issuer_url = parse_issuer_url(settings, errors);
    let endpoints = parse_endpoints(settings, errors);
    let scopes = check_client(settings, errors);
    settings.check_ranges(errors);
    let navigation_redirect_uri = parse_navigation_redirect_uri(settings, errors);
    check_hosts(settings, errors);
    let key_ring = parse_key_ring(settings, errors, &mut warnings);
    let cookie_names = make_cookie_names(settings, errors);
    let trusted_origins = parse_trusted_origins(settings, errors);
    let id_token_algorithms = parse_id_token_algorithms(&settings.authorization_server, errors);
    let client_keys = client_keys::load(settings, errors);
    let trusted_origins = trusted_origins?;
    let redirect_uri = parse_page_url(
        "client.redirect_uri",
        &settings.client.redirect_uri,
        settings,
        &trusted_origins,
        errors,
    );
    if let Some(back) = &settings.client.post_logout_redirect_uri {
        parse_page_url(
            "client.post_logout_redirect_uri",
            back,
            settings,
            &trusted_origins,
            errors,
        );
    }
    let web_origin = select_web_origin(settings, &trusted_origins, errors);
    let (api_address, admin_address) = addresses?;
    let (cookie_names, csrf_header) = cookie_names?;
    let parsed = Parsed {
        api_address,
        admin_address,
        key_ring: key_ring?,
        cookie_names,
        csrf_header,
        trusted_origins,
        cors_allowed_headers,
        issuer_url: issuer_url?,
        endpoints,
        id_token_algorithms,
        scopes,
        redirect_uri: redirect_uri?,
        navigation_redirect_uri,
        web_origin: web_origin?,
        client_keys,
    };
    Some((parsed, warnings))
}

fn check_prefixes(settings: &Settings, errors: &mut Vec<FieldError>) {
    let mut add_error = |field: &str, message: &str| errors.push(FieldError::new(field, message));
    if !is_prefix(&settings.endpoints_prefix) {
        add_error(
            "endpoints_prefix",
            "invalid path: write a path such as `/bff`, with a leading and without a trailing slash",
        );
    }
    let former = settings.former_endpoints_prefixes.iter();
    for prefix in former.filter(|prefix| !is_prefix(prefix)) {
        add_error(
            "former_endpoints_prefixes",
            &format!(
                "invalid path `{prefix}`: write a path such as `/bff`, with a leading and without a trailing slash"
            ),
        );
    }
}

fn is_prefix(prefix: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_allowed);
    prefix.starts_with('/') && prefix.split('/').skip(1).all(is_segment)
}

fn parse_header_patterns(settings: &Settings, errors: &mut Vec<FieldError>) -> Vec<HeaderPattern> {
    let mut patterns = Vec::new();
    for name in &settings.cors_allowed_headers {
        match HeaderPattern::parse(name) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let what = format!(
                    "invalid header name `{name}`: write a name such as `baggage`, or a prefix such as `x-datadog-*`"
                );
                errors.push(FieldError::new("cors_allowed_headers", what));
                break;
            }
        }
    }
    patterns
}

/// Returns the addresses of the service's endpoints and of the admin listener.
fn parse_addresses(settings: &Settings, errors: &mut Vec<FieldError>) -> Option<(SocketAddr, SocketAddr)> {
    let server = &settings.server;
    let mut address = |field: &str, address: &str, port: u16| {
        let parsed: Result<IpAddr, _> = address.parse();
        if parsed.is_err() {
            errors.push(FieldError::new(
                field,
                "invalid address: write an IP address such as `127.0.0.1` or `0.0.0.0`",
            ));
        }
        parsed.ok().map(|address| SocketAddr::new(address, port))
    };
    let api = address("server.address", &server.address, server.port);
    let admin = address("server.admin_address", &server.admin_address, server.admin_port);
    if server.port != 0 && server.port == server.admin_port && server.address == server.admin_address {
        errors.push(FieldError::new(
            "server.admin_port",
            "the same as `server.port`: write another port",
        ));
    }
    api.zip(admin)
}

fn parse_issuer_url(settings: &Settings, errors: &mut Vec<FieldError>) -> Option<Url> {
    let problem = match settings.authorization_server.issuer.as_str() {
        "" => "missing: write the issuer identifier of the authorization server, an https URL".to_owned(),
        issuer => match endpoint_url::parse(issuer, settings.demo) {
            Err(what) => what,
            Ok(url) if url.query().is_some() => "invalid issuer: write its URL without a query".to_owned(),
            Ok(url) => return Some(url),
        },
    };
    errors.push(FieldError::new("authorization_server.issuer", problem));
    None
}

/// Checks the fields of the client. Returns the requested scopes.
fn check_client(settings: &Settings, errors: &mut Vec<FieldError>) -> Vec<Scope> {
    let client = &settings.client;
    let mut add_error = |field: &str, message: &str| errors.push(FieldError::new(&format!("client.{field}"), message));
    // RFC 6749, appendix A.1.
    let is_printable = |string: &str| string.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    if client.id.is_empty() {
        add_error(
            "id",
            "missing: write the `client_id` registered at the authorization server",
        );
    } else if !is_printable(&client.id) {
        add_error("id", "invalid `client_id`: write printable ASCII characters");
    }
    let scopes: Vec<&str> = client.scope.split_ascii_whitespace().collect();
    if !scopes.contains(&"openid") {
        add_error(
            "scope",
            "missing `openid`, without which the authorization server issues no ID token: add it",
        );
    }
    if !is_printable(&client.scope) || client.scope.contains(['"', '\\']) {
        add_error(
            "scope",
            "invalid scope: write names of printable ASCII characters without `\"` and `\\`, space-separated",
        );
    }
    for key in client.allowed_extra_params.iter().filter(|key| is_forbidden(key)) {
        let what = format!("no page may set `{key}`: remove it");
        add_error("allowed_extra_params", &what);
    }
    scopes.into_iter().map(|scope| Scope::new(scope.to_owned())).collect()
}

fn parse_navigation_redirect_uri(settings: &Settings, errors: &mut Vec<FieldError>) -> Option<RedirectUrl> {
    let uri = settings.navigation.redirect_uri.as_ref()?;
    let callback = format!("{}/callback", settings.endpoints_prefix);
    let problem = match endpoint_url::parse(uri, settings.demo) {
        Err(what) => what,
        Ok(url) if url.path() != callback || url.query().is_some() => {
            format!("not the callback of the service: write a URL with the path `{callback}` and without a query")
        }
        Ok(_) => return RedirectUrl::new(uri.clone()).ok(),
    };
    errors.push(FieldError::new("navigation.redirect_uri", problem));
    None
}

/// Returns the origin that the navigation variant returns to: the configured one, or otherwise the first trusted one.
fn select_web_origin(settings: &Settings, trusted: &TrustedOrigins, errors: &mut Vec<FieldError>) -> Option<Url> {
    let origin = match &settings.navigation.web_origin {
        Some(origin) if !trusted.is_trusted(origin.as_bytes()) => {
            errors.push(FieldError::new(
                "navigation.web_origin",
                "not a trusted web origin: write one of `trusted_web_origins`",
            ));
            return None;
        }
        Some(origin) => origin,
        None => trusted.iter().next()?,
    };
    // The rules for origins are stricter than those for URLs.
    Url::parse(origin).ok()
}

fn check_hosts(settings: &Settings, errors: &mut Vec<FieldError>) {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']');
    for host in &settings.hosts {
        if host.is_empty() || !host.bytes().all(is_allowed) {
            let what = format!(
                "invalid host `{}`: write a host such as `api.example.com`",
                host.escape_debug()
            );
            errors.push(FieldError::new("hosts", what));
        }
    }
}

/// Returns the URL of a page that the browser is sent to: on a trusted origin, so that no code reaches another origin.
fn parse_page_url(
    field: &str,
    value: &str,
    settings: &Settings,
    trusted: &TrustedOrigins,
    errors: &mut Vec<FieldError>,
) -> Option<RedirectUrl> {
    let problem = match value {
        "" => "missing: write the URL of the page to which the authorization server returns the browser".to_owned(),
        value => match endpoint_url::parse(value, settings.demo) {
            Err(what) => what,
            Ok(url) if !trusted.is_trusted(url.origin().ascii_serialization().as_bytes()) => {
                "not on a trusted web origin: write the URL of a page at one of `trusted_web_origins`".to_owned()
            }
            // The string is unchanged: the authorization server compares it with the registered one.
            Ok(_) => return RedirectUrl::new(value.to_owned()).ok(),
        },
    };
    errors.push(FieldError::new(field, problem));
    None
}

fn parse_key_ring(settings: &Settings, errors: &mut Vec<FieldError>, warnings: &mut Vec<String>) -> Option<KeyRing> {
    // A missing key ring has already been reported.
    let keys = settings.keys.ring.as_ref()?;
    match KeyRing::parse(keys.expose(), settings.demo) {
        Ok((ring, notes)) => {
            warnings.extend(notes.iter().map(|note| format!("cookie keys: {note}")));
            Some(ring)
        }
        Err(error) => {
            errors.push(FieldError::new("keys", error.to_string()));
            None
        }
    }
}

/// Returns the names of the cookies and of the CSRF header.
fn make_cookie_names(settings: &Settings, errors: &mut Vec<FieldError>) -> Option<(CookieNames, HeaderName)> {
    let is_root = settings.cookie_paths == CookiePaths::Root;
    let has_domain = settings.cookie_domain.is_some();
    let prefix = &settings.cookie_name_prefix;
    let names =
        CookieNames::new(prefix, settings.cookie_hardening, is_root, has_domain).map_err(|error| error.to_string());
    let header = bff_core::session::csrf::header_name(prefix);
    let header = HeaderName::try_from(header.as_str())
        .map_err(|_| format!("invalid CSRF header name `{header}`: write lower-case letters, digits and hyphens"));
    names
        .and_then(|names| Ok((names, header?)))
        .map_err(|what| errors.push(FieldError::new("cookie_name_prefix", what)))
        .ok()
}

fn parse_trusted_origins(settings: &Settings, errors: &mut Vec<FieldError>) -> Option<TrustedOrigins> {
    if settings.trusted_web_origins.is_empty() {
        let what = "missing: write the web origins of your pages, such as [\"https://www.example.com\"]";
        errors.push(FieldError::new("trusted_web_origins", what));
        return None;
    }
    let origins = TrustedOrigins::parse(&settings.trusted_web_origins, settings.demo);
    origins
        .map_err(|error| errors.push(FieldError::new("trusted_web_origins", error.to_string())))
        .ok()
}

fn parse_id_token_algorithms(server: &AuthorizationServer, errors: &mut Vec<FieldError>) -> Vec<Algorithm> {
    let field = "authorization_server.id_token_algorithms";
    if server.id_token_algorithms.is_empty() {
        errors.push(FieldError::new(
            field,
            "the list is empty: write at least one algorithm, such as RS256",
        ));
    }
    let mut algorithms = Vec::new();
    for name in &server.id_token_algorithms {
        match Algorithm::of(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => errors.push(FieldError::new(
                field,
                format!(
                    "unsupported algorithm `{name}`: write one of {}",
                    NamedAlgorithm::names()
                ),
            )),
        }
    }
    algorithms
}
