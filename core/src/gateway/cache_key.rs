//! Cache keys of introspection responses. A key covers everything that a response depends on, so that no stage finds a
//! response of another.

use sha2::{Digest, Sha256};

use super::config::{ClaimToHeader, PhantomToken, ResponseFormat};

/// An untruncated SHA-256 hash over everything that an introspection response depends on.
pub(crate) type CacheKey = [u8; 32];

/// The cache keys of one stage: a hash that already covers its configuration.
#[derive(Clone)]
pub(crate) struct CacheKeys(Sha256);

impl CacheKeys {
    pub(crate) fn new(stage: &PhantomToken) -> Self {
        let mut parts = Parts(Sha256::new());
        for text in [&stage.authority, &stage.path, &stage.cluster, &stage.client_id] {
            parts.add(text);
        }
        parts.add(stage.requirement.audience.as_deref().unwrap_or_default());
        parts.add(&stage.requirement.scopes.join(" "));
        match &stage.response {
            ResponseFormat::Jwt => parts.add("jwt"),
            ResponseFormat::Claims(headers) => {
                parts.add("claims");
                parts.add_headers(headers);
            }
            ResponseFormat::Rfc9701 { issuer, headers } => {
                parts.add("rfc9701");
                parts.add(issuer);
                parts.add_headers(headers);
            }
        }
        Self(parts.0)
    }

    /// Returns the cache key of an access token.
    pub(crate) fn key(&self, token: &[u8]) -> CacheKey {
        let mut hash = self.0.clone();
        hash.update(token);
        hash.finalize().into()
    }
}

/// A hash over a list of strings. Each is preceded by its length, so that different lists never have the same bytes.
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, text: &str) {
        self.0
            .update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn add_headers(&mut self, headers: &[ClaimToHeader]) {
        for ClaimToHeader {
            header_name,
            claim_name,
            required,
        } in headers
        {
            self.add(header_name);
            self.add(claim_name);
            self.add(if *required { "required" } else { "optional" });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::config::Config;
    use serde_json::{Value, json};

    fn key(changes: Value) -> CacheKey {
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
        CacheKeys::new(&config.phantom_token.unwrap()).key(b"token")
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
            json!({"response": "claims", "claim_to_headers": [{"header_name": "x-sub", "claim_name": "name"}]}),
            json!({"response": "claims", "claim_to_headers": [{"header_name": "x-name", "claim_name": "sub"}]}),
            json!({"response": "claims", "claim_to_headers": [
                {"header_name": "x-sub", "claim_name": "sub", "required": true},
            ]}),
            json!({"response": "rfc9701", "issuer": "https://login.example.com", "claim_to_headers": headers}),
            json!({"response": "rfc9701", "issuer": "https://other.example.com", "claim_to_headers": headers}),
        ];
        let keys: std::collections::BTreeSet<CacheKey> = stages.iter().cloned().map(key).collect();
        assert_eq!(keys.len(), stages.len());
        assert_eq!(key(json!({})), key(json!({"token_cache_seconds": 5})));
    }
}
