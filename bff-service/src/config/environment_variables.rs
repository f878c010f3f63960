//! Environment variables that override fields. [`super`] describes their names.

use toml::{Table, Value};

use super::error::FieldError;
use super::fields::{FIELDS, Kind};

/// Returns the variable that overrides the field with this path; `None` for secrets, which have their own variables.
pub fn variable(path: &str) -> Option<String> {
    match path {
        "client.secret" | "client.secret_file" | "keys.ring" | "keys.file" | "redis.url" | "redis.url_file"
        | "admin.token" | "admin.token_file" => None,
        path => Some(format!("BFF_{}", path.replace('.', "__").to_ascii_uppercase())),
    }
}

/// Writes the values of the variables to `table`. Returns an error for each value of the wrong type.
pub fn apply(table: &mut Table, env: &impl Fn(&str) -> Option<String>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (path, kind) in FIELDS.iter() {
        let Some((variable, text)) = variable(path).and_then(|name| env(&name).map(|text| (name, text))) else {
            continue;
        };
        match parse_value(*kind, &text) {
            Ok(value) => set(table, path, value),
            Err(expected) => {
                errors.push(FieldError::new(
                    path,
                    format!("invalid value of the environment variable {variable}: write {expected}"),
                ));
            }
        }
    }
    errors
}

fn parse_value(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Integer => text.trim().parse().map(Value::Integer).map_err(|_| "an integer"),
        Kind::Boolean => text.trim().parse().map(Value::Boolean).map_err(|_| "`true` or `false`"),
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
    }
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, field)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            // If the file has a value here that is not a table, the later check reports the error.
            if let Value::Table(section) = section {
                section.insert(field.to_owned(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kubernetes sets `<SERVICE>_PORT`, `<SERVICE>_SERVICE_HOST` and others for each Service of the namespace, whose name
    /// begins and ends with a letter or a digit. Only a name with two hyphens in a row (`bff-server--admin`) could be one.
    #[test]
    fn kubernetes_sets_no_variable_of_a_field_for_a_service_without_two_hyphens_in_a_row() {
        for (path, _) in FIELDS.iter() {
            let Some(variable) = variable(path) else { continue };
            for suffix in ["_PORT", "_SERVICE_HOST", "_SERVICE_PORT"] {
                let service = variable.strip_suffix(suffix);
                assert!(
                    service.is_none_or(|service| service.ends_with('_') || service.contains("__")),
                    "{variable}"
                );
            }
            assert!(
                !variable.contains("_SERVICE_PORT_") && !variable.contains("_TCP"),
                "{variable}"
            );
        }
    }
}
