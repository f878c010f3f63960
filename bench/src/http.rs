//! The part of HTTP/1.1 that both ends of a measurement need: messages with a `Content-Length`, over connections that stay
//! open.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection, and the bytes that were read beyond the last message.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request or a response.
pub(crate) struct Message {
    /// All bytes, including the body.
    bytes: Vec<u8>,
    body_at: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(32 * 1024),
        })
    }

    pub(crate) async fn to(port: u16) -> io::Result<Self> {
        Self::new(TcpStream::connect(("127.0.0.1", port)).await?)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads one message; `None` if the other end has closed the connection.
    pub(crate) async fn read(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(body_at) = end_of_head(&self.buffer) {
                let head = self.buffer.get(..body_at).unwrap_or_default();
                let end = body_at + content_length(head);
                if self.buffer.len() >= end {
                    let rest = self.buffer.split_off(end);
                    let bytes = std::mem::replace(&mut self.buffer, rest);
                    return Ok(Some(Message { bytes, body_at }));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Sends a request and reads the response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Message> {
        self.write(request).await?;
        let closed = || {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection was closed without a response",
            )
        };
        self.read().await?.ok_or_else(closed)
    }
}

impl Message {
    /// The status of a response; 0 if this is not a response.
    pub(crate) fn status(&self) -> u16 {
        let digits = self
            .bytes
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// A request's target.
    pub(crate) fn target(&self) -> &str {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split(' ').nth(1))
            .unwrap_or_default()
    }

    /// The head as a string.
    pub(crate) fn head(&self) -> String {
        String::from_utf8_lossy(self.bytes.get(..self.body_at).unwrap_or_default()).into_owned()
    }

    /// The values of a header, whose name may be in any case.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let head = self.head();
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }

    /// The body as a string.
    pub(crate) fn body(&self) -> String {
        String::from_utf8_lossy(self.bytes.get(self.body_at..).unwrap_or_default()).into_owned()
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let line = head.split(|byte| *byte == b'\n').find(|line| {
        line.get(..NAME.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
    });
    line.and_then(|line| std::str::from_utf8(line.get(NAME.len()..)?).ok()?.trim().parse().ok())
        .unwrap_or(0)
}
