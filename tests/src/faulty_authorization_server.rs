//! Between Envoy and the real authorization server: causes faults that a real one has only rarely.

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
    /// They are forwarded to the authorization server.
    None,
    /// The connection is reset without a response.
    Down,
    /// There is never a response.
    Silent,
    /// They are forwarded to the authorization server after a while.
    Slow(Duration),
    /// They are forwarded at once, and the response comes after a while.
    SlowResponse(Duration),
    /// They are forwarded at once, and the response never comes. [`FaultyAuthorizationServer::withheld`] counts them.
    Withheld,
    /// The same, until the path has another fault. Then the response comes.
    HeldBack,
    /// The response breaks off within the head: the connection is closed.
    CutHead,
    /// The response breaks off within the body: the connection is closed.
    CutBody,
    /// The connection is reset within the body.
    ResetBody,
    /// An HTML page.
    Html,
    /// JSON without any expected member.
    NonsenseJson,
    /// A server error.
    ServerError,
    /// Two MiB, of the right type.
    Huge,
    /// Two MiB without an announced length, as chunks.
    HugeInChunks,
    /// A redirect to itself.
    Redirect,
    /// The right response, compressed although the client did not accept that.
    Compressed,
    /// The right response in many small chunks.
    Chunks,
    /// The right response without a length: it ends with the connection.
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

/// The path of the token endpoint.
pub const TOKEN: &str = "/oauth/v2/oauth-token";
/// The path of the revocation endpoint.
pub const REVOCATION: &str = "/oauth/v2/oauth-revoke";
/// The path of the introspection endpoint.
pub const INTROSPECTION: &str = "/oauth/v2/oauth-introspect";

impl FaultyAuthorizationServer {
    /// Starts it in front of the authorization server, at a loopback port. Returns its address as well.
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
            let response = match fault {
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
                Fault::Huge => page("200 OK", "application/jwt", &"a".repeat(HUGE_BYTES)),
                Fault::HugeInChunks => chunked(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\n\r\n",
                    "a".repeat(HUGE_BYTES).as_bytes(),
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
                | Fault::SlowResponse(_)
                | Fault::Withheld
                | Fault::HeldBack
                | Fault::CutHead
                | Fault::CutBody
                | Fault::ResetBody => {
                    if let Fault::Slow(delay) = fault {
                        thread::sleep(delay);
                    }
                    let response = proxy::forward(&incoming, upstream).unwrap_or_default();
                    if let Fault::SlowResponse(delay) = fault {
                        thread::sleep(delay);
                    }
                    if matches!(fault, Fault::Withheld | Fault::HeldBack) {
                        *locked(&state).withheld.entry(path.clone()).or_default() += 1;
                        let begun = Instant::now();
                        let is_released = || fault == Fault::HeldBack && locked(&state).fault(&path) != fault;
                        while !is_released() {
                            if begun.elapsed() > MINUTE {
                                return;
                            }
                            thread::sleep(Duration::from_millis(10));
                        }
                    }
                    response
                }
            };
            let head_end = response
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .map_or(0, |end| end + 4);
            let (head, body) = response.split_at(head_end);
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
                _ => response,
            };
            let _ = stream.write_all(&sent);
            if fault == Fault::ResetBody {
                // The first part must arrive before the reset overtakes it.
                thread::sleep(Duration::from_millis(50));
                proxy::reset(stream);
            }
        });
        (faulty, address)
    }

    /// Sets the fault of a path.
    pub fn set(&self, path: &str, fault: Fault) {
        locked(&self.state).faults.insert(path.to_owned(), fault);
    }

    /// The number of responses of the authorization server at a path that are withheld.
    pub fn withheld(&self, path: &str) -> usize {
        locked(&self.state).withheld.get(path).copied().unwrap_or(0)
    }

    /// The number of requests for a path.
    pub fn count(&self, path: &str) -> usize {
        locked(&self.state).counts.get(path).copied().unwrap_or(0)
    }
}

const HUGE_BYTES: usize = 2 * 1024 * 1024;

/// Longer than any client waits.
const MINUTE: Duration = Duration::from_secs(60);

/// A head without its `content-length`: the end of the connection ends the body.
fn without_length(head: &[u8]) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let lines = head.split_inclusive("\r\n");
    let others = lines.filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    others.collect::<String>().into_bytes()
}

/// Sends the body in chunks of this many bytes (RFC 9112, section 7.1).
fn chunked(head: &[u8], body: &[u8], size: usize) -> Vec<u8> {
    let mut response = without_length(head);
    response.truncate(response.len() - 2);
    response.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    for chunk in body.chunks(size) {
        response.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        response.extend_from_slice(chunk);
        response.extend_from_slice(b"\r\n");
    }
    response.extend_from_slice(b"0\r\n\r\n");
    response
}

/// A gzip file (RFC 1952) with one stored block: compressed for every client that does not decompress it. It has no
/// checksum, since no client here reads that far.
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
