//! The client secret in force.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// The client secret of an application, which can be replaced while requests are in progress. All workers share it, as
/// do clones.
#[derive(Clone)]
pub struct ClientSecret(Arc<ArcSwapOption<Secret>>);

impl ClientSecret {
    /// Starts with this secret. `None`: the client authenticates without a secret.
    pub fn new(secret: Option<&Secret>) -> ClientSecret {
        ClientSecret(Arc::new(ArcSwapOption::new(secret.cloned().map(Arc::new))))
    }

    /// The secret in force.
    pub fn get(&self) -> Option<Arc<Secret>> {
        self.0.load_full()
    }

    /// Replaces the secret. Returns whether it has changed.
    pub fn replace(&self, secret: Option<&Secret>) -> bool {
        let is_same = match (self.get(), secret) {
            (Some(old), Some(new)) => bool::from(old.expose().as_bytes().ct_eq(new.expose().as_bytes())),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            self.0.store(secret.cloned().map(Arc::new));
        }
        !is_same
    }
}
