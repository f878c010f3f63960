//! The hosts that receive the cookies, and the hosts that can set them.

use std::net::IpAddr;

use bff_core::cookie::name_prefixes::NamePrefixes;

use super::error::FieldError;
use super::sections::{DeviceBinding, Settings};

/// Names below which domains are registered under many of the two-letter top-level domains, as in `co.uk`.
const SECOND_LEVELS: [&str; 9] = ["ac", "co", "com", "edu", "gob", "gov", "net", "or", "org"];

/// Checks `cookie_domain` and the hosts for device binding. Warns about cookie names without a prefix, and about a Domain.
pub(super) fn check(settings: &Settings, errors: &mut Vec<FieldError>, warnings: &mut Vec<String>) {
    check_device_binding(settings, errors);
    if settings.cookie_hardening == NamePrefixes::None {
        warnings.push(
            "`cookie_hardening` is `none`, so a page of any sibling domain can set cookies with the service's names, and so \
             sign a user in to an attacker's session: set `host` unless the service must accept cookies of another \
             implementation"
                .to_owned(),
        );
    }
    let Some(domain) = &settings.cookie_domain else { return };
    if let Err(what) = check_domain(domain) {
        errors.push(FieldError::new("cookie_domain", what));
        return;
    }
    for host in settings.hosts.iter().filter(|host| !is_within(host, domain)) {
        let what = format!(
            "the host `{host}` of `hosts` is not within this domain, so no browser accepts its cookies: change one of them"
        );
        errors.push(FieldError::new("cookie_domain", what));
    }
    warnings.push(format!(
        "`cookie_domain` is `{domain}`, so browsers send the whole sealed session to every host below it, and a page of any of \
         these hosts can set cookies with the same names: remove the field unless the API is at a host other than the service's"
    ));
    if may_be_public_suffix(domain) {
        warnings.push(format!(
            "`cookie_domain` is `{domain}`, which looks like a public suffix, for which browsers accept no cookie: write a domain \
             of your own"
        ));
    }
}

/// Checks that a browser can know which requests need the proof of the device's key: those to one origin, or to a whole
/// site.
fn check_device_binding(settings: &Settings, errors: &mut Vec<FieldError>) {
    if settings.session.device_binding == DeviceBinding::Off {
        return;
    }
    let mut add_error = |what: &str| errors.push(FieldError::new("session.device_binding", what));
    if settings.cookie_domain.is_some() {
        if settings.hosts.is_empty() {
            add_error(
                "with `cookie_domain` and without `hosts`, a browser cannot know which origins may register a key: write the \
                 hosts of the service in `hosts`",
            );
        }
        return;
    }
    let names: Vec<&str> = settings.hosts.iter().map(|host| without_port(host)).collect();
    let has_two_ports = |(index, name): (usize, &&str)| {
        let mut others = names.iter().skip(index + 1);
        others.any(|other| other.eq_ignore_ascii_case(name))
    };
    if names.iter().enumerate().any(has_two_ports) {
        add_error(
            "two of `hosts` are one host with two ports, and a browser gets proofs only for requests to one of them: remove \
             one of the two",
        );
    }
}

fn check_domain(domain: &str) -> Result<(), String> {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if domain.parse::<IpAddr>().is_ok() {
        return Err(
            "invalid domain: an IP address has no hosts below it, so the cookies would be for it alone: write a domain \
             such as `example.com`, or remove the field"
                .to_owned(),
        );
    }
    if !domain.split('.').all(is_label) {
        return Err("invalid domain: write a domain such as `example.com`, without a dot at either end".to_owned());
    }
    match domain.contains('.') {
        true => Ok(()),
        false => Err(format!(
            "`{domain}` is a top-level domain, for which no browser accepts a cookie: write a domain such as `example.{domain}`"
        )),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // A colon inside the brackets of an IPv6 address does not precede a port.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

/// Whether this host, with or without a port, may set cookies with this Domain.
pub fn is_within(host: &str, domain: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let domain = domain.to_ascii_lowercase();
    name.strip_suffix(&domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether the domain may be a public suffix. The list of these changes often, and an outdated one would reject
/// valid domains, so this is a heuristic for a warning.
fn may_be_public_suffix(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let Some((first, top)) = domain.split_once('.') else {
        return false;
    };
    top.len() == 2 && SECOND_LEVELS.contains(&first)
}
