//! Responses that do not end by themselves, through Envoy, from the replacement of the API ([`streaming_api`]).
//!
//! [`streaming_api`]: crate::streaming_api

use std::io::{self, Read, Write};
use std::time::Duration;

use crate::http1::{Client, Connection, Request};

/// The headers of a request that opens a web socket.
pub const UPGRADE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A kind of stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Server-sent events.
    Events,
    /// Server-sent events, with seconds between them.
    RareEvents,
    /// A web socket.
    Socket,
    /// A long download.
    Download,
}

impl Kind {
    /// One of each kind of request.
    pub const ALL: [Self; 3] = [Self::Events, Self::Socket, Self::Download];
}

/// Sends the head of a request without a body, on a new connection.
pub fn begin(client: &Client, request: &Request) -> Connection {
    let mut connection = client.connect("api").expect("a connection");
    let head = String::from_utf8(request.bytes_to_keep(&client.authority("api"))).expect("text");
    connection
        .write_all(head.replace("content-length: 0\r\n", "").as_bytes())
        .expect("sent");
    connection
}

/// Opens a stream with the credentials of `request`, which returns a request for a path below `/api`, and reads the head of the
/// response.
pub fn open(client: &Client, kind: Kind, request: impl FnOnce(&str) -> Request) -> Connection {
    let (request, status) = match kind {
        Kind::Events => (request("/api/events"), 200),
        Kind::RareEvents => (request("/api/rare-events"), 200),
        Kind::Download => (request("/api/download"), 200),
        Kind::Socket => {
            let upgrade = UPGRADE.into_iter();
            let request = upgrade.fold(request("/api/socket"), |request, (name, value)| {
                request.header(name, value)
            });
            (request, 101)
        }
    };
    let mut connection = begin(client, &request);
    let head = read_head(&mut connection);
    assert!(
        head.starts_with(format!("HTTP/1.1 {status} ").as_bytes()),
        "{kind:?}: {}",
        head.escape_ascii()
    );
    connection
}

/// Reads the head of a response.
pub fn read_head(connection: &mut Connection) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).expect("the head of the response");
        head.extend(byte);
    }
    head
}

/// Whether a stream is open: data comes, if need be after some was sent. Reads what has come.
pub fn is_open(kind: Kind, connection: &mut Connection) -> bool {
    connection
        .sock
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a time limit");
    let sent = match kind {
        Kind::Events | Kind::RareEvents | Kind::Download => Ok(()),
        Kind::Socket => connection.write_all(b"x").and_then(|()| connection.flush()),
    };
    let mut buffer = vec![0; 64 * 1024];
    match sent.and_then(|()| connection.read(&mut buffer)) {
        Ok(count) => count > 0,
        Err(error) => {
            let silent = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            assert!(!silent.contains(&error.kind()), "{kind:?}: neither open nor ended");
            false
        }
    }
}
