//! In place of the authorization server: introspects and exchanges tokens (RFC 8693) as a test needs it, with faults that a
//! real one does not show on demand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::proxy;
use crate::scripted_introspection::jwt;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The parameters of its form.
    pub form: HashMap<String, String>,
}

impl Asked {
    /// Whether it is a token exchange, and not an introspection.
    #[must_use]
    pub fn is_exchange(&self) -> bool {
        self.form.contains_key("grant_type")
    }

    /// The token that it is about.
    #[must_use]
    pub fn token(&self) -> &str {
        let name = if self.is_exchange() { "subject_token" } else { "token" };
        self.form.get(name).map_or("", String::as_str)
    }

    /// The audience of an exchange.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.form.get("audience").map_or("", String::as_str)
    }
}

/// The replacement of the authorization server.
#[derive(Clone, Default)]
pub struct ExchangingServer {
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ExchangingServer {
    /// Starts it. `script` returns the whole response, or `None` if the connection is to be reset; it may block. Returns its
    /// address as well.
    pub fn start(script: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> (Self, SocketAddr) {
        let server = Self::default();
        let asked = Arc::clone(&server.asked);
        let address = proxy::serve_many(move |incoming| {
            let form = url::form_urlencoded::parse(&incoming.body).into_owned();
            let request = Asked { form: form.collect() };
            asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request.clone());
            script(&request)
        });
        (server, address)
    }

    /// The requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The response to introspection of an active token, and to an exchange: a JWT that says for whom and for which API it is.
#[must_use]
pub fn correct(asked: &Asked) -> Vec<u8> {
    match asked.is_exchange() {
        true => with_body(&success(&exchanged(asked.token(), asked.audience()))),
        // May be cached, unlike a token response.
        false => {
            let body = json!({"active": true, "exp": FAR, "aud": SUBJECT_AUDIENCE});
            proxy::ok("application/json", body.to_string().as_bytes())
        }
    }
}

/// The response of a token endpoint with HTTP 200 and this body. It may not be cached (RFC 6749, section 5.1).
#[must_use]
pub fn with_body(body: &Value) -> Vec<u8> {
    proxy::ok_with(
        "cache-control: no-store\r\n",
        "application/json",
        body.to_string().as_bytes(),
    )
}

/// The audience of an active token.
pub const SUBJECT_AUDIENCE: &str = "api-gateway-client";
/// When tokens expire: in no test.
const FAR: u64 = 4_000_000_000;

/// The exchanged token for a token and an audience.
#[must_use]
pub fn exchanged(token: &str, audience: &str) -> String {
    jwt(&json!({"sub": token, "aud": audience, "exp": FAR}))
}

/// The members of a successful response.
#[must_use]
pub fn success(token: &str) -> Value {
    json!({
        "access_token": token,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 300,
    })
}

/// An OAuth error response.
#[must_use]
pub fn error(status: &str, code: &str) -> Vec<u8> {
    let body = json!({"error": code, "error_description": "because"}).to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
