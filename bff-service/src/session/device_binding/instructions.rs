//! What the service tells the browser about a session that the browser may bind or has bound: headers, and the session
//! instructions (W3C Device Bound Session Credentials, sections 9.1, 9.2 and 9.6).

use bff_core::cookie::purpose::Purpose;
use serde_json::{Value, json};
use url::Url;

use crate::config::{Config, DeviceBinding, is_within};
use crate::jose::device_key::DeviceKey;
use crate::session::cookies::settings::CookieSettings;

/// The path of the registration endpoint, below the prefix of the service's endpoints.
pub const REGISTRATION_PATH: &str = "/dbsc/register";
/// The path of the refresh endpoint, below the prefix of the service's endpoints.
pub const REFRESH_PATH: &str = "/dbsc/refresh";
/// The part that these paths have in common.
const COMMON_PATH: &str = "/dbsc";
/// Where a browser reads which origins may register a session for all hosts of a site (W3C Device Bound Session
/// Credentials, section 11.6).
pub const WELL_KNOWN_PATH: &str = "/.well-known/device-bound-sessions";

/// The value of `Secure-Session-Registration`, with a challenge, which is base64url.
pub fn registration_offer(config: &Config, challenge: &str) -> String {
    let algorithms = DeviceKey::ALGORITHMS.join(" ");
    let prefix = &config.endpoints_prefix;
    format!("({algorithms});path=\"{prefix}{REGISTRATION_PATH}\";challenge=\"{challenge}\"")
}

/// The value of `Secure-Session-Challenge`. Both arguments are base64url.
pub fn challenge_for(identifier: &str, challenge: &str) -> String {
    format!("\"{challenge}\";id=\"{identifier}\"")
}

/// The document at [`WELL_KNOWN_PATH`] of `host`, for applications with these configurations; `None` if none of them binds
/// sessions for a site of this host.
pub fn registering_origins<'a>(configs: impl Iterator<Item = &'a Config>, host: &str) -> Option<Value> {
    let is_of_site = |config: &&Config| {
        let domain = config.cookie_domain.as_deref();
        config.session.device_binding != DeviceBinding::Off && domain.is_some_and(|domain| is_within(host, domain))
    };
    let origins: Vec<String> = configs
        .filter(is_of_site)
        .flat_map(|config| config.hosts.iter().map(|host| format!("https://{host}")))
        .collect();
    (!origins.is_empty()).then(|| json!({ "registering_origins": origins }))
}

/// The session instructions: which requests the browser holds until it has a current proof, and where the browser gets a
/// proof. `host` is that of the request.
pub fn instructions(config: &Config, settings: &CookieSettings, host: &str, identifier: &str) -> Value {
    // If the scopes of two sessions contained each other's refresh URL, their refreshes would wait for each other.
    let excluded = config
        .endpoints_prefixes()
        .map(|prefix| json!({"type": "exclude", "domain": "*", "path": format!("{prefix}{COMMON_PATH}")}));
    let cookie = Purpose::DeviceBinding;
    let mut scope = json!({
        "include_site": settings.domain.is_some(),
        "scope_specification": excluded.collect::<Value>(),
    });
    if let Some(domain) = &settings.domain {
        // The origin of the site, at the port of the service.
        let port = host
            .rsplit_once(':')
            .map_or_else(String::new, |(_, port)| format!(":{port}"));
        scope["origin"] = json!(format!("https://{domain}{port}"));
    }
    json!({
        "session_identifier": identifier,
        "refresh_url": format!("{}{REFRESH_PATH}", config.endpoints_prefix),
        "scope": scope,
        "credentials": [{
            "type": "cookie",
            "name": settings.name(cookie),
            "attributes": format!("{}; SameSite=Strict", settings.attributes(cookie)),
        }],
        // If the host of a page is missing here, the browser gets no proof for the requests of that page.
        "allowed_refresh_initiators": initiators(config),
    })
}

/// The hosts of the pages.
fn initiators(config: &Config) -> Vec<String> {
    let mut hosts = Vec::new();
    for origin in config.trusted_origins().iter() {
        let host = Url::parse(origin)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        if let Some(host) = host.filter(|host| !hosts.contains(host)) {
            hosts.push(host);
        }
    }
    hosts
}
