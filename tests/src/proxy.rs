//! Common parts of the servers beside Envoy: listening on loopback, and forwarding a request, one per connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::http1;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A request as it was received.
pub(crate) struct Incoming {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Incoming {
    /// The path, without the query.
    pub(crate) fn path(&self) -> String {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let target = String::from_utf8_lossy(line)
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        target.split('?').next().unwrap_or_default().to_owned()
    }

    /// The body, without chunked framing.
    pub(crate) fn content(&self) -> Vec<u8> {
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        if !head.contains("\r\ntransfer-encoding:") {
            return self.body.clone();
        }
        http1::dechunk(&self.body).expect("chunks")
    }
}

/// Listens, and handles each connection's request in a thread of its own, until the process exits.
pub(crate) fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(stream));
        }
    });
    address
}

/// Listens, and responds to the requests of a connection one after the other. `None` resets the connection.
pub(crate) fn serve_many(respond: impl Fn(Incoming) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    serve(move |mut stream| {
        while let Ok(incoming) = read(&mut stream) {
            match respond(incoming) {
                Some(bytes) if stream.write_all(&bytes).is_ok() => {}
                Some(_) => return,
                None => return reset(stream),
            }
        }
    })
}

/// A response with HTTP 200.
pub(crate) fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    ok_with("", content_type, body)
}

/// Like [`ok`], with further header lines, each with its line end.
pub(crate) fn ok_with(lines: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{lines}content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Reads one request.
pub(crate) fn read(stream: &mut TcpStream) -> io::Result<Incoming> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_some(stream, &mut bytes)?;
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let value = |name: &str| {
        head.lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    if let Some(length) = value("content-length:").and_then(|length| length.parse::<usize>().ok()) {
        while body.len() < length {
            read_some(stream, &mut body)?;
        }
    } else if value("transfer-encoding:").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            read_some(stream, &mut body)?;
        }
    }
    Ok(Incoming { head: bytes, body })
}

fn read_some(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 8192];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
    }
}

/// Forwards a request and returns the whole response. Both connections are closed afterwards.
pub(crate) fn forward(incoming: &Incoming, upstream: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&upstream, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let head = incoming.head.strip_suffix(b"\r\n").unwrap_or(&incoming.head);
    stream.write_all(head)?;
    stream.write_all(b"connection: close\r\n\r\n")?;
    stream.write_all(&incoming.body)?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    Ok(response)
}

/// Ends a connection with a reset at once: bytes that are not yet acknowledged may be lost.
pub(crate) fn reset(stream: TcpStream) {
    // Closing a socket that must not linger sends RST instead of FIN.
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket option");
    drop(stream);
}
