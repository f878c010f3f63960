//! Where a secret of the configuration comes from.

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::error::ConfigError;

/// Where a secret is.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// Name of an environment variable of Envoy (for `/authorize`, of the service) with the secret. For the proxy-wasm
    /// module, `vm_config.environment_variables.host_env_keys` must contain it.
    Env(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] String),
    /// The secret itself, which everybody who can read Envoy's configuration then knows.
    Inline(#[cfg_attr(feature = "schema", schemars(length(min = 1)))] String),
    /// A generic secret of Envoy's secret discovery service, which Envoy can replace without a new configuration. For the
    /// native module with Envoy 1.40 or later. Envoy needs a `node` with an id and a cluster, and a document for each secret.
    Sds(SdsSecret),
}

/// A generic secret of Envoy's secret discovery service. The fields are those of Envoy's `SdsSecretConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SdsSecret {
    /// Name of the secret.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub name: String,
    /// Envoy's `ConfigSource` of the secret. If unset, the secret is one of the bootstrap's static secrets.
    pub sds_config: Option<Value>,
}

/// What a host offers to read secrets.
pub trait Secrets {
    /// Returns the value of an environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// Returns the value of a generic secret.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    fn sds(&self, secret: &SdsSecret) -> Result<Zeroizing<String>, &'static str>;
}

/// A host with environment variables alone: the function returns the value of one.
pub(super) struct Environment<F>(pub(super) F);

impl<F: Fn(&str) -> Option<String>> Secrets for Environment<F> {
    fn env(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn sds(&self, _: &SdsSecret) -> Result<Zeroizing<String>, &'static str> {
        Err("`sds` is only for the native module: write `env` or `inline`")
    }
}

impl Source {
    pub(super) fn read(self, field: &str, secrets: &impl Secrets) -> Result<Zeroizing<String>, ConfigError> {
        let (value, what) = match self {
            Self::Inline(value) => (
                Zeroizing::new(value),
                "empty: write the secret, or name an environment variable with `env`".to_owned(),
            ),
            Self::Env(name) => {
                let what = format!(
                    "the environment variable {name} is missing or empty: set it for Envoy (for the proxy-wasm module, also list it in vm_config.environment_variables.host_env_keys), or, for `/authorize`, for the service"
                );
                (Zeroizing::new(secrets.env(&name).unwrap_or_default()), what)
            }
            Self::Sds(secret) => {
                let value = secrets.sds(&secret).map_err(|what| ConfigError::new(field, what))?;
                let what = format!("the secret {} is empty: write a value into it", secret.name);
                (value, what)
            }
        };
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
            let error = source.read(
                "client_secret",
                &Environment(|_: &str| Some("\u{feff}hunter2".to_owned())),
            );
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
                .read("client_secret", &Environment(|_: &str| Some("hunter2".to_owned())))
                .expect("taken");
            assert_eq!(*value, "hunter2");
        }
    }
}
