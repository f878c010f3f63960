//! Cache keys of what the authorization server says about access tokens. A key covers everything that a response depends on,
//! so that a stage finds a response of another only if its own would be the same.

use sha2::{Digest, Sha256};

use super::config::{ClaimToHeader, ClientAuthentication, Endpoint, PhantomToken, ResponseFormat, TokenExchange};
use super::requirement::Requirement;

/// An untruncated SHA-256 hash over everything that a response depends on.
pub(crate) type CacheKey = [u8; 32];

/// A hash over everything of a stage that its responses depend on. Two stages with the same hash can share what they know.
pub type StageId = [u8; 32];

/// The cache keys of one stage: a hash that already covers its configuration.
#[derive(Clone)]
pub(crate) struct CacheKeys(Sha256);

impl CacheKeys {
    pub(crate) fn new(stage: &PhantomToken) -> Self {
        // A new field must be considered: does what is stored depend on it?
        let PhantomToken {
            steps,
            cluster,
            client_id,
            client_secret,
            client_authentication,
            cache_seconds,
            ignore_cache_control,
            response,
            // Limits of memory, not of responses.
            cache_entries: _,
            cache_bytes: _,
            shared_cache_bytes: _,
            // Each request checks them against what is stored.
            requirement: _,
            route_metadata: _,
            require_certificate_binding: _,
            // How long a request waits.
            timeout_ms: _,
            // Which tokens are introspected at all.
            introspect_jwts: _,
        } = stage;
        let mut parts = Parts(Sha256::new());
        if let Some(endpoint) = steps.introspection() {
            parts.add("introspection");
            parts.add_endpoint(endpoint);
        }
        if let Some(exchange) = steps.exchange() {
            parts.add("exchange");
            parts.add_exchange(exchange);
        }
        for text in [cluster, client_id] {
            parts.add(text);
        }
        // A client that may not introspect a token must not learn what another client may.
        parts.0.update(Sha256::digest(client_secret.as_bytes()));
        parts.add(match client_authentication {
            ClientAuthentication::ClientSecretBasic => "client_secret_basic",
            ClientAuthentication::ClientSecretPost => "client_secret_post",
        });
        parts.0.update(cache_seconds.to_be_bytes());
        parts.0.update([u8::from(*ignore_cache_control)]);
        match response {
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

impl PhantomToken {
    /// Returns the identity of this stage.
    pub fn id(&self) -> StageId {
        CacheKeys::new(self).0.finalize().into()
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

    fn add_endpoint(&mut self, endpoint: &Endpoint) {
        let Endpoint {
            scheme,
            authority,
            path,
        } = endpoint;
        for text in [*scheme, authority, path] {
            self.add(text);
        }
    }

    fn add_exchange(&mut self, exchange: &TokenExchange) {
        let TokenExchange {
            endpoint,
            audience,
            resource,
            scopes,
            requested_token_type,
            subject,
        } = exchange;
        self.add_endpoint(endpoint);
        self.add_list(audience);
        self.add_list(resource);
        self.add_list(scopes);
        self.add(requested_token_type.urn().unwrap_or_default());
        let Requirement {
            scopes,
            audience,
            authentication: _,
        } = subject;
        self.add_list(scopes);
        self.add_list(audience);
    }

    fn add_list<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) {
        let texts: Vec<_> = texts.into_iter().collect();
        self.0
            .update(u64::try_from(texts.len()).unwrap_or(u64::MAX).to_be_bytes());
        for text in texts {
            self.add(text);
        }
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
        // With cookies, so that a token exchange needs no `subject_audience`.
        let cookies = json!({
            "cookie_name_prefix": "example",
            "encryption_key": {"inline": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
            "trusted_web_origins": ["https://www.example.com"],
        });
        let text = json!({"bff_token": cookies, "phantom_token": stage}).to_string();
        let config = Config::parse(text.as_bytes(), |_| None).unwrap();
        CacheKeys::new(&config.phantom_token.unwrap()).key(b"token")
    }

    fn exchange(changes: Value) -> Value {
        let mut exchange = json!({"token_endpoint": "https://login.example.com/token", "audience": "orders"});
        if let (Some(exchange), Value::Object(changes)) = (exchange.as_object_mut(), changes) {
            exchange.extend(changes);
        }
        json!({ "token_exchange": exchange })
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
            json!({"client_secret": {"inline": "another secret that is long enough"}}),
            json!({"client_authentication": "client_secret_post"}),
            json!({"introspection_endpoint": "http://login.example.com/introspect"}),
            json!({"token_cache_seconds": 5}),
            json!({"ignore_cache_control": true}),
            json!({"response": "claims", "claim_to_headers": headers}),
            json!({"response": "claims", "claim_to_headers": [{"header_name": "x-sub", "claim_name": "name"}]}),
            json!({"response": "claims", "claim_to_headers": [{"header_name": "x-name", "claim_name": "sub"}]}),
            json!({"response": "claims", "claim_to_headers": [
                {"header_name": "x-sub", "claim_name": "sub", "required": true},
            ]}),
            json!({"response": "rfc9701", "issuer": "https://login.example.com", "claim_to_headers": headers}),
            json!({"response": "rfc9701", "issuer": "https://other.example.com", "claim_to_headers": headers}),
            exchange(json!({})),
            json!({"introspection_endpoint": null, "token_exchange": exchange(json!({}))["token_exchange"]}),
            exchange(json!({"token_endpoint": "https://login.example.com/other"})),
            exchange(json!({"audience": "billing"})),
            exchange(json!({"audience": null, "resource": "urn:orders"})),
            exchange(json!({"audience": null, "scopes": ["orders"]})),
            exchange(json!({"resource": "https://api.example.com/orders"})),
            exchange(json!({"scopes": ["read"]})),
            exchange(json!({"scopes": ["read", "write"]})),
            exchange(json!({"requested_token_type": "jwt"})),
            exchange(json!({"requested_token_type": "unspecified"})),
            exchange(json!({"subject_audience": "gateway"})),
            exchange(json!({"subject_scopes": ["gateway"]})),
        ];
        let keys: std::collections::BTreeSet<CacheKey> = stages.iter().cloned().map(key).collect();
        assert_eq!(keys.len(), stages.len());
    }

    #[test]
    fn stages_with_different_requirements_find_the_same_response() {
        let same = [
            json!({"required_audience": "orders"}),
            json!({"required_scopes": ["orders", "write"]}),
            json!({"route_metadata": "bff_filter"}),
            json!({"require_certificate_binding": true}),
            json!({"timeout_ms": 1}),
            json!({"token_cache_bytes": 1}),
        ];
        for changes in same {
            assert_eq!(key(json!({})), key(changes.clone()), "{changes}");
        }
    }
}
