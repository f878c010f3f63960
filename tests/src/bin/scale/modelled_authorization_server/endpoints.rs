//! The endpoints of the modelled authorization server.

use bff_core::encoding::base64url;
use rcgen::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use url::form_urlencoded;

use super::grants::Outcome;
use super::tokens::Mint;
use super::{Model, PendingCode, now_ms};
use crate::http::Message;

/// The path of the demo's server, which Envoy's configuration contains.
const INTROSPECTION: &str = "/oauth/v2/oauth-introspect";
const TOKEN: &str = "/token";
/// The key id of the only key.
const KEY_ID: &str = "1";
/// A server that limits by the second can say no smaller number.
const RETRY_AFTER: &str = "retry-after: 1\r\n";

impl Model {
    /// Counts an arrival.
    pub(super) fn count_arrival(&self, request: &Message, at_ms: u64) {
        let path = path(request);
        if path == TOKEN || path == INTROSPECTION {
            self.state().counts.count_arrival(at_ms / 1000, path == INTROSPECTION);
        }
    }

    /// The response to a request that was received at this time, in milliseconds since 1970. All its effects happen here.
    pub(super) fn respond(&self, request: &Message, received_at: u64) -> Vec<u8> {
        match path(request) {
            "/.well-known/openid-configuration" => ok(&self.metadata()),
            "/jwks" => ok(&self.jwks()),
            "/authorize" => self.authorize(request.target()),
            TOKEN => self.token(&request.body(), received_at),
            INTROSPECTION => self.introspect(&request.body()),
            _ => response("404 Not Found", "", "{}"),
        }
    }

    fn metadata(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}{TOKEN}"),
            "jwks_uri": format!("{issuer}/jwks"),
            "introspection_endpoint": format!("{issuer}{INTROSPECTION}"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    fn jwks(&self) -> Value {
        let x = base64url::encode(self.signing_key.public_key_raw());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": x}]})
    }

    /// Signs the user in without a page, and redirects.
    fn authorize(&self, target: &str) -> Vec<u8> {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let Ok(mut redirect) = Url::parse(&value(query, "redirect_uri")) else {
            return response("400 Bad Request", "", "{}");
        };
        let code = format!("code-{}", value(query, "state"));
        let pending = PendingCode {
            nonce: value(query, "nonce"),
            code_challenge: value(query, "code_challenge"),
        };
        self.state().codes.insert(code.clone(), pending);
        redirect
            .query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &value(query, "state"))
            .append_pair("iss", &self.issuer);
        response("302 Found", &format!("location: {redirect}\r\n"), "")
    }

    fn token(&self, form: &str, received_at: u64) -> Vec<u8> {
        if !self.take_permit(false) {
            self.state().counts.add("token_limited");
            return response("429 Too Many Requests", RETRY_AFTER, "{}");
        }
        match value(form, "grant_type").as_str() {
            "refresh_token" => self.refresh(&value(form, "refresh_token"), received_at),
            _ => self.sign_in(&value(form, "code"), &value(form, "code_verifier")),
        }
    }

    fn refresh(&self, token: &str, received_at: u64) -> Vec<u8> {
        let Some((family, generation)) = Mint.read_refresh_token(token) else {
            return refused("invalid_grant");
        };
        let mut state = self.state();
        let outcome = state.grants.exchange(family, generation, received_at, now_ms());
        state.counts.add(match outcome {
            Outcome::Rotated(_) => "refresh_rotated",
            Outcome::Reused => "refresh_reused",
            Outcome::Ended => "refresh_ended",
        });
        match outcome {
            Outcome::Rotated(next) => ok(&self.tokens(family, next)),
            Outcome::Reused | Outcome::Ended => refused("invalid_grant"),
        }
    }

    fn sign_in(&self, code: &str, code_verifier: &str) -> Vec<u8> {
        let mut state = self.state();
        let Some(pending) = state.codes.remove(code) else {
            return refused("invalid_grant");
        };
        if base64url::encode(&Sha256::digest(code_verifier.as_bytes())) != pending.code_challenge {
            return refused("invalid_grant");
        }
        let family = state.grants.begin();
        state.counts.add("signed_in");
        let mut tokens = self.tokens(family, 0);
        tokens["id_token"] = json!(self.id_token(family, &pending.nonce));
        ok(&tokens)
    }

    fn tokens(&self, family: u32, generation: u32) -> Value {
        let expires_at = now_ms() + self.token_seconds * 1000;
        json!({
            "access_token": Mint.access_token(family, generation, expires_at),
            "refresh_token": Mint.refresh_token(family, generation),
            "token_type": "Bearer",
            "expires_in": self.token_seconds,
        })
    }

    fn id_token(&self, family: u32, nonce: &str) -> String {
        let now = now_ms() / 1000;
        let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let header = json!({"alg": "EdDSA", "kid": KEY_ID});
        let claims = json!({
            "iss": self.issuer, "sub": format!("user-{family}"), "aud": "spa-client", "iat": now, "exp": now + 3600,
            "nonce": nonce,
        });
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.signing_key.sign(signed.as_bytes()).unwrap_or_default();
        format!("{signed}.{}", base64url::encode(&signature))
    }

    /// An access token lives until it expires, or until its family ends. No code in the run verifies the JWT's signature.
    fn introspect(&self, form: &str) -> Vec<u8> {
        if !self.take_permit(true) {
            self.state().counts.add("introspection_limited");
            return response("429 Too Many Requests", RETRY_AFTER, "{}");
        }
        let token = Mint.read_access_token(&value(form, "token"));
        let mut state = self.state();
        let token =
            token.filter(|token| state.grants.is_active(token.family) && token.expires_at / 1000 > now_ms() / 1000);
        let Some(token) = token else {
            state.counts.add("introspection_inactive");
            return b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
        };
        state.counts.add("introspection_active");
        state.counts.count_introspection(token.family, token.generation);
        drop(state);
        let claims = json!({
            "iss": self.issuer, "sub": format!("user-{}", token.family), "aud": "demo-api", "scope": "openid data",
            "exp": token.expires_at / 1000, "jti": format!("{}.{}", token.family, token.generation),
        });
        let jwt = bff_tests::scripted_introspection::jwt(&claims);
        let length = jwt.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\ncontent-length: {length}\r\n\r\n{jwt}")
            .into_bytes()
    }
}

fn path(request: &Message) -> &str {
    request.target().split('?').next().unwrap_or_default()
}

/// A parameter of a form or a query, empty if it is missing.
fn value(form: &str, name: &str) -> String {
    let found = form_urlencoded::parse(form.as_bytes()).find(|(found, _)| found == name);
    found.map_or_else(String::new, |(_, value)| value.into_owned())
}

fn ok(body: &Value) -> Vec<u8> {
    response("200 OK", "cache-control: no-store\r\n", &body.to_string())
}

fn refused(error: &str) -> Vec<u8> {
    response("400 Bad Request", "", &json!({"error": error}).to_string())
}

/// A response with a JSON body.
pub(super) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
