//! In place of the API: checks that no request arrives without a proof of authorization.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bff_core::encoding::base64url;
use serde_json::Value;

use crate::echoing_api::values;
use crate::proxy;
use crate::user_agent::{AT, CSRF};

/// The replacement of the API.
#[derive(Clone, Default)]
pub struct GuardingApi {
    count: Arc<AtomicUsize>,
    /// The first requests that should not have arrived.
    faults: Arc<Mutex<Vec<String>>>,
}

impl GuardingApi {
    /// Starts it. Returns its address as well. `is_expected` checks the claims of the JWT in a request.
    pub fn start(is_expected: impl Fn(&Value) -> bool + Send + Sync + 'static) -> (Self, SocketAddr) {
        let api = Self::default();
        let (count, faults) = (Arc::clone(&api.count), Arc::clone(&api.faults));
        let address = proxy::serve_many(move |incoming| {
            count.fetch_add(1, Ordering::Relaxed);
            if let Some(fault) = fault(&incoming.head, &is_expected) {
                let mut faults = faults.lock().expect("no test panicked here");
                if faults.len() < 10 {
                    faults.push(format!("{fault}: {}", incoming.head.escape_ascii()));
                }
            }
            Some(proxy::ok("text/plain", b"data"))
        });
        (api, address)
    }

    /// The number of requests.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The requests that should not have arrived.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().expect("no test panicked here").clone()
    }
}

fn fault(head: &[u8], is_expected: impl Fn(&Value) -> bool) -> Option<&'static str> {
    let authorization = values(head, "authorization");
    let [bearer] = authorization.as_slice() else {
        return Some("not exactly one Authorization header");
    };
    let Some(jwt) = bearer.strip_prefix(b"Bearer ") else {
        return Some("no bearer token");
    };
    let claims = jwt.split(|byte| *byte == b'.').nth(1).and_then(base64url::decode);
    let claims = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    if !claims.is_some_and(|claims| is_expected(&claims)) {
        return Some("no JWT with the expected claims");
    }
    let lines = values(head, "cookie");
    let mut pieces = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
    let is_ours = |piece: &[u8]| {
        let name = piece.split(|byte| b"=.".contains(byte)).next().unwrap_or_default();
        piece.contains(&b'=') && [AT.as_bytes(), CSRF.as_bytes()].contains(&name.trim_ascii())
    };
    pieces.any(is_ours).then_some("a cookie of the BFF")
}
