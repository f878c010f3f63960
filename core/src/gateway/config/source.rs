//! Where a secret of the configuration comes from.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::ConfigError;

/// Where a secret is.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// Name of an environment variable of Envoy with the secret; `vm_config.environment_variables.host_env_keys` must contain it.
    Env(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] String),
    /// The secret itself, which everybody who can read Envoy's configuration then knows.
    Inline(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] String),
}

impl Source {
    pub(super) fn read(
        self,
        field: &str,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Zeroizing<String>, ConfigError> {
        let (value, what) = match self {
            Self::Inline(value) => (
                value,
                "empty: write the secret, or name an environment variable with `env`".to_owned(),
            ),
            Self::Env(name) => {
                let what = format!(
                    "the environment variable {name} is missing or empty: set it for Envoy, and list it in vm_config.environment_variables.host_env_keys; for `/authorize`, set it for the service"
                );
                (env(&name).unwrap_or_default(), what)
            }
        };
        let value = Zeroizing::new(value);
        if value.is_empty() {
            Err(ConfigError::new(field, what))
        } else if value.starts_with('\u{feff}') {
            // Some editors write an invisible byte order mark, which would become part of the secret.
            let what = "the secret begins with a byte order mark: save it as UTF-8 without one";
            Err(ConfigError::new(field, what))
        } else {
            Ok(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_with_a_byte_order_mark_is_refused_with_its_field_and_without_its_value() {
        let sources = || {
            [
                Source::Inline("\u{feff}hunter2".to_owned()),
                Source::Env("SECRET".to_owned()),
            ]
        };
        for source in sources() {
            let error = source.read("client_secret", &|_| Some("\u{feff}hunter2".to_owned()));
            let error = error.expect_err("refused").to_string();
            assert!(
                error.contains("client_secret") && error.contains("byte order mark"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
        let [inline, env] = [Source::Inline("hunter2".to_owned()), Source::Env("SECRET".to_owned())];
        for source in [inline, env] {
            let value = source
                .read("client_secret", &|_| Some("hunter2".to_owned()))
                .expect("taken");
            assert_eq!(*value, "hunter2");
        }
    }
}
