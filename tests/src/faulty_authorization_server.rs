//! Between Envoy and the real authorization server: what a real one does only on a bad day.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

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
    /// They reach the authorization server at once, and its answer never comes; see
    /// [`FaultyAuthorizationServer::withheld`].
    Withheld,
    /// The same, until the path has another fault; then the answer comes.
    HeldBack,
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
    /// Two megabytes, of the right type.
    Huge,
    /// Two megabytes without an announced length, as chunks.
    HugeInChunks,
    /// A redirect to itself.
    Redirect,
    /// The right answer, compressed although nobody asked for that.
    Compressed,
    /// The right answer in many small chunks.
    Chunks,
    /// The right answer without a length: it ends with the connection.
    NoLength,
}

#[derive(Default)]
struct State {
    faults: HashMap<String, Fault>,
    counts: HashMap<String, usize>,
    withheld: HashMap<String, usize>,
}

impl State {
    fn fault(&self, path: &str) -> Fault {
        self.faults.get(path).copied().unwrap_or(Fault::None)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no test panicked here")
}

/// The proxy.
#[derive(Clone, Default)]
pub struct FaultyAuthorizationServer {
    state: Arc<Mutex<State>>,
}

/// The token endpoint's path.
pub const TOKEN: &str = "/oauth/v2/oauth-token";
/// The revocation endpoint's path.
pub const REVOCATION: &str = "/oauth/v2/oauth-revoke";
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
                let mut state = locked(&state);
                *state.counts.entry(path.clone()).or_default() += 1;
                state.fault(&path)
            };
            let page = |status: &str, content_type: &str, body: &str| {
                let length = body.len();
                format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
            };
            let answer = match fault {
                Fault::Down => return proxy::reset(stream),
                Fault::Silent => {
                    thread::sleep(MINUTE);
                    return;
                }
                Fault::Html => page("200 OK", "text/html", "<html>maintenance</html>"),
                Fault::NonsenseJson => page("200 OK", "application/json", "{\"nonsense\": [1, 2"),
                Fault::ServerError => page(
                    "500 Internal Server Error",
                    "application/json",
                    "{\"error\":\"server_error\"}",
                ),
                Fault::Huge => page("200 OK", "application/jwt", &"a".repeat(HUGE)),
                Fault::HugeInChunks => chunked(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\n\r\n",
                    "a".repeat(HUGE).as_bytes(),
                    60_000,
                ),
                Fault::Redirect => format!(
                    "HTTP/1.1 307 Elsewhere\r\nlocation: {path}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                )
                .into_bytes(),
                Fault::None
                | Fault::Compressed
                | Fault::Chunks
                | Fault::NoLength
                | Fault::Slow(_)
                | Fault::SlowAnswer(_)
                | Fault::Withheld
                | Fault::HeldBack
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
                    if matches!(fault, Fault::Withheld | Fault::HeldBack) {
                        *locked(&state).withheld.entry(path.clone()).or_default() += 1;
                        let begun = Instant::now();
                        let goes_on = || fault == Fault::HeldBack && locked(&state).fault(&path) != fault;
                        while !goes_on() {
                            if begun.elapsed() > MINUTE {
                                return;
                            }
                            thread::sleep(Duration::from_millis(10));
                        }
                    }
                    answer
                }
            };
            let head_end = answer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .map_or(0, |end| end + 4);
            let (head, body) = answer.split_at(head_end);
            let sent = match fault {
                Fault::CutHead => head[..head_end / 2].to_vec(),
                Fault::CutBody | Fault::ResetBody => [head, &body[..body.len() / 2]].concat(),
                Fault::Chunks => chunked(head, body, 7),
                Fault::NoLength => [&without_length(head), body].concat(),
                Fault::Compressed => {
                    let body = stored_gzip(body);
                    let head = without_length(head);
                    let length = format!("content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
                    [&head[..head.len() - 2], length.as_bytes(), &body].concat()
                }
                _ => answer,
            };
            let _ = stream.write_all(&sent);
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
        locked(&self.state).faults.insert(path.to_owned(), fault);
    }

    /// How many answers at a path the authorization server has given that are withheld.
    pub fn withheld(&self, path: &str) -> usize {
        locked(&self.state).withheld.get(path).copied().unwrap_or(0)
    }

    /// How many requests for a path have come.
    pub fn count(&self, path: &str) -> usize {
        locked(&self.state).counts.get(path).copied().unwrap_or(0)
    }
}

const HUGE: usize = 2 * 1024 * 1024;

/// Longer than anybody waits.
const MINUTE: Duration = Duration::from_secs(60);

/// A head without its `content-length`, so that the connection's end is the body's.
fn without_length(head: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let lines = head.split_inclusive("\r\n");
    let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    kept.collect::<String>().into_bytes()
}

/// RFC 9112, 7.1.
fn chunked(head: &[u8], body: &[u8], size: usize) -> Vec<u8> {
    let mut answer = without_length(head);
    answer.truncate(answer.len() - 2);
    answer.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    for chunk in body.chunks(size) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// A gzip file (RFC 1952) with one stored block: compressed as far as anyone is concerned who does not unpack it. Its
/// checksum is left out: nobody here may come that far.
fn stored_gzip(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short body");
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    [
        &header,
        &length.to_le_bytes()[..],
        &(!length).to_le_bytes(),
        body,
        &[0; 8],
    ]
    .concat()
}
