//! Errors of the configuration's structure. The JSON parser's own messages would name Rust's types, and could quote a secret.

use serde::de::IgnoredAny;

use super::error::ConfigError;

/// What to write for a secret.
const SECRET: &str = "{\"env\": \"THE_VARIABLE\"} or {\"inline\": \"…\"}";

/// Returns the error of a configuration that the parser refused.
pub(super) fn explain_structure(json: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> ConfigError {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(json) {
        return explain_syntax(&error);
    }
    let path = error.path().to_string();
    let text = strip_position(error.inner());
    // For these two, the path is that of the section.
    if let Some(name) = find_quoted_after("missing field ", &text) {
        let field = join(&path, name);
        return ConfigError::new(&field, format!("missing: write {}", describe_expected(&field)));
    }
    if let Some(name) = find_quoted_after("duplicate field ", &text) {
        return ConfigError::new(&join(&path, name), "duplicate field: write it once");
    }
    let field = if path == "." { "configuration" } else { path.as_str() };
    if is_in_secret(field) {
        // The parser's message would quote the secret.
        return ConfigError::new(field, format!("invalid type: write {SECRET}"));
    }
    let (what, expected) = text.rsplit_once(", expected ").unwrap_or((&text, ""));
    let is_requirement = |name: &str| {
        [
            "required_scopes",
            "required_audience",
            "required_acr",
            "max_auth_age",
            "route_metadata",
        ]
        .contains(&name)
    };
    if what.starts_with("unknown field") && field.rsplit('.').next().is_some_and(is_requirement) {
        return ConfigError::new(
            field,
            "no effect here, since only the stage `phantom_token` checks access tokens: write it in `phantom_token`",
        );
    }
    if what.starts_with("unknown field") {
        return ConfigError::new(field, format!("unknown field: write {expected}, or remove it"));
    }
    if let Some(value) = what.strip_prefix("unknown variant ") {
        return ConfigError::new(field, format!("unknown value {value}: write {expected}"));
    }
    if what.starts_with("invalid value") && expected == "u64" {
        return ConfigError::new(field, "invalid value: write a non-negative integer");
    }
    let expected = match expected {
        "a boolean" => "true or false",
        "u64" => "an integer",
        "a sequence" => describe_expected(field),
        structure if structure.starts_with("struct ") => "a JSON object",
        // A string, which may be a value of an enumeration: for these the parser has messages of its own.
        _ => "a string",
    };
    ConfigError::new(field, format!("invalid type: write {expected}"))
}

/// Returns the error of a configuration that is not JSON, or has more than one value.
pub(super) fn explain_syntax(error: &serde_json::Error) -> ConfigError {
    // The parser's message quotes nothing of the configuration.
    ConfigError::new("configuration", format!("invalid JSON: {error}: write one JSON object"))
}

/// Returns what to write for a required field or a list.
fn describe_expected(field: &str) -> &'static str {
    match field.rsplit('.').next() {
        Some("encryption_key" | "client_secret") => SECRET,
        Some("trusted_web_origins" | "drop_cookies" | "required_scopes" | "required_acr") => "a list of strings",
        Some("claim_to_headers") => "a list of JSON objects",
        _ => "a string",
    }
}

fn is_in_secret(field: &str) -> bool {
    field
        .split(['.', '['])
        .any(|name| ["encryption_key", "client_secret"].contains(&name))
}

fn join(path: &str, name: &str) -> String {
    match path {
        "." => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn find_quoted_after<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    text.strip_prefix(prefix)?.strip_prefix('`')?.strip_suffix('`')
}

/// Returns the parser's message without the position, which means nothing to those who wrote the configuration in YAML.
fn strip_position(error: &serde_json::Error) -> String {
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    match text.strip_suffix(&position) {
        Some(text) => text.to_owned(),
        None => text,
    }
}
