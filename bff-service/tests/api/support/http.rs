//! HTTP/1.1 by hand: requests that no client library would send, and a server that can fail in every way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any time limit under test, so that a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Removes every header with this name.
    pub fn without(mut self, name: &str) -> Request {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn form(self, pairs: &[(&str, &str)]) -> Request {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub fn json(self, body: &Value) -> Request {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target).into_bytes();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend_from_slice(b"host: api.example.test\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.body.is_empty() {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends the request and reads the whole response.
    pub fn send(&self, to: SocketAddr) -> Response {
        send_bytes(to, &self.to_bytes())
    }

    /// Sends the request and leaves the connection to the caller, who may drop it.
    pub fn begin(&self, to: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(&self.to_bytes()).unwrap();
        stream
    }
}

/// Sends these bytes and reads the whole response.
pub fn send_bytes(to: SocketAddr, bytes: &[u8]) -> Response {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The service may respond and close before it has read everything: only the response counts.
    let _ = stream.write_all(bytes);
    let mut response = Vec::new();
    if let Err(error) = stream.read_to_end(&mut response) {
        assert!(!response.is_empty(), "no response: {error}");
    }
    Response::parse(&response)
}

/// A response, including repeated headers.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    fn parse(bytes: &[u8]) -> Response {
        let head_length = find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {bytes:?}"));
        let head = String::from_utf8(bytes[..head_length].to_vec()).unwrap();
        let body = String::from_utf8(bytes[head_length + 4..].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Response {
            status,
            headers: lines.map(header).collect(),
            body,
        }
    }

    /// The header's only value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers_named(name);
        assert!(values.len() <= 1, "{name} is repeated: {values:?}");
        values.first().copied()
    }

    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers_named("set-cookie")
    }

    /// The names of the cookies in the order in which they are set or cleared; cleared ones with a `-` in front.
    pub fn cookie_changes(&self) -> Vec<String> {
        let name = |line: &&str| {
            let cleared = if line.contains("Max-Age=0") { "-" } else { "" };
            format!("{cleared}{}", line.split_once('=').unwrap().0)
        };
        self.set_cookies().iter().map(name).collect()
    }

    /// `401 unauthorized_request`, the result of most rejections, on one line.
    pub fn outcome(&self) -> String {
        match self.body.as_str() {
            "" => self.status.to_string(),
            _ => match self.json().get("code") {
                Some(code) => format!("{} {}", self.status, code.as_str().unwrap()),
                None => self.status.to_string(),
            },
        }
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
