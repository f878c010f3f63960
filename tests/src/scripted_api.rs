//! Instead of the API: answers with a status and with headers of the test's own. The real one says `Cache-Control` nowhere.

use std::net::SocketAddr;

use crate::proxy;

/// A status with its reason, and header lines.
pub type Script = (&'static str, &'static [&'static str]);

/// Starts it; returns where it listens. The last segment of the path is the number of the answer; a connection that asks for
/// one that is not there is closed.
pub fn start(answers: Vec<Script>) -> SocketAddr {
    proxy::serve_many(move |incoming| {
        let head = String::from_utf8_lossy(&incoming.head);
        let number: usize = head.split(' ').nth(1)?.rsplit('/').next()?.parse().ok()?;
        let (status, lines) = answers.get(number)?;
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        Some(format!("HTTP/1.1 {status}\r\n{lines}content-length: 0\r\n\r\n").into_bytes())
    })
}
