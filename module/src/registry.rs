//! Values that configurations share by a key, as long as one of them has the value.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

/// The values in use.
pub(crate) struct Registry<K, V>(LazyLock<Mutex<HashMap<K, Weak<V>>>>);

impl<K: Hash + Eq, V> Registry<K, V> {
    /// Creates an empty registry.
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    /// Returns the value of a key. If no configuration has it, it is created.
    pub(crate) fn get(&self, key: K, create: impl FnOnce() -> Arc<V>) -> Arc<V> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.retain(|_, value| value.strong_count() > 0);
        let value = values.entry(key).or_default();
        value.upgrade().unwrap_or_else(|| {
            let created = create();
            *value = Arc::downgrade(&created);
            created
        })
    }
}
