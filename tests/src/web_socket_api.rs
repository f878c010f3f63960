//! In place of the API, which has no web sockets: accepts every upgrade and sends received bytes back.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proxy;

/// The replacement of the API.
#[derive(Clone, Default)]
pub struct WebSocketApi {
    count: Arc<AtomicUsize>,
}

impl WebSocketApi {
    /// Starts it. Returns its address as well.
    pub fn start() -> (Self, SocketAddr) {
        let api = Self::default();
        let count = Arc::clone(&api.count);
        let address = proxy::serve(move |mut stream| {
            if proxy::read(&mut stream).is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
            let accepted = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            if stream.write_all(accepted).is_err() {
                return;
            }
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(buffer.get(..length).unwrap_or_default()).is_err() {
                    return;
                }
            }
        });
        (api, address)
    }

    /// The number of requests.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
