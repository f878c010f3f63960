//! The table of all fields with their names and types: for the variables that override them, for errors about unknown
//! fields in the file, and for suggestions.

#![allow(clippy::wildcard_enum_match_arm, reason = "the types of TOML values are not ours")]

use std::sync::LazyLock;

use toml::{Table, Value};

use super::error::FieldError;
pub use super::sections::Kind;
use super::sections::Settings;

/// Every field by its path.
pub static FIELDS: LazyLock<Vec<(&'static str, Kind)>> = LazyLock::new(Settings::fields);

/// Finds unknown fields and values of the wrong type.
pub fn check(table: &Table) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(section) if is_section(name) => {
                for (field, value) in section {
                    check_field(&format!("{name}.{field}"), value, &mut errors);
                }
            }
            _ if is_section(name) => {
                errors.push(FieldError::new(name, format!("invalid type: write the table [{name}]")))
            }
            value => check_field(name, value, &mut errors),
        }
    }
    errors
}

fn check_field(path: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let Some((_, kind)) = FIELDS.iter().find(|(name, _)| *name == path) else {
        let hint = find_nearest(path)
            .map(|name| format!(": did you mean `{name}`?"))
            .unwrap_or_else(|| ": remove it".to_owned());
        errors.push(FieldError::new(path, format!("unknown field{hint}")));
        return;
    };
    let (is_valid, expected) = match kind {
        Kind::String => (value.is_str(), "a string, in quotes"),
        Kind::Integer => (
            value.as_integer().is_some_and(|number| number >= 0),
            "a non-negative integer",
        ),
        Kind::Boolean => (value.is_bool(), "`true` or `false`"),
        Kind::List => (
            value.as_array().is_some_and(|values| values.iter().all(Value::is_str)),
            "a list of strings such as [\"one\", \"two\"]",
        ),
    };
    if !is_valid {
        errors.push(FieldError::new(path, format!("invalid value: write {expected}")));
    }
}

fn is_section(name: &str) -> bool {
    FIELDS
        .iter()
        .any(|(path, _)| path.split_once('.').is_some_and(|(section, _)| section == name))
}

/// Finds the field with the closest path: for a typing error, or a correct name in the wrong table.
fn find_nearest(path: &str) -> Option<&'static str> {
    let last_name = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |name: &str| edit_distance(name, path).min(edit_distance(&last_name(name), &last_name(path)) + 1);
    let closest = FIELDS.iter().map(|(name, _)| (distance(name), *name)).min()?;
    Some(closest)
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name)
}

/// Levenshtein distance, in bytes.
pub fn edit_distance(one: &str, other: &str) -> usize {
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
