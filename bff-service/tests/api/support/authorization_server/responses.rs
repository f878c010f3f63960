//! The normal responses of `FakeAuthorizationServer`.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{CLIENT_ID, FakeAuthorizationServer, Grant, KEY_ID};

impl FakeAuthorizationServer {
    pub(super) fn metadata(&self) -> Value {
        let issuer = self.issuer();
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "end_session_endpoint": format!("{issuer}/logout"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": true,
        });
        merge(&mut metadata, &self.state().metadata);
        metadata
    }

    pub(super) fn jwks(&self) -> Value {
        if let Some(jwks) = &self.state().jwks {
            return jwks.clone();
        }
        let point = self.0.key.public_key().as_ref();
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        }]})
    }

    pub(super) fn token(&self, form: &HashMap<String, String>) -> Result<Value, &'static str> {
        let parameter = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match parameter("grant_type") {
            "authorization_code" => {
                let grant = self.state().codes.remove(parameter("code")).ok_or("invalid_grant")?;
                let verifier = digest::digest(&digest::SHA256, parameter("code_verifier").as_bytes());
                if URL_SAFE_NO_PAD.encode(verifier) != grant.code_challenge {
                    return Err("invalid_grant");
                }
                self.state().secrets.push(parameter("code_verifier").to_owned());
                Ok(self.issue(grant))
            }
            "refresh_token" => {
                let token = parameter("refresh_token");
                let mut state = self.state();
                if state.used_refresh_tokens.contains(token) {
                    state.reuses += 1;
                    state.live_refresh_tokens.clear();
                    return Err("invalid_grant");
                }
                let grant = state.live_refresh_tokens.remove(token).ok_or("invalid_grant")?;
                state.used_refresh_tokens.insert(token.to_owned());
                state.rotations += 1;
                drop(state);
                Ok(self.issue(grant))
            }
            _ => Err("unsupported_grant_type"),
        }
    }

    fn issue(&self, grant: Grant) -> Value {
        let (access_token, refresh_token) = (self.unique("access-token"), self.unique("refresh-token"));
        let id_token = self.id_token(&grant);
        let mut state = self.state();
        state
            .secrets
            .extend([access_token.clone(), refresh_token.clone(), id_token.clone()]);
        state.live_refresh_tokens.insert(refresh_token.clone(), grant);
        let mut response = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": refresh_token,
            "id_token": id_token,
        });
        merge(&mut response, &state.token_response);
        response
    }

    fn id_token(&self, grant: &Grant) -> String {
        let now = now();
        let mut claims = json!({
            "iss": self.issuer(),
            "aud": CLIENT_ID,
            "sub": grant.subject,
            "nonce": grant.nonce,
            "iat": now,
            "exp": now + 600,
            "auth_time": grant.auth_time,
            "name": "Alice of the ID token",
        });
        merge(&mut claims, &self.state().claims);
        if let Some(make) = &self.state().id_token_maker {
            return make(&claims);
        }
        self.sign(&json!({"alg": "ES256", "typ": "JWT", "kid": KEY_ID}), &claims)
    }

    /// A logout token of this server, changed by a merge.
    pub fn logout_token(&self, changes: Value) -> String {
        let now = now();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": self.unique("logout"),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        merge(&mut claims, changes.as_object().unwrap());
        self.sign(&json!({"alg": "ES256", "typ": "logout+jwt", "kid": KEY_ID}), &claims)
    }

    /// A JWT with these claims, signed with this server's key.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.0.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn merge(into: &mut Value, changes: &Map<String, Value>) {
    let members = into.as_object_mut().unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
}
