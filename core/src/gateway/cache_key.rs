//! The key that what is known of a token is kept under: another stage finds nothing of it, since the same token may be worth
//! something else there.

use sha2::{Digest, Sha256};

use crate::gateway::config::PhantomToken;
use crate::gateway::introspection_cache::Key;

/// What an answer depends on besides the token, hashed as far as it goes.
#[derive(Clone)]
pub(crate) struct StageHash(Sha256);

impl StageHash {
    pub(crate) fn new(stage: &PhantomToken) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            // Each part with its length before it, so that no two lists of parts are the same bytes.
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        for text in [&stage.authority, &stage.path, &stage.cluster, &stage.client_id] {
            part(text.as_bytes());
        }
        part(stage.requirement.audience.as_deref().unwrap_or_default().as_bytes());
        part(stage.requirement.scopes.join(" ").as_bytes());
        part(format!("{:?}", stage.answer).as_bytes());
        Self(hash)
    }

    /// The key of a token: a full hash of it and of the stage.
    pub(crate) fn key(&self, token: &[u8]) -> Key {
        let mut hash = self.0.clone();
        hash.update(token);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::config::Config;
    use serde_json::{Value, json};

    fn key(changes: Value) -> Key {
        let mut stage = json!({
            "introspection_endpoint": "https://login.example.com/introspect",
            "cluster": "authorization_server",
            "client_id": "gateway",
            "client_secret": {"inline": "a secret that is long enough"},
        });
        if let (Some(stage), Value::Object(changes)) = (stage.as_object_mut(), changes) {
            stage.extend(changes);
        }
        let text = json!({ "phantom_token": stage }).to_string();
        let config = Config::parse(text.as_bytes(), |_| None).unwrap();
        StageHash::new(&config.phantom_token.unwrap()).key(b"token")
    }

    #[test]
    fn what_is_kept_for_one_stage_is_not_found_by_another() {
        let headers = json!([{"header_name": "x-sub", "claim_name": "sub"}]);
        let stages = [
            json!({}),
            json!({"introspection_endpoint": "https://login.example.com/other"}),
            json!({"introspection_endpoint": "https://other.example.com/introspect"}),
            json!({"cluster": "another"}),
            json!({"client_id": "another"}),
            json!({"required_audience": "orders"}),
            json!({"required_scopes": ["orders"]}),
            json!({"required_scopes": ["orders", "write"]}),
            json!({"response": "claims", "claim_to_headers": headers}),
            json!({"response": "rfc9701", "issuer": "https://login.example.com", "claim_to_headers": headers}),
        ];
        let keys: std::collections::BTreeSet<Key> = stages.iter().cloned().map(key).collect();
        assert_eq!(keys.len(), stages.len());
        assert_eq!(key(json!({})), key(json!({"token_cache_seconds": 5})));
    }
}
