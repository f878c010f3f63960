//! Clients that hold connections: a request never becomes complete, or a response is never read.
//! HTTP/2 is written here frame by frame, since no client library keeps its peer's window closed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;

use demo_system::System;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http1::{Client, Connection};

/// The number of streams of a connection of [`Slow::Streams`].
pub const STREAMS: u32 = 4;

/// What is slow about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// It connects and sends nothing, not even in TLS.
    Handshake,
    /// It sends a part of a request's head.
    Head,
    /// It announces a body of 100 bytes and sends one.
    Body,
    /// It sends a request, and reads nothing of the response (HTTP/2, with a window of 0).
    Reading,
    /// [`Slow::Body`] on each of [`STREAMS`] streams of one HTTP/2 connection.
    Streams,
}

impl Slow {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Handshake, Self::Head, Self::Body, Self::Reading, Self::Streams];
}

/// The target of a client's requests.
#[derive(Clone, Debug)]
pub struct Target {
    /// `www`, `api` or `login`.
    pub host: &'static str,
    /// The path of a request with a body.
    pub upload: &'static str,
    /// The path of a request without a body.
    pub download: String,
    /// Header fields, in lower case: a user's cookies, for example.
    pub headers: Vec<(String, String)>,
}

/// A connection that is held.
pub struct SlowConnection {
    tls: Option<Connection>,
    tcp: TcpStream,
    http2: bool,
}

/// Opens connections to one system.
pub struct SlowClients {
    http1: Client,
    http2: Client,
}

impl SlowClients {
    /// Creates clients of the system's Envoy.
    pub fn new(system: &System) -> Self {
        Self {
            http1: Client::new(system),
            http2: Client::speaking(system, b"h2"),
        }
    }

    /// Opens a connection and sends the slow part.
    ///
    /// # Errors
    /// The connection was refused.
    pub fn open(&self, slow: Slow, target: &Target) -> io::Result<SlowConnection> {
        let http2 = matches!(slow, Slow::Reading | Slow::Streams);
        let client = if http2 { &self.http2 } else { &self.http1 };
        let mut tls = client.connect(target.host)?;
        let tcp = tls.sock.try_clone()?;
        if slow == Slow::Handshake {
            return Ok(SlowConnection { tls: None, tcp, http2 });
        }
        let authority = client.authority(target.host);
        let bytes = match slow {
            Slow::Handshake | Slow::Head => {
                format!("GET {} HTTP/1.1\r\nhost: {authority}\r\n", target.download).into_bytes()
            }
            Slow::Body => {
                let fields: String = target
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                format!(
                    "POST {} HTTP/1.1\r\nhost: {authority}\r\n{fields}content-type: application/json\r\n\
                     content-length: 100\r\n\r\n{{",
                    target.upload
                )
                .into_bytes()
            }
            Slow::Reading => {
                let mut bytes = preface(0);
                bytes.extend(headers("GET", &authority, &target.download, &target.headers, 1, true));
                bytes
            }
            Slow::Streams => {
                let mut bytes = preface(65_535);
                for number in 0..STREAMS {
                    let stream = 2 * number + 1;
                    let mut fields = target.headers.clone();
                    fields.push(("content-length".to_owned(), "100".to_owned()));
                    bytes.extend(headers("POST", &authority, target.upload, &fields, stream, false));
                    bytes.extend(frame(DATA, 0, stream, b"{"));
                }
                bytes
            }
        };
        tls.write_all(&bytes)?;
        tls.flush()?;
        Ok(SlowConnection {
            tls: Some(tls),
            tcp,
            http2,
        })
    }
}

impl SlowConnection {
    /// A connection over which a part of a request was sent.
    ///
    /// # Errors
    /// The socket is closed.
    pub fn from_http1(tls: Connection) -> io::Result<Self> {
        let tcp = tls.sock.try_clone()?;
        Ok(Self {
            tls: Some(tls),
            tcp,
            http2: false,
        })
    }

    /// Checks that Envoy has ended neither the connection nor its streams.
    ///
    /// # Errors
    /// What Envoy has done or sent instead, or that the connection cannot be read.
    pub fn is_held(&mut self) -> Result<(), String> {
        let mut polled = [PollFd::new(&self.tcp, PollFlags::RDHUP)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map_err(unpolled)?;
        let ended = polled[0].revents();
        if ended.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
            return Err("the connection was ended".to_owned());
        }
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let received = received(tls)?;
        match self.http2 {
            false if received.is_empty() => Ok(()),
            false => Err(format!("received a response: {}", received.escape_ascii())),
            true => ended_stream(&received).map_or(Ok(()), |what| Err(what.to_owned())),
        }
    }

    /// Waits until the connection is ended.
    ///
    /// # Errors
    /// The connection is still held after eight waits of fifteen seconds each, or it cannot be polled.
    pub fn wait_for_its_end(&mut self) -> Result<(), String> {
        for _ in 0..8 {
            let waits = PollFlags::IN | PollFlags::RDHUP;
            let mut polled = [PollFd::from_borrowed_fd(self.tcp.as_fd(), waits)];
            let limit = Timespec { tv_sec: 15, tv_nsec: 0 };
            poll(&mut polled, Some(&limit)).map_err(unpolled)?;
            if self.is_held().is_err() {
                return Ok(());
            }
        }
        Err("the connection is still held after eight waits of 15 s each".to_owned())
    }
}

fn unpolled(error: rustix::io::Errno) -> String {
    format!("polling the connection failed: {error}")
}

/// Reads everything that has arrived.
fn received(tls: &mut Connection) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("reading from the connection failed: {error}");
    tls.sock.set_nonblocking(true).map_err(failed)?;
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match tls.read(&mut buffer) {
            Ok(0) => return Err("the connection was ended".to_owned()),
            Ok(count) => received.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(received),
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Raises this process's limit on open files to its maximum.
///
/// # Panics
/// The maximum is not enough for `files`.
pub fn allow_files(files: u64) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("raising the limit on open files to its maximum failed");
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        maximum >= files,
        "too few open files: `ulimit -Hn` is {maximum}: raise it to {files}"
    );
}

// RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The beginning of an HTTP/2 connection. `window` is the receive window of each stream, in bytes.
fn preface(window: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let mut settings = vec![0, 4];
    settings.extend(window.to_be_bytes());
    bytes.extend(frame(SETTINGS, 0, 0, &settings));
    bytes
}

fn headers(method: &str, authority: &str, path: &str, fields: &[(String, String)], stream: u32, ends: bool) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "https"),
        (":authority", authority),
        (":path", path),
    ];
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut block = Vec::new();
    for (name, value) in pseudo.into_iter().chain(fields) {
        // A literal that is not indexed, with a literal name (RFC 7541, section 6.2.2).
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    frame(HEADERS, END_HEADERS | (u8::from(ends) * END_STREAM), stream, &block)
}

/// Appends a string without Huffman coding (RFC 7541, section 5.2).
fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).expect("below 127"));
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128 + 128).expect("a byte"));
            length /= 128;
        }
        block.push(u8::try_from(length).expect("below 128"));
    }
    block.extend_from_slice(text.as_bytes());
}

/// Whether these frames end a stream.
fn ended_stream(mut frames: &[u8]) -> Option<&'static str> {
    while let Some((head, rest)) = frames.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        match (head[3], head[4] & END_STREAM) {
            (RST_STREAM, _) => return Some("a stream was reset"),
            (GOAWAY, _) => return Some("the connection is going away"),
            (HEADERS | DATA, END_STREAM) => return Some("a stream has ended with a response"),
            _ => {}
        }
        frames = rest.get(length..).unwrap_or_default();
    }
    None
}
