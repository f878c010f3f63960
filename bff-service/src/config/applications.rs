//! Several applications in one service, such as one for each domain, each of them a separate client.
//!
//! Fields outside of `[applications]` apply to all applications. `[applications.<name>]` has the same fields, except
//! `server` and `demo`, which apply to the whole service. Its values override those outside of it, and variables override
//! its values: `BFF_APPLICATIONS__<NAME>__CLIENT__ID` is `client.id` of one application, and
//! `BFF_APPLICATIONS__<NAME>__COOKIE_KEYS` its keys.

use std::collections::HashSet;

use oauth2::RedirectUrl;
use toml::{Table, Value};

use super::application::Config;
use super::error::{ConfigError, FieldError};
use super::{environment_variables, fields};

/// Sections and fields that apply to the whole service.
pub(super) const SHARED: [&str; 2] = ["server", "demo"];

/// Reads all applications of a file. If the file has no `[applications]`, returns a single one without a name.
pub(super) fn parse(mut base: Table, env: &impl Fn(&str) -> Option<String>) -> Result<Vec<Config>, ConfigError> {
    let applications = base.remove("applications");
    let mut errors = environment_variables::apply(&mut base, env);
    errors.extend(fields::check(&base));
    let applications = match applications {
        None if errors.is_empty() => return Ok(vec![Config::of_table(None, base, env)?]),
        None => return Err(ConfigError::new(errors)),
        Some(Value::Table(applications)) if !applications.is_empty() => applications,
        Some(_) => {
            errors.push(FieldError::new(
                "applications",
                "contains no table of an application: write [applications.<name>] for each",
            ));
            return Err(ConfigError::new(errors));
        }
    };
    let mut configs = Vec::new();
    for (name, own) in applications {
        match parse_application(&name, &base, own, env) {
            Ok(config) => configs.push(config),
            Err(error) => errors.extend(
                error
                    .errors()
                    .iter()
                    .map(|error| error.within(&format!("applications.{name}"))),
            ),
        }
    }
    errors.extend(check_isolation(&configs));
    mark_shared_redirect_uris(&mut configs);
    share_endpoints_prefixes(&mut configs);
    match errors.is_empty() {
        true => Ok(configs),
        false => Err(ConfigError::new(errors)),
    }
}

fn parse_application(
    name: &str,
    base: &Table,
    own: Value,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(FieldError::new("", "invalid name: write lower-case letters, digits and hyphens").into());
    }
    let Value::Table(mut own) = own else {
        return Err(FieldError::new("", "invalid type: write a table").into());
    };
    let prefix = format!("BFF_APPLICATIONS__{}__", name.replace('-', "_").to_ascii_uppercase());
    let own_env = |variable: &str| env(&variable.replacen("BFF_", &prefix, 1));
    let mut errors = environment_variables::apply(&mut own, &own_env);
    errors.extend(fields::check(&own));
    for shared in SHARED.iter().filter(|shared| own.contains_key(**shared)) {
        errors.push(FieldError::new(
            shared,
            "applies to the whole service: write it outside of [applications]",
        ));
    }
    if !errors.is_empty() {
        return Err(ConfigError::new(errors));
    }
    let has_any = |section: &str, fields: [&str; 2]| {
        let section = own.get(section).and_then(Value::as_table);
        section.is_some_and(|section| fields.iter().any(|field| section.contains_key(*field)))
    };
    // An application's own secret takes precedence over a common one. (A URL of Redis in its table does not.)
    let (own_secret, own_keys, own_token) = (
        has_any("client", ["secret", "secret_file"]),
        has_any("keys", ["ring", "file"]),
        has_any("admin", ["token", "token_file"]),
    );
    let secrets_env = |variable: &str| {
        let hidden = (own_secret && variable.starts_with("BFF_CLIENT_SECRET"))
            || (own_keys && variable.starts_with("BFF_COOKIE_KEYS"))
            || (own_token && variable.starts_with("BFF_ADMIN_TOKEN"));
        let other = match variable.strip_suffix("_FILE") {
            Some(plain) => plain.to_owned(),
            None => format!("{variable}_FILE"),
        };
        let overridden = own_env(&other).is_some();
        own_env(variable).or_else(|| env(variable).filter(|_| !hidden && !overridden))
    };
    let mut table = base.clone();
    merge(&mut table, own);
    Config::of_table(Some(name), table, &secrets_env)
}

/// Merges `overrides` into `table`, with precedence.
fn merge(table: &mut Table, overrides: Table) {
    for (name, value) in overrides {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(section)), Value::Table(overrides)) => {
                // One way to set a secret replaces the other.
                for (one, other) in [
                    ("secret", "secret_file"),
                    ("ring", "file"),
                    ("url", "url_file"),
                    ("token", "token_file"),
                ] {
                    for (given, replaced) in [(one, other), (other, one)] {
                        if overrides.contains_key(given) {
                            section.remove(replaced);
                        }
                    }
                }
                merge(section, overrides);
            }
            (_, value) => {
                table.insert(name, value);
            }
        }
    }
}

/// Marks the applications that share a redirect URI with an application of another issuer: two issuers at one redirect URI
/// need `iss` in their responses (RFC 9700, section 2.1). Their metadata, or the configuration, say whether they send it.
fn mark_shared_redirect_uris(configs: &mut [Config]) {
    let of_all: Vec<(String, Vec<RedirectUrl>)> = configs
        .iter()
        .map(|config| {
            let uris = config.redirect_uris().cloned().collect();
            (config.authorization_server.issuer.clone(), uris)
        })
        .collect();
    for config in configs {
        let is_ours = |uri: &RedirectUrl| config.redirect_uris().any(|own| own == uri);
        config.has_shared_redirect_uri = of_all
            .iter()
            .any(|(issuer, uris)| *issuer != config.authorization_server.issuer && uris.iter().any(is_ours));
    }
}

/// Gives each application the prefixes of all applications.
fn share_endpoints_prefixes(configs: &mut [Config]) {
    let mut all: Vec<String> = configs.iter().map(|config| config.endpoints_prefix.clone()).collect();
    all.sort_unstable();
    all.dedup();
    for config in configs {
        config.all_endpoints_prefixes.clone_from(&all);
    }
}

/// Checks that no cookie of one application opens in another, and that a request belongs to one application only.
fn check_isolation(configs: &[Config]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, one) in configs.iter().enumerate() {
        for other in configs.iter().skip(index + 1) {
            let names = (one.name().unwrap_or_default(), other.name().unwrap_or_default());
            let mut add_error = |what: String| {
                errors.push(FieldError::new(
                    "applications",
                    format!("`{}` and `{}` {what}", names.0, names.1),
                ))
            };
            let keys: HashSet<_> = one.key_ring().key_ids().collect();
            if other.key_ring().key_ids().any(|key| keys.contains(&key)) {
                add_error("share a cookie key: set different keys for each".to_owned());
            }
            let share_a_host = |is_shared: fn(&str, &str) -> bool| match (one.hosts.as_slice(), other.hosts.as_slice())
            {
                ([], []) => true,
                // The application that names its hosts takes precedence.
                ([], _) | (_, []) => false,
                (hosts, others) => hosts
                    .iter()
                    .any(|host| others.iter().any(|other| is_shared(host, other))),
            };
            let (prefix, other_prefix) = (one.endpoints_prefix.as_str(), other.endpoints_prefix.as_str());
            let share_paths = is_at_or_below(prefix, other_prefix) || is_at_or_below(other_prefix, prefix);
            if share_paths && share_a_host(|host, other| is_host(host, other) || is_host(other, host)) {
                add_error(
                    "share a host and `endpoints_prefix` (or one prefix is below the other): set different `hosts` or \
                     different prefixes"
                        .to_owned(),
                );
            } else if one.cookie_name_prefix == other.cookie_name_prefix
                // Browsers send the cookies of a host to all of its ports.
                && share_a_host(|host, other| without_port(host).eq_ignore_ascii_case(without_port(other)))
            {
                add_error("share a host and `cookie_name_prefix`: set different prefixes".to_owned());
            }
        }
    }
    errors
}

/// Whether a path is a path prefix of the configuration, or below it.
pub fn is_at_or_below(path: &str, prefix: &str) -> bool {
    let below = path.strip_prefix(prefix);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a request with this `Host` is for a host of the configuration, which has a port only if that counts.
pub fn is_host(host: &str, configured: &str) -> bool {
    configured.eq_ignore_ascii_case(without_port(host)) || configured.eq_ignore_ascii_case(host)
}

/// Returns a host without its port.
pub fn without_port(host: &str) -> &str {
    let split = host.rsplit_once(':');
    let split = split.filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    split.map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::two_applications::{KEYS, env, two};
    use super::is_host;

    #[test]
    fn each_application_has_what_is_its_own_and_what_is_common() {
        let configs = parse(&two("", ""), env).unwrap();
        let seen: Vec<_> = configs
            .iter()
            .map(|config| {
                (
                    config.name().unwrap(),
                    config.client.id.as_str(),
                    config.hosts[0].as_str(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [("brand-a", "a", "api.brand-a.com"), ("brand-b", "b", "api.brand-b.com")]
        );
        for config in &configs {
            assert_eq!(config.authorization_server.issuer, "https://login.example.com");
            assert_eq!(config.client_secret().unwrap().expose(), "the same for both");
        }
    }

    #[test]
    fn a_variable_of_one_application_does_not_touch_the_other() {
        let only_a = |name: &str| match name {
            "BFF_APPLICATIONS__BRAND_A__CLIENT__ID" => Some("changed".to_owned()),
            "BFF_APPLICATIONS__BRAND_A__CLIENT_SECRET" => Some("a's own".to_owned()),
            other => env(other),
        };
        let configs = parse(&two("", ""), only_a).unwrap();
        assert_eq!(
            (configs[0].client.id.as_str(), configs[1].client.id.as_str()),
            ("changed", "b")
        );
        assert_eq!(configs[0].client_secret().unwrap().expose(), "a's own");
        assert_eq!(configs[1].client_secret().unwrap().expose(), "the same for both");
    }

    #[test]
    fn applications_that_could_be_taken_for_each_other_are_refused() {
        let same_keys = |name: &str| match name {
            "BFF_COOKIE_KEYS" => Some(KEYS[0].to_owned()),
            name if name.ends_with("COOKIE_KEYS") => None,
            other => env(other),
        };
        let error = parse(&two("", ""), same_keys).unwrap_err().to_string();
        assert!(error.contains("`brand-a` and `brand-b` share a cookie key"), "{error}");
        let same_host = two("", "").replace("api.brand-b.com", "API.brand-a.com");
        let error = parse(&same_host, env).unwrap_err().to_string();
        assert!(error.contains("share a host and `endpoints_prefix`"), "{error}");
        let by_prefix = same_host.replace(
            "[applications.brand-b]",
            "[applications.brand-b]\nendpoints_prefix = \"/b\"",
        );
        let error = parse(&by_prefix, env).unwrap_err().to_string();
        assert!(error.contains("share a host and `cookie_name_prefix`"), "{error}");
        let distinct = by_prefix.replace("\"/b\"", "\"/b\"\ncookie_name_prefix = \"brand-b\"");
        assert!(parse(&distinct, env).is_ok());
        let nested = distinct.replace("\"/b\"", "\"/bff/b\"");
        let error = parse(&nested, env).unwrap_err().to_string();
        assert!(error.contains("one prefix is below the other"), "{error}");
    }

    #[test]
    fn a_host_without_a_port_is_for_every_port_and_cookies_are_for_all_of_them() {
        let with_hosts = |one: &str, other: &str, more: &str| {
            let text = two("", more).replace("api.brand-a.com", one);
            parse(&text.replace("api.brand-b.com", other), env).map_err(|error| error.to_string())
        };
        let other_cookies = "cookie_name_prefix = \"brand-b\"";
        for (one, other) in [("a.com", "A.com:8443"), ("a.com:8443", "a.com")] {
            let error = with_hosts(one, other, other_cookies).unwrap_err();
            assert!(error.contains("share a host and `endpoints_prefix`"), "{error}");
        }
        assert!(with_hosts("a.com:8443", "a.com:9443", other_cookies).is_ok());
        let error = with_hosts("a.com:8443", "a.com:9443", "").unwrap_err();
        assert!(error.contains("share a host and `cookie_name_prefix`"), "{error}");
        for (host, configured, is_for_it) in [
            ("a.com", "A.com", true),
            ("a.com:8443", "a.com", true),
            ("a.com:8443", "a.com:8443", true),
            ("a.com:8443", "a.com:9443", false),
            ("a.com", "a.com:8443", false),
            ("a.com:443", "a.com", true),
            ("a.com:", "a.com", true),
            ("a.com:80a", "a.com", false),
            ("a.com.", "a.com", false),
            ("user@a.com", "a.com", false),
            ("[::1]:8443", "[::1]", true),
            ("[::1]", "[::1]", true),
        ] {
            assert_eq!(is_host(host, configured), is_for_it, "{host} {configured}");
        }
    }

    #[test]
    fn faults_name_the_application() {
        for (text, field) in [
            (two("cookie_paths = \"wide\"", ""), "applications.brand-a.cookie_paths"),
            (two("", "colour = 1"), "applications.brand-b.colour"),
            (two("demo = true", ""), "applications.brand-a.demo"),
            ("applications = 1".to_owned(), "applications"),
            ("[applications]".to_owned(), "applications"),
            ("[applications.\"A b\"]".to_owned(), "applications.A b"),
        ] {
            let error = parse(&text, env).unwrap_err();
            assert_eq!(error.errors()[0].field(), field, "{error}");
        }
    }
}
