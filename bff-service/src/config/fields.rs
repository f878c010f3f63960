//! The names and types of all fields, as a table: what the environment may override, what is unknown in the file, and
//! what the author of an unknown field probably meant.

use toml::{Table, Value};

use super::error::Fault;

/// The type of a field's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number that is not negative.
    Number,
    /// `true` or `false`.
    Flag,
    /// A list of strings.
    List,
}

use Kind::{Flag, List, Number, Text};

/// Every field by its path. The tests hold it against [`Settings`](super::Settings).
pub const FIELDS: &[(&str, Kind)] = &[
    ("demo", Flag),
    ("endpoints_prefix", Text),
    ("former_endpoints_prefixes", List),
    ("cookie_name_prefix", Text),
    ("cookie_domain", Text),
    ("cookie_hardening", Text),
    ("cookie_paths", Text),
    ("max_cookie_parts", Number),
    ("accept_v1_cookies", Flag),
    ("trusted_web_origins", List),
    ("cors_allowed_headers", List),
    ("hosts", List),
    ("userinfo_source", Text),
    ("server.address", Text),
    ("server.port", Number),
    ("server.admin_address", Text),
    ("server.admin_port", Number),
    ("server.workers", Number),
    ("server.drain_seconds", Number),
    ("server.reread_seconds", Number),
    ("authorization_server.issuer", Text),
    ("authorization_server.ca_file", Text),
    ("authorization_server.discovery", Flag),
    ("authorization_server.authorization_endpoint", Text),
    ("authorization_server.token_endpoint", Text),
    ("authorization_server.jwks_uri", Text),
    ("authorization_server.userinfo_endpoint", Text),
    ("authorization_server.revocation_endpoint", Text),
    ("authorization_server.end_session_endpoint", Text),
    ("authorization_server.pushed_authorization_request_endpoint", Text),
    (
        "authorization_server.authorization_response_iss_parameter_supported",
        Flag,
    ),
    ("authorization_server.connect_timeout_ms", Number),
    ("authorization_server.request_timeout_ms", Number),
    ("authorization_server.exchange_seconds", Number),
    ("authorization_server.max_connections", Number),
    ("authorization_server.idle_connection_seconds", Number),
    ("authorization_server.refresh_seconds", Number),
    ("authorization_server.unknown_key_seconds", Number),
    ("authorization_server.id_token_algorithms", List),
    ("authorization_server.clock_skew_seconds", Number),
    ("client.id", Text),
    ("client.secret", Text),
    ("client.secret_file", Text),
    ("client.authentication", Text),
    ("client.signing_key_files", List),
    ("client.signing_algorithm", Text),
    ("client.assertion_audience", Text),
    ("client.certificate_file", Text),
    ("client.certificate_key_file", Text),
    ("client.pushed_authorization_requests", Flag),
    ("client.signed_request_objects", Flag),
    ("client.response_mode", Text),
    ("client.dpop_key_file", Text),
    ("client.resource", List),
    ("client.redirect_uri", Text),
    ("client.post_logout_redirect_uri", Text),
    ("client.scope", Text),
    ("client.send_scope_at_refresh", Flag),
    ("client.allowed_extra_params", List),
    ("client.trusted_audiences", List),
    ("client.send_id_token_hint", Flag),
    ("client.frontchannel_logout", Flag),
    ("navigation.redirect_uri", Text),
    ("navigation.web_origin", Text),
    ("session.max_lifetime_seconds", Number),
    ("session.max_idle_seconds", Number),
    ("session.login_seconds", Number),
    ("session.refresh_replay_seconds", Number),
    ("session.refresh_replay_entries", Number),
    ("session.ended_seconds", Number),
    ("session.ended_entries", Number),
    ("redis.url", Text),
    ("redis.url_file", Text),
    ("redis.timeout_ms", Number),
    ("redis.session_affinity", Flag),
    ("keys.ring", Text),
    ("keys.file", Text),
    ("authorize.plugin_configuration_file", Text),
    ("authorize.method_header", Text),
];

/// Finds the fields that do not exist and the values of the wrong type.
pub fn check(table: &Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) if is_section(name) => {
                for (field, value) in section {
                    check_field(&format!("{name}.{field}"), value, &mut faults);
                }
            }
            _ if is_section(name) => faults.push(Fault::new(name, format!("this must be a table; write [{name}]"))),
            value => check_field(name, value, &mut faults),
        }
    }
    faults
}

fn check_field(path: &str, value: &Value, faults: &mut Vec<Fault>) {
    let Some((_, kind)) = FIELDS.iter().find(|(name, _)| *name == path) else {
        let hint = nearest(path)
            .map(|name| format!("; did you mean `{name}`?"))
            .unwrap_or_default();
        faults.push(Fault::new(path, format!("there is no such field{hint}")));
        return;
    };
    let (fits, expected) = match kind {
        Text => (value.is_str(), "a string, in quotes"),
        Number => (
            value.as_integer().is_some_and(|number| number >= 0),
            "a whole number, not negative",
        ),
        Flag => (value.is_bool(), "true or false"),
        List => (
            value.as_array().is_some_and(|values| values.iter().all(Value::is_str)),
            "a list of strings: [\"…\", \"…\"]",
        ),
    };
    if !fits {
        faults.push(Fault::new(path, format!("this must be {expected}")));
    }
}

fn is_section(name: &str) -> bool {
    FIELDS
        .iter()
        .any(|(path, _)| path.split_once('.').is_some_and(|(section, _)| section == name))
}

/// The field whose path is closest: a slip of the hand, or the right name in the wrong table.
fn nearest(path: &str) -> Option<&'static str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |name: &str| edit_distance(name, path).min(edit_distance(&last(name), &last(path)) + 1);
    let closest = FIELDS.iter().map(|(name, _)| (distance(name), *name)).min()?;
    Some(closest)
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name)
}

/// Levenshtein's.
fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
