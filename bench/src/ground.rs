//! What a run's variants are made from, and the requests of its sessions.

use serde_json::Value;

use crate::credentials::{CSRF, Deployment, ORIGIN, Session};
use crate::envoy::Artifacts;
use crate::result::Result;

/// The data that the variants are made from.
pub(crate) struct Ground<'a> {
    pub(crate) artifacts: &'a Artifacts,
    pub(crate) deployment: &'a Deployment,
    pub(crate) upstream: u16,
    pub(crate) jwt: &'a str,
    pub(crate) jwks: &'a Value,
}

impl Ground<'_> {
    /// New sessions, whose access token cookies have values of about `size` bytes.
    pub(crate) fn sessions(&self, size: usize, count: usize) -> Result<Vec<Session>> {
        (0..count).map(|_| self.deployment.session(size)).collect()
    }

    /// As many sessions, bound to a device.
    pub(crate) fn bound_sessions(&self, size: usize, count: usize) -> Result<Vec<Session>> {
        (0..count).map(|_| self.deployment.bound_session(size)).collect()
    }

    /// A request approximately as a browser sends it, with these header lines.
    pub(crate) fn request(&self, method: &str, lines: &str) -> Vec<u8> {
        format!(
            "{method} /echo HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
             accept: application/json\r\naccept-language: en-US,en;q=0.5\r\naccept-encoding: gzip, deflate, br\r\n\
             origin: {ORIGIN}\r\nreferer: {ORIGIN}/\r\nsec-fetch-dest: empty\r\nsec-fetch-mode: cors\r\nsec-fetch-site: same-site\r\n\
             {lines}content-length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    pub(crate) fn get(&self, session: &Session) -> Vec<u8> {
        self.request("GET", &format!("cookie: {}\r\n", self.deployment.api_cookies(session)))
    }

    pub(crate) fn post(&self, session: &Session) -> Vec<u8> {
        let lines = format!(
            "cookie: {}\r\nx-example-csrf: {CSRF}\r\n",
            self.deployment.api_cookies(session)
        );
        self.request("POST", &lines)
    }

    pub(crate) fn bearer(&self, token: &str) -> Vec<u8> {
        self.request("GET", &format!("authorization: Bearer {token}\r\n"))
    }
}
