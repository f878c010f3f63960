//! In place of the API: responds with a status and with headers of the test. The real one never sends `Cache-Control`.

use std::net::SocketAddr;

use crate::proxy;

/// A status with its reason, and header lines.
pub type Script = (&'static str, &'static [&'static str]);

/// Starts it, and returns its address. The last segment of the path is the number of the response. A request for a number
/// that does not exist closes the connection.
pub fn start(responses: Vec<Script>) -> SocketAddr {
    proxy::serve_many(move |incoming| {
        let head = String::from_utf8_lossy(&incoming.head);
        let number: usize = head.split(' ').nth(1)?.rsplit('/').next()?.parse().ok()?;
        let (status, lines) = responses.get(number)?;
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        Some(format!("HTTP/1.1 {status}\r\n{lines}content-length: 0\r\n\r\n").into_bytes())
    })
}
