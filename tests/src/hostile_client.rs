//! A client that sends anything that a client can send: valid requests, almost valid requests, and random bytes.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use demo_system::System;
use serde_json::json;

use crate::http1::Client;
use crate::random::Random;
use crate::scripted_introspection::jwt;
use crate::sealing::Seals;
use crate::user_agent::{AT, CSRF, CSRF_HEADER};

/// The number of sessions: their tokens are `good-<number>`.
pub const SESSIONS: usize = 200;

/// Sealed access token and CSRF cookies, and the CSRF value.
pub type Session = (String, String, String);

/// Sessions whose cookies this system can open.
pub fn sessions(system: &System) -> Vec<Session> {
    let seals = Seals::of(system, "example");
    let session = |number: usize| {
        let id = SessionId([u8::try_from(number % 256).expect("a byte"); 32]);
        let csrf = format!("csrf-{number}");
        let at = seals.seal(Purpose::AccessToken, &format!("good-{number}"), id, 3000);
        (at, seals.seal(Purpose::Csrf, &csrf, id, 3000), csrf)
    };
    (0..SESSIONS).map(session).collect()
}

/// Bytes to send, and the expected result.
pub struct Traffic {
    /// A request, or bytes that are not a request.
    pub bytes: Vec<u8>,
    /// The expected result.
    pub expected: Expected,
}

/// The expected result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The request is valid: HTTP 200, or an error that the authorization server has caused.
    Data,
    /// The request is well-formed: a status below HTTP 500, or an error that the authorization server has caused.
    Response,
    /// The same, or the end of the connection, or no response for a moment: the bytes may not be a whole request.
    Anything,
    /// The client leaves without waiting.
    Leaves,
}

/// Generates the traffic of one client.
pub struct HostileClient {
    random: Random,
    sessions: Vec<Session>,
    origin: String,
    authority: String,
}

impl HostileClient {
    /// The same seed makes the same choices.
    pub fn new(system: &System, client: &Client, sessions: &[Session], seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            sessions: sessions.to_vec(),
            origin: system.www(),
            authority: client.authority("api"),
        }
    }

    /// The next request, or bytes that are not a request.
    pub fn request(&mut self) -> Traffic {
        let (mut bytes, mut expected) = match self.random.below(20) {
            0..5 => return self.valid(),
            5..9 => (self.cookies(), Expected::Response),
            9..13 => (self.bearer(), Expected::Response),
            13..15 => (self.paths(), Expected::Response),
            15..17 => (self.head(), Expected::Anything),
            17 => (self.mutate(), Expected::Anything),
            18 => (self.framing(), Expected::Anything),
            _ => {
                let len = self.random.below(2000);
                (self.random.bytes(len), Expected::Leaves)
            }
        };
        if self.random.is_one_in(12) {
            let end = self.random.below(bytes.len() + 1);
            bytes.truncate(end);
            expected = Expected::Leaves;
        }
        Traffic { bytes, expected }
    }

    fn compose(&self, method: &str, path: &str, lines: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.authority).into_bytes();
        for (name, value) in lines {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// A valid request.
    pub fn valid(&mut self) -> Traffic {
        let (at, csrf_cookie, csrf) = self.random.pick(&self.sessions).clone();
        let cookie = format!("{AT}={at}; {CSRF}={csrf_cookie}; theme=dark");
        let origin = self.origin.clone();
        let lines = [
            ("origin", origin.as_bytes()),
            ("cookie", cookie.as_bytes()),
            (CSRF_HEADER, csrf.as_bytes()),
        ];
        let method = *self.random.pick(&["GET", "POST", "DELETE"]);
        Traffic {
            bytes: self.compose(method, "/api/data", &lines, b"{}"),
            expected: Expected::Data,
        }
    }

    /// A cookie header with parts of every kind.
    fn cookies(&mut self) -> Vec<u8> {
        let mut header = Vec::new();
        for _ in 0..self.random.below(12) {
            let (at, csrf, _) = self.random.pick(&self.sessions).clone();
            let piece = match self.random.below(10) {
                0 => format!("{AT}={at}"),
                1 => format!("{CSRF}={csrf}"),
                2 => format!("{AT}={csrf}"),
                3 => format!("{AT}.{}={at}", self.random.below(40)),
                4 => format!("{AT}.{}=", self.random.number()),
                5 => format!("{AT}={}", &at[..self.random.below(at.len())]),
                6 => "=".repeat(self.random.below(50)),
                7 => ";".repeat(self.random.below(500)),
                8 => format!("\"{AT}=\"{at}\""),
                _ => format!("c{}={}", self.random.number(), "v".repeat(self.random.below(3000))),
            };
            header.extend_from_slice(piece.as_bytes());
            let separators: [&str; 5] = ["; ", ";", ",", " ", "\t;\u{ff}"];
            header.extend_from_slice(self.random.pick(&separators).as_bytes());
        }
        let origin = self.origin.clone();
        let lines: [(&str, &[u8]); 2] = [("origin", origin.as_bytes()), ("cookie", &header)];
        self.compose("GET", "/api/data", &lines, b"")
    }

    /// Values that are not tokens.
    fn bearer(&mut self) -> Vec<u8> {
        let len = self.random.below(300);
        let unsigned = jwt(&json!({"sub": "admin", "exp": 4_000_000_000_u64}));
        let value: Vec<u8> = match self.random.below(8) {
            0 => b"Bearer".to_vec(),
            1 => [&b"Bearer "[..], &self.random.bytes(len)]
                .concat()
                .into_iter()
                .filter(|byte| *byte >= b' ' && *byte != 0x7f)
                .collect(),
            2 => format!("Bearer {unsigned}").into_bytes(),
            3 => format!("bEaReR    {}", "a".repeat(len * 100)).into_bytes(),
            4 => format!("Bearer good-{}&token=good-1", self.random.number()).into_bytes(),
            5 => format!("Bearer ..{}..", "=".repeat(len)).into_bytes(),
            _ => format!("Bearer bad-{}", self.random.below(500)).into_bytes(),
        };
        let lines: [(&str, &[u8]); 2] = [("authorization", &value), ("x_authorization", b"Bearer good-1")];
        let path = *self.random.pick(&["/default/data", "/api/data"]);
        self.compose("GET", path, &lines, b"")
    }

    /// Names, values and methods of any kind.
    fn head(&mut self) -> Vec<u8> {
        let any = |random: &mut Random, len: usize| -> Vec<u8> {
            let bytes = random.bytes(len);
            bytes.into_iter().filter(|byte| !b"\r\n\0".contains(byte)).collect()
        };
        let mut bytes = any(&mut self.random, 10);
        if self.random.is_one_in(2) {
            bytes = self
                .random
                .pick(&["PROPPATCH", "CONNECT", "TRACE", "OPTIONS", "PRI", "get", "M-SEARCH"])
                .as_bytes()
                .to_vec();
        }
        bytes.extend_from_slice(format!(" /api/data HTTP/1.1\r\nhost: {}\r\n", self.authority).as_bytes());
        for _ in 0..self.random.below(30) {
            let names = [
                "origin",
                "cookie",
                "authorization",
                CSRF_HEADER,
                "sec-fetch-site",
                "upgrade",
                "x-a",
                "connection",
                "te",
                "expect",
            ];
            let (name_len, value_len) = (self.random.below(20), self.random.below(200));
            let name = match self.random.is_one_in(6) {
                true => any(&mut self.random, name_len),
                false => self.random.pick(&names).as_bytes().to_vec(),
            };
            let value = any(&mut self.random, value_len);
            bytes.extend_from_slice(&[&name, &b": "[..], &value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn paths(&mut self) -> Vec<u8> {
        let mut path = String::from("/");
        let parts = [
            "api", "bff", "default", "..", ".", "%2e%2e", "%2f", ";", "..;", "\\", "//", "?", "#", "data", "%00",
            "%61pi", "*", "\u{e9}",
        ];
        for _ in 0..self.random.below(10) {
            let part = *self.random.pick(&parts);
            path.push_str(part);
            if self.random.is_one_in(2) {
                path.push('/');
            }
        }
        let origin = self.origin.clone();
        let method = *self.random.pick(&["GET", "POST", "OPTIONS"]);
        self.compose(method, &path, &[("origin", origin.as_bytes())], b"")
    }

    /// A valid request in which a few bytes are changed.
    fn mutate(&mut self) -> Vec<u8> {
        let mut bytes = self.valid().bytes;
        for _ in 0..=self.random.below(4) {
            let place = self.random.below(bytes.len());
            match self.random.below(3) {
                0 => bytes[place] = self.random.bytes(1)[0],
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, self.random.bytes(1)[0]),
            }
        }
        bytes
    }

    /// Bodies whose length is given twice, wrongly, or not at all.
    fn framing(&mut self) -> Vec<u8> {
        let valid = self.valid().bytes;
        let text = String::from_utf8_lossy(&valid).into_owned();
        let lines = [
            "transfer-encoding: chunked\r\n",
            "content-length: 5\r\n",
            "transfer-encoding: chunked, identity\r\n",
            "content-length: -1\r\n",
            "expect: 100-continue\r\n",
        ];
        let line = *self.random.pick(&lines);
        let text = text.replace("\r\n\r\n", &format!("\r\n{line}\r\nfffffffff\r\n0\r\n\r\n{text}"));
        text.into_bytes()
    }
}
