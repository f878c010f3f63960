//! The issuer's public keys: fetched when they are first needed, when an access token names an unknown key, and when they are
//! older than [`MAX_AGE`]. A caller that invents key ids cannot make the API fetch more often than once in
//! [`UNKNOWN_KEY_PAUSE`], or in [`FAILURE_PAUSE`] while fetching fails.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use tokio::sync::Mutex;

use crate::error::ApiError;

/// After a successful fetch, the least time until an unknown key id causes the next one.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(10);
/// After a failed fetch, the least time until the next one: short, so that the API recovers soon after the issuer.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Keys older than this are fetched again, so that a key that the issuer has removed is not trusted for ever.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Larger than any real key set.
const MAX_BYTES: usize = 64 * 1024;

/// The keys, shared by all workers. One fetch at a time: a request whose key is missing waits for the fetch and shares
/// its result. A request whose key is present does not wait for the fetch of another.
pub(crate) struct KeyStore {
    uri: String,
    state: RwLock<State>,
    fetch: Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<JwkSet>,
    fetched_at: Option<Instant>,
    /// The keys are not fetched again before this moment.
    pause_until: Option<Instant>,
}

impl State {
    fn has_key(&self, kid: &str) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.find(kid).is_some())
    }

    fn is_fetch_due(&self, kid: &str, now: Instant) -> bool {
        let stale = self.fetched_at.is_none_or(|at| now.duration_since(at) > MAX_AGE);
        (!self.has_key(kid) || stale) && self.pause_until.is_none_or(|until| now >= until)
    }

    fn record(&mut self, fetched: Result<JwkSet, String>, now: Instant) {
        match fetched {
            Ok(keys) => {
                self.keys = Some(keys);
                self.fetched_at = Some(now);
                self.pause_until = Some(now + UNKNOWN_KEY_PAUSE);
            }
            Err(error) => {
                log::warn!(
                    "fetching the issuer's JWKS failed: {error}: check JWKS_URI, and that the issuer is running"
                );
                self.pause_until = Some(now + FAILURE_PAUSE);
            }
        }
    }

    fn find(&self, kid: &str) -> Result<Option<Jwk>, ApiError> {
        let keys = self.keys.as_ref().ok_or(ApiError::KeysUnavailable)?;
        Ok(keys.find(kid).cloned())
    }
}

impl KeyStore {
    /// A store that fetches the JWKS document (RFC 7517) at `uri`.
    pub(crate) fn new(uri: String) -> KeyStore {
        KeyStore {
            uri,
            state: RwLock::default(),
            fetch: Mutex::default(),
        }
    }

    /// The key with this id; `None` if the issuer has no such key.
    ///
    /// # Errors
    /// [`ApiError::KeysUnavailable`] if no key set could be fetched so far.
    pub(crate) async fn find(&self, kid: &str, client: &awc::Client) -> Result<Option<Jwk>, ApiError> {
        if self.with_state(|state| state.is_fetch_due(kid, Instant::now())) {
            let turn = match self.with_state(|state| state.has_key(kid)) {
                true => self.fetch.try_lock().ok(),
                false => Some(self.fetch.lock().await),
            };
            // The worker that held the lock before may have fetched them.
            if turn.is_some() && self.with_state(|state| state.is_fetch_due(kid, Instant::now())) {
                let fetched = fetch(client, &self.uri).await;
                self.state
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .record(fetched, Instant::now());
            }
        }
        self.with_state(|state| state.find(kid))
    }

    fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn fetch(client: &awc::Client, uri: &str) -> Result<JwkSet, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{uri}: {error}");
    let mut response = client.get(uri).send().await.map_err(|error| failed(&error))?;
    if !response.status().is_success() {
        return Err(format!("{uri}: HTTP {}", response.status()));
    }
    let body = response.body().limit(MAX_BYTES).await;
    serde_json::from_slice(&body.map_err(|error| failed(&error))?).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(kid: &str) -> JwkSet {
        serde_json::from_value(serde_json::json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": kid, "x": "AA", "y": "AA", "alg": "ES256", "use": "sig"}
        ]}))
        .expect("a key set")
    }

    #[test]
    fn an_unknown_key_id_causes_one_reading_and_then_a_pause() {
        let start = Instant::now();
        let mut state = State::default();
        assert!(state.is_fetch_due("a", start));
        state.record(Ok(keys("a")), start);
        assert!(!state.is_fetch_due("a", start));
        assert!(!state.is_fetch_due("b", start + UNKNOWN_KEY_PAUSE - Duration::from_millis(1)));
        assert!(state.is_fetch_due("b", start + UNKNOWN_KEY_PAUSE));
    }

    #[test]
    fn a_failed_reading_keeps_the_keys_and_is_tried_again_soon() {
        let start = Instant::now();
        let mut state = State::default();
        state.record(Ok(keys("a")), start);
        let later = start + MAX_AGE + Duration::from_secs(1);
        assert!(state.is_fetch_due("a", later));
        state.record(Err("connection refused".to_owned()), later);
        assert!(state.find("a").is_ok_and(|key| key.is_some()));
        assert!(!state.is_fetch_due("a", later));
        assert!(state.is_fetch_due("a", later + FAILURE_PAUSE));
    }

    #[test]
    fn without_any_key_set_nothing_can_be_said_about_a_token() {
        assert!(matches!(State::default().find("a"), Err(ApiError::KeysUnavailable)));
    }

    #[test]
    fn a_key_that_the_issuer_withdrew_is_gone_after_the_next_reading() {
        let start = Instant::now();
        let mut state = State::default();
        state.record(Ok(keys("a")), start);
        state.record(Ok(keys("b")), start + MAX_AGE);
        assert!(state.find("a").is_ok_and(|key| key.is_none()));
    }
}
