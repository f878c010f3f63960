//! Loads the configuration from the file and the environment.

use std::path::Path;

use super::application::Config;
use super::applications;
use super::error::{ConfigError, FieldError};
use crate::http_client::Proxy;

/// Reads the file at `path`, applies the overrides of `env` (normally `std::env::var`), reads the secrets and validates
/// each application.
///
/// # Errors
/// The file cannot be read, or the configuration is invalid: all errors that one step found, such as all unknown fields
/// or all invalid values.
pub fn load(path: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Vec<Config>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let shown = path.display();
        let what = format!("reading {shown} failed: {error}: write --config with the path of a file that can be read");
        FieldError::new("", what)
    })?;
    parse(&text, env)
}

/// Like [`load`], for a string.
///
/// # Errors
/// See [`load`].
pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Vec<Config>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error| not_toml(text, &error))?;
    let proxy = Proxy::from_env(&env).map_err(|error| FieldError::new(error.variable, error.what))?;
    let mut configs = applications::parse(table, &env)?;
    for config in &mut configs {
        config.proxy = proxy.clone();
    }
    Ok(configs)
}

/// The error's `Display` would quote the line, which may contain a secret.
fn not_toml(text: &str, error: &toml::de::Error) -> FieldError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    FieldError::new("", format!("invalid TOML: line {line}: {}", error.message()))
}

impl Config {
    /// Like [`load`], for a string with a single application.
    ///
    /// # Errors
    /// See [`load`]. Also, if there are several applications.
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let mut all = parse(text, env)?;
        match (all.pop(), all.is_empty()) {
            (Some(config), true) => Ok(config),
            _ => Err(FieldError::new("applications", "more than one application: write one only").into()),
        }
    }
}
