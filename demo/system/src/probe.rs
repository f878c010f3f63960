//! A minimal HTTP client for processes on this machine.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_RESPONSE_BYTES: u64 = 16 << 20;

/// Sends GET `path` over plain HTTP, and returns status and body, of at most 16 MiB in all. For admin listeners and readiness
/// checks.
///
/// # Errors
/// Connecting, writing or reading failed (timeout 2 seconds each), or the response is not complete or not HTTP.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    exchange(address, &format!("GET {path}"), "", "")
}

/// Sends a form by POST, with a bearer token. Otherwise like [`get`].
pub(crate) fn post(address: SocketAddr, path: &str, token: &str, form: &str) -> io::Result<(u16, String)> {
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        form.len()
    );
    exchange(address, &format!("POST {path}"), &headers, form)
}

fn exchange(address: SocketAddr, target: &str, headers: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // Envoy's admin interface rejects HTTP/1.0, so the response may be chunked.
    let request = format!("{target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut response)?;
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the response is not complete or not HTTP");
    parse(&String::from_utf8_lossy(&response)).ok_or_else(malformed)
}

fn parse(response: &str) -> Option<(u16, String)> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let body = if is_chunked {
        join_chunks(body)?
    } else {
        body.to_owned()
    };
    Some((status, body))
}

/// Decodes a chunked body; `None` if its end is missing.
fn join_chunks(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        chunks = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_chunked() {
        let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nlive\n\r\n2;x\r\nok\r\n0\r\n\r\n";
        assert_eq!(parse(response), Some((200, "live\nok".to_owned())));
    }

    #[test]
    fn half_an_answer_is_none() {
        for response in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nli",
        ] {
            assert_eq!(parse(response), None, "{response}");
        }
    }
}
