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

/// Checks a configuration, and subscribes to the secrets to which it refers; `None`: it refers to none. Must be called
/// when Envoy creates the configuration. Then random values stand in for these secrets.
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
        // A random value stands in for the one that has not arrived, so that the rest of the configuration can be
        // checked. Nobody knows it, and no request is decided with it.
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| "generating random bytes failed")?;
        Ok(Zeroizing::new(hex::encode(&*bytes)))
    }
}

/// The values that a worker thread has seen, each list in the order of the subscriptions.
#[derive(Default)]
pub(crate) struct SeenSecrets(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    newest: Values,
    /// The newest valid values. There are none until all have arrived and are valid.
    valid: Values,
}

type Values = Vec<Zeroizing<Vec<u8>>>;

/// What new values lead to.
#[derive(Default)]
pub(crate) struct Change {
    /// The configuration with the newest valid values, if they differ from those before.
    pub(crate) config: Option<Config>,
    /// Why new values cannot be used. The errors do not contain them.
    pub(crate) errors: Vec<ConfigError>,
}

impl SeenSecrets {
    /// Looks for new values. The first ones take effect if all are valid. From then on, an invalid value changes nothing, and
    /// other new values take effect all the same.
    pub(crate) fn change(&self, discovered: &DiscoveredSecrets, envoy: &impl EnvoyStream) -> Change {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut change = Change::default();
        let values = || discovered.subscribed.iter().map(|(_, id)| envoy.secret(*id));
        if values().eq(seen.newest.iter().map(|value| value.as_slice())) {
            return change;
        }
        seen.newest = values().map(|value| Zeroizing::new(value.to_vec())).collect();
        let Seen { newest, valid } = &mut *seen;
        let mut attempt = |values: Values| {
            let arrived = Arrived {
                discovered,
                values: &values,
            };
            match Config::with_secrets(&discovered.json, &arrived) {
                Ok(config) => {
                    change.config = Some(config);
                    Some(values)
                }
                Err(error) => {
                    change.errors.push(error);
                    None
                }
            }
        };
        if valid.is_empty() {
            // All at once, when the last one has arrived.
            if newest.iter().all(|value| !value.is_empty()) {
                *valid = attempt(newest.clone()).unwrap_or_default();
            }
            return change;
        }
        for (index, value) in newest.iter().enumerate() {
            let mut values = valid.clone();
            match values.get_mut(index) {
                Some(place) if place != value => place.clone_from(value),
                Some(_) | None => continue,
            }
            if let Some(values) = attempt(values) {
                *valid = values;
            }
        }
        change
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
        let text = std::str::from_utf8(value).map_err(|_| "the secret is not UTF-8: save it as UTF-8")?;
        // Editors and `echo` end a file with a line break.
        Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}
