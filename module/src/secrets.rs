//! Secrets of a configuration that Envoy discovers, and replaces without a new configuration. Envoy does not tell of a new
//! value, so each worker thread compares the values before each request.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use bff_core::encoding::hex;
use bff_core::gateway::config::{Config, ConfigError, SdsSecret, Secrets};
use zeroize::Zeroizing;

use crate::envoy::{EnvoyConfiguration, EnvoyStream, SecretId};

/// The discovered secrets of a configuration.
pub(crate) struct DiscoveredSecrets {
    /// The configuration, which refers to them.
    json: Vec<u8>,
    subscribed: Vec<(SdsSecret, SecretId)>,
}

/// Checks a configuration, and subscribes to the secrets to which it refers; `None`: to none. Must be called when Envoy creates
/// the configuration. Then the configuration has no secrets yet.
///
/// # Errors
/// The first invalid field, and what to write.
pub(crate) fn subscribe(
    json: &[u8],
    envoy: &impl EnvoyConfiguration,
) -> Result<(Config, Option<DiscoveredSecrets>), ConfigError> {
    let subscriber = Subscriber {
        envoy,
        subscribed: RefCell::default(),
    };
    let config = Config::with_secrets(json, &subscriber)?;
    let subscribed = subscriber.subscribed.into_inner();
    let discovered = (!subscribed.is_empty()).then(|| DiscoveredSecrets {
        json: json.to_vec(),
        subscribed,
    });
    Ok((config, discovered))
}

struct Subscriber<'a, E> {
    envoy: &'a E,
    subscribed: RefCell<Vec<(SdsSecret, SecretId)>>,
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl<E: EnvoyConfiguration> Secrets for Subscriber<'_, E> {
    fn env(&self, name: &str) -> Option<String> {
        env(name)
    }

    fn sds(&self, secret: &SdsSecret) -> Result<Zeroizing<String>, &'static str> {
        let source = secret.sds_config.as_ref().map(ToString::to_string).unwrap_or_default();
        let id = self.envoy.subscribe(&secret.name, &source)?;
        self.subscribed.borrow_mut().push((secret.clone(), id));
        // It stands in for a value that has not arrived, so that the rest of the configuration can be checked. Nobody knows it,
        // and no request is decided with it.
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| "internal error: no random numbers")?;
        Ok(Zeroizing::new(hex::encode(&*bytes)))
    }
}

/// The values that a worker thread has seen, in the order of the subscriptions.
#[derive(Default)]
pub(crate) struct SeenSecrets(Mutex<Vec<Zeroizing<Vec<u8>>>>);

impl SeenSecrets {
    /// Returns the configuration with the newest values, if one of them is new and all have arrived.
    ///
    /// # Errors
    /// A value cannot be used. The error does not contain it.
    pub(crate) fn changed(
        &self,
        discovered: &DiscoveredSecrets,
        envoy: &impl EnvoyStream,
    ) -> Option<Result<Config, ConfigError>> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let values = || discovered.subscribed.iter().map(|(_, id)| envoy.secret(*id));
        if values().any(<[u8]>::is_empty) || values().eq(seen.iter().map(|value| value.as_slice())) {
            return None;
        }
        *seen = values().map(|value| Zeroizing::new(value.to_vec())).collect();
        let arrived = Arrived {
            discovered,
            values: &seen,
        };
        Some(Config::with_secrets(&discovered.json, &arrived))
    }
}

struct Arrived<'a> {
    discovered: &'a DiscoveredSecrets,
    values: &'a [Zeroizing<Vec<u8>>],
}

impl Secrets for Arrived<'_> {
    fn env(&self, name: &str) -> Option<String> {
        env(name)
    }

    fn sds(&self, secret: &SdsSecret) -> Result<Zeroizing<String>, &'static str> {
        let mut all = self.discovered.subscribed.iter().zip(self.values);
        let (_, value) = all
            .find(|((subscribed, _), _)| subscribed == secret)
            .ok_or("internal error: not subscribed to the secret")?;
        let text = std::str::from_utf8(value).map_err(|_| "the secret is not UTF-8: save it as text")?;
        // Editors and `echo` end a file with a line break.
        Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}
