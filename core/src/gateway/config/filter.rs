//! The configuration of the filter as a whole.

use serde::Deserialize;

use super::bff_token::{BffToken, RawBffToken};
use super::end_streams::EndStreams;
use super::error::ConfigError;
use super::phantom_token::{PhantomToken, RawPhantomToken};
use super::source::{Environment, Secrets};
use super::structural_error::{explain_structure, explain_syntax};
use crate::crypto::key_ring::KeyWarning;

/// A valid configuration of the filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cookie stage, if it is configured.
    pub bff_token: Option<BffToken>,
    /// The token stage, if it is configured.
    pub phantom_token: Option<PhantomToken>,
    /// Which open streams the gateway ends.
    pub end_streams: EndStreams,
    /// Warnings for the log about keys that are accepted but should be replaced.
    pub warnings: Vec<KeyWarning>,
}

impl Config {
    /// Reads the configuration, which is JSON, for a host whose secrets are in environment variables: `env` returns the
    /// value of one.
    ///
    /// # Errors
    /// The first invalid field, and what to write.
    pub fn parse(json: &[u8], env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::with_secrets(json, &Environment(env))
    }

    /// Reads the configuration for a host with further secrets.
    ///
    /// # Errors
    /// The first invalid field, and what to write.
    pub fn with_secrets(json: &[u8], secrets: &impl Secrets) -> Result<Self, ConfigError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let raw: RawConfig =
            serde_path_to_error::deserialize(&mut deserializer).map_err(|error| explain_structure(json, &error))?;
        deserializer.end().map_err(|error| explain_syntax(&error))?;
        if raw.bff_token.is_none() && raw.phantom_token.is_none() {
            return Err(ConfigError::new(
                "configuration",
                "missing section: write `bff_token`, `phantom_token`, or both",
            ));
        }
        let mut warnings = Vec::new();
        let bff_token = raw.bff_token.map(|raw| raw.check(secrets, &mut warnings)).transpose()?;
        let phantom_token = raw.phantom_token.map(|raw| raw.check(secrets)).transpose()?;
        let exchange = phantom_token.as_ref().and_then(|stage| stage.steps.exchange());
        if let Some(exchange) = exchange {
            exchange.check_callers(bff_token.as_ref())?;
        }
        let end_streams = raw.end_streams.check(bff_token.as_ref(), phantom_token.as_ref())?;
        Ok(Self {
            bff_token,
            phantom_token,
            end_streams,
            warnings,
        })
    }
}

/// The configuration of one instance of the filter, which is one entry point. If a section is absent, its stage does
/// not run.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    bff_token: Option<RawBffToken>,
    phantom_token: Option<RawPhantomToken>,
    /// Whether streams that were forwarded end with their session (`session`), with their access token (`token`), or not at
    /// all (`never`).
    #[serde(default)]
    end_streams: EndStreams,
}
