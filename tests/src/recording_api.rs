//! Between Envoy and the API: records every request head unchanged, and forwards the request to the real API.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use crate::proxy;

/// The heads that reached the API.
#[derive(Clone, Default)]
pub struct RecordingApi {
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl RecordingApi {
    /// Starts it in front of the API, at a loopback port. Returns its address as well.
    pub fn start(api_port: u16) -> (Self, SocketAddr) {
        let recording = Self::default();
        let heads = Arc::clone(&recording.heads);
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, api_port));
        let address = proxy::serve(move |mut stream| {
            let Ok(incoming) = proxy::read(&mut stream) else { return };
            heads.lock().expect("no test panicked here").push(incoming.head.clone());
            if let Ok(response) = proxy::forward(&incoming, upstream) {
                let _ = stream.write_all(&response);
            }
        });
        (recording, address)
    }

    /// Forgets the recorded heads.
    pub fn clear(&self) {
        self.heads.lock().expect("no test panicked here").clear();
    }

    /// The heads recorded since then.
    pub fn heads(&self) -> Vec<Vec<u8>> {
        self.heads.lock().expect("no test panicked here").clone()
    }

    /// The lines of the last head, names in lower case, values as bytes.
    pub fn last(&self) -> Vec<(String, Vec<u8>)> {
        let heads = self.heads();
        let head = heads.last().expect("no request has reached the API");
        let lines = head
            .split(|byte| *byte == b'\n')
            .skip(1)
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines
            .filter_map(|line| {
                let colon = line.iter().position(|byte| *byte == b':')?;
                let (name, value) = line.split_at(colon);
                Some((
                    String::from_utf8_lossy(name).to_ascii_lowercase(),
                    value.get(1..)?.trim_ascii().to_vec(),
                ))
            })
            .collect()
    }
}
