//! The client secret that is in force.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// The client secret of an application: another one may take its place while requests are under way. All workers share it;
/// clones are the same.
#[derive(Clone)]
pub struct ClientSecret(Arc<ArcSwapOption<Secret>>);

impl ClientSecret {
    /// Begins with this one. `None`: the client authenticates itself without a secret.
    pub fn new(secret: Option<&Secret>) -> ClientSecret {
        ClientSecret(Arc::new(ArcSwapOption::new(secret.cloned().map(Arc::new))))
    }

    /// The secret in force.
    pub fn get(&self) -> Option<Arc<Secret>> {
        self.0.load_full()
    }

    /// Puts another one in its place; whether it is another.
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
