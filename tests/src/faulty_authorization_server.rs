//! Between Envoy and the real authorization server: what a real one does only on a bad day.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::proxy;

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They reach the authorization server.
    None,
    /// The connection is reset without a word.
    Down,
    /// Nothing is ever answered.
    Silent,
    /// They reach the authorization server after a while.
    Slow(Duration),
    /// They reach the authorization server at once, and its answer comes after a while.
    SlowAnswer(Duration),
    /// The answer breaks off within the head: the connection is closed.
    CutHead,
    /// The answer breaks off within the body: the connection is closed.
    CutBody,
    /// The connection is reset within the body.
    ResetBody,
    /// An HTML page.
    Html,
    /// JSON that means nothing.
    NonsenseJson,
    /// A server error.
    ServerError,
}

#[derive(Default)]
struct State {
    faults: HashMap<String, Fault>,
    counts: HashMap<String, usize>,
}

/// The proxy.
#[derive(Clone, Default)]
pub struct FaultyAuthorizationServer {
    state: Arc<Mutex<State>>,
}

/// The token endpoint's path.
pub const TOKEN: &str = "/oauth/v2/oauth-token";
/// The introspection endpoint's path.
pub const INTROSPECTION: &str = "/oauth/v2/oauth-introspect";

impl FaultyAuthorizationServer {
    /// Starts it in front of the authorization server at a loopback port; returns where it listens.
    pub fn start(port: u16) -> (Self, SocketAddr) {
        let faulty = Self::default();
        let state = Arc::clone(&faulty.state);
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let address = proxy::serve(move |mut stream| {
            let Ok(incoming) = proxy::read(&mut stream) else { return };
            let path = incoming.path();
            let fault = {
                let mut state = state.lock().expect("no test panicked here");
                *state.counts.entry(path.clone()).or_default() += 1;
                state.faults.get(&path).copied().unwrap_or(Fault::None)
            };
            let page = |status: &str, content_type: &str, body: &str| {
                let length = body.len();
                format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
            };
            let answer = match fault {
                Fault::Down => return proxy::reset(stream),
                Fault::Silent => {
                    thread::sleep(Duration::from_secs(60));
                    return;
                }
                Fault::Html => page("200 OK", "text/html", "<html>maintenance</html>"),
                Fault::NonsenseJson => page("200 OK", "application/json", "{\"nonsense\": [1, 2"),
                Fault::ServerError => page(
                    "500 Internal Server Error",
                    "application/json",
                    "{\"error\":\"server_error\"}",
                ),
                Fault::None
                | Fault::Slow(_)
                | Fault::SlowAnswer(_)
                | Fault::CutHead
                | Fault::CutBody
                | Fault::ResetBody => {
                    if let Fault::Slow(delay) = fault {
                        thread::sleep(delay);
                    }
                    let answer = proxy::forward(&incoming, upstream).unwrap_or_default();
                    if let Fault::SlowAnswer(delay) = fault {
                        thread::sleep(delay);
                    }
                    answer
                }
            };
            let head_end = answer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .map_or(0, |end| end + 4);
            let sent = match fault {
                Fault::CutHead => answer.get(..head_end / 2),
                Fault::CutBody | Fault::ResetBody => answer.get(..head_end + (answer.len() - head_end) / 2),
                _ => Some(answer.as_slice()),
            };
            let _ = stream.write_all(sent.unwrap_or_default());
            if fault == Fault::ResetBody {
                // The half has to arrive before the reset overtakes it.
                thread::sleep(Duration::from_millis(50));
                proxy::reset(stream);
            }
        });
        (faulty, address)
    }

    /// From now on this happens to requests for a path.
    pub fn set(&self, path: &str, fault: Fault) {
        self.state
            .lock()
            .expect("no test panicked here")
            .faults
            .insert(path.to_owned(), fault);
    }

    /// How many requests for a path have come.
    pub fn count(&self, path: &str) -> usize {
        self.state
            .lock()
            .expect("no test panicked here")
            .counts
            .get(path)
            .copied()
            .unwrap_or(0)
    }
}
