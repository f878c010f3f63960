//! In place of the API: the body of each response is the request's head, so that the client sees what reached the API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proxy;

/// Headers of every response of this API, and of no other response.
const OF_THE_API: &str = "set-cookie: of-the-api=1\r\nx-of-the-api: a value for clients that may read it\r\n";

/// The replacement of the API.
#[derive(Clone, Default)]
pub struct EchoingApi {
    count: Arc<AtomicUsize>,
}

impl EchoingApi {
    /// Starts it. Returns its address as well.
    pub fn start() -> (Self, SocketAddr) {
        let api = Self::default();
        let count = Arc::clone(&api.count);
        let address = proxy::serve_many(move |incoming| {
            count.fetch_add(1, Ordering::Relaxed);
            Some(proxy::ok_with(OF_THE_API, "text/plain", &incoming.head))
        });
        (api, address)
    }

    /// The number of requests.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// The values of a header in a head, in order.
pub fn values(head: &[u8], name: &str) -> Vec<Vec<u8>> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let named = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (found, value) = line.split_at(colon);
        let value = value.get(1..)?.trim_ascii().to_vec();
        found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    });
    named.collect()
}
