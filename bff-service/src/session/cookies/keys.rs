//! The cookie keys, for all workers of an application: a key ring that can be replaced while requests are in progress.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};
use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Binding, Content, NONCE_BYTES, OpenError, Opened, SealError, Sealer};
use bff_core::crypto::key_ring::{KeyId, KeyRing};

use crate::config::Config;

/// The use of a sealer. A value that is sealed for one use does not open for another.
#[derive(Clone, Copy, Debug)]
enum SealerUse {
    Cookies,
    Refreshes,
    Logouts,
    Challenges,
}

/// A key ring, with the sealers made from it.
struct CurrentKeys {
    cookies: Sealer,
    refreshes: Sealer,
    logouts: Sealer,
    challenges: Sealer,
    /// How often each key has opened a cookie, the sealing key first.
    opened: Vec<(KeyId, Arc<AtomicU64>)>,
}

/// The key ring in force. All workers share it, so a new ring is in force for all of them at the same time.
pub struct CookieKeys {
    current: ArcSwap<CurrentKeys>,
    /// How often a cookie named a key outside of the ring.
    unknown: AtomicU64,
}

/// Seals and opens with the key ring in force. Cheap to clone.
#[derive(Clone)]
pub struct RotatingSealer {
    keys: Arc<CookieKeys>,
    used_for: SealerUse,
}

impl CookieKeys {
    /// Starts with the key ring of `config`.
    pub fn new(config: &Config) -> Arc<CookieKeys> {
        Arc::new(CookieKeys {
            current: ArcSwap::from_pointee(in_force(config, config.key_ring(), &[])),
            unknown: AtomicU64::new(0),
        })
    }

    /// If the keys of `ring` or their order differ, puts `ring` in force, and returns the log message of the change.
    pub fn replace(&self, config: &Config, ring: &KeyRing) -> Option<String> {
        let before = self.current.load();
        let ids = |entries: &[(KeyId, Arc<AtomicU64>)]| entries.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let (old, new) = (ids(&before.opened), ring.key_ids().collect::<Vec<_>>());
        if old == new {
            return None;
        }
        let names = |ids: &[KeyId]| ids.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ");
        let message = format!(
            "reloaded cookie keys, of which the first seals: {} (previously {})",
            names(&new),
            names(&old)
        );
        self.current.store(Arc::new(in_force(config, ring, &before.opened)));
        Some(message)
    }

    /// The sealer for cookies.
    pub fn for_cookies(self: &Arc<Self>) -> RotatingSealer {
        self.sealer(SealerUse::Cookies)
    }

    /// The sealer for results of token requests that replicas share.
    pub fn for_refreshes(self: &Arc<Self>) -> RotatingSealer {
        self.sealer(SealerUse::Refreshes)
    }

    /// The sealer for the `state` of logout requests.
    pub fn for_logouts(self: &Arc<Self>) -> RotatingSealer {
        self.sealer(SealerUse::Logouts)
    }

    /// The sealer for the challenges that devices sign.
    pub fn for_challenges(self: &Arc<Self>) -> RotatingSealer {
        self.sealer(SealerUse::Challenges)
    }

    fn sealer(self: &Arc<Self>, used_for: SealerUse) -> RotatingSealer {
        RotatingSealer {
            keys: Arc::clone(self),
            used_for,
        }
    }

    fn count_opened(&self, key: KeyId) {
        let current = self.current.load();
        if let Some((_, count)) = current.opened.iter().find(|(id, _)| *id == key) {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// The ring with its counters. A key that stays keeps its counter.
fn in_force(config: &Config, ring: &KeyRing, before: &[(KeyId, Arc<AtomicU64>)]) -> CurrentKeys {
    let count = |id: KeyId| {
        let known = before.iter().find(|(other, _)| *other == id);
        (id, known.map_or_else(Arc::default, |(_, count)| Arc::clone(count)))
    };
    CurrentKeys {
        cookies: config.sealer(ring.clone()),
        refreshes: config.sealer_for("refresh", ring.clone()),
        logouts: config.sealer_for("logout", ring.clone()),
        challenges: config.sealer_for("challenge", ring.clone()),
        opened: ring.key_ids().map(count).collect(),
    }
}

impl RotatingSealer {
    /// Like [`Sealer::seal`].
    ///
    /// # Errors
    /// Those of [`Sealer::seal`].
    pub fn seal(&self, purpose: Purpose, content: &Content<'_>, nonce: [u8; NONCE_BYTES]) -> Result<String, SealError> {
        self.seal_in(Binding::Unbound, purpose, content, nonce)
    }

    /// Like [`Sealer::seal_in`].
    ///
    /// # Errors
    /// Those of [`Sealer::seal_in`].
    pub fn seal_in(
        &self,
        binding: Binding,
        purpose: Purpose,
        content: &Content<'_>,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, SealError> {
        self.of(&self.keys.current.load())
            .seal_in(binding, purpose, content, nonce)
    }

    /// Whether `key` is the one that seals.
    pub fn is_sealing_key(&self, key: KeyId) -> bool {
        self.of(&self.keys.current.load()).key_ids().next() == Some(key)
    }

    /// Like [`Sealer::open`].
    ///
    /// # Errors
    /// Those of [`Sealer::open`].
    pub fn open(&self, purpose: Purpose, sealed: &[u8], now: u64) -> Result<Opened, OpenError> {
        self.count(self.of(&self.keys.current.load()).open(purpose, sealed, now))
    }

    /// Like [`Sealer::open_even_expired_in_any`].
    ///
    /// # Errors
    /// Those of [`Sealer::open_even_expired_in_any`].
    pub fn open_even_expired_in_any(&self, purpose: Purpose, sealed: &[u8]) -> Result<Opened, OpenError> {
        let in_force = self.keys.current.load();
        self.count(self.of(&in_force).open_even_expired_in_any(purpose, sealed))
    }

    fn count(&self, opened: Result<Opened, OpenError>) -> Result<Opened, OpenError> {
        if matches!(self.used_for, SealerUse::Cookies) {
            match &opened {
                Ok(opened) => self.keys.count_opened(opened.key_id),
                Err(OpenError::UnknownKey(_)) => {
                    self.keys.unknown.fetch_add(1, Relaxed);
                }
                Err(_) => {}
            }
        }
        opened
    }

    fn of<'a>(&self, in_force: &'a Guard<Arc<CurrentKeys>>) -> &'a Sealer {
        match self.used_for {
            SealerUse::Cookies => &in_force.cookies,
            SealerUse::Refreshes => &in_force.refreshes,
            SealerUse::Logouts => &in_force.logouts,
            SealerUse::Challenges => &in_force.challenges,
        }
    }
}

/// The keys in force, and how often each opened a cookie, for each application by name, in Prometheus' text format.
pub fn metrics<'a>(applications: impl Iterator<Item = (Option<&'a str>, &'a CookieKeys)>) -> String {
    let (mut keys, mut opened, mut unknown) = (String::new(), String::new(), String::new());
    for (name, application) in applications {
        let of = name.map_or_else(String::new, |name| format!("application=\"{name}\""));
        let comma = if of.is_empty() { "" } else { "," };
        for (index, (key, count)) in application.current.load().opened.iter().enumerate() {
            let does = if index == 0 { "seals" } else { "opens" };
            // Writing to a String does not fail.
            let _ = writeln!(keys, "bff_cookie_keys{{{of}{comma}key=\"{key}\",does=\"{does}\"}} 1");
            let count = count.load(Relaxed);
            let _ = writeln!(opened, "bff_cookies_opened_total{{{of}{comma}key=\"{key}\"}} {count}");
        }
        let labels = if of.is_empty() { of } else { format!("{{{of}}}") };
        let count = application.unknown.load(Relaxed);
        let _ = writeln!(unknown, "bff_cookies_of_unknown_keys_total{labels} {count}");
    }
    format!(
        "# HELP bff_cookie_keys Cookie keys in force, by fingerprint: one seals, all open.\n\
         # TYPE bff_cookie_keys gauge\n{keys}\
         # HELP bff_cookies_opened_total Cookies that opened, by the key that sealed them.\n\
         # TYPE bff_cookies_opened_total counter\n{opened}\
         # HELP bff_cookies_of_unknown_keys_total Cookies sealed with a key that is not in the key ring.\n\
         # TYPE bff_cookies_of_unknown_keys_total counter\n{unknown}"
    )
}
