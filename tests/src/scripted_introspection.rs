//! In place of the authorization server: responds to introspection at the speed and in the order that a test needs. A
//! real one has no tokens for ten thousand rounds, and does not reorder responses on demand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bff_core::encoding::base64url;
use serde_json::{Value, json};

use crate::proxy;

/// The response to an introspection request.
pub enum Scripted {
    /// A JWT with these claims.
    Active(Value),
    /// JSON (RFC 7662), unchanged.
    Json(Value),
    /// HTTP 204.
    Inactive,
    /// HTTP 500.
    Failing,
    /// The connection is reset.
    Reset,
}

/// The replacement of the authorization server.
#[derive(Clone, Default)]
pub struct ScriptedIntrospection {
    count: Arc<AtomicUsize>,
    last_head: Arc<Mutex<Vec<u8>>>,
}

impl ScriptedIntrospection {
    /// Starts it. `script` gets the token and the number of the request, and may block. Returns its address as well.
    pub fn start(script: impl Fn(&str, usize) -> Scripted + Send + Sync + 'static) -> (Self, SocketAddr) {
        let server = Self::default();
        let (count, last_head) = (Arc::clone(&server.count), Arc::clone(&server.last_head));
        let address = proxy::serve_many(move |incoming| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            last_head.lock().expect("no panic").clone_from(&incoming.head);
            let form = url::form_urlencoded::parse(&incoming.body);
            let token = form.into_owned().find(|(name, _)| name == "token")?.1;
            match script(&token, number) {
                Scripted::Active(claims) => Some(proxy::ok("application/jwt", jwt(&claims).as_bytes())),
                Scripted::Json(body) => Some(proxy::ok("application/json", body.to_string().as_bytes())),
                Scripted::Inactive => Some(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
                Scripted::Failing => Some(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec()),
                Scripted::Reset => None,
            }
        });
        (server, address)
    }

    /// The head of the last introspection request, unchanged.
    pub fn last_head(&self) -> Vec<u8> {
        self.last_head.lock().expect("no panic").clone()
    }

    /// The number of introspection requests.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// A JWT with these claims, in the form of an access token. No code here verifies its signature.
pub fn jwt(claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let header = json!({"alg": "ES256", "typ": "at+jwt"});
    format!("{}.{}.c2lnbmF0dXJl", part(&header), part(claims))
}
