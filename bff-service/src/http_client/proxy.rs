//! The proxy for connections to the authorization server, from the environment.
//!
//! `https_proxy` or `HTTPS_PROXY` is its URL, and `no_proxy` or `NO_PROXY` lists hosts without a proxy. If both spellings
//! are set, the lower-case one counts, as in curl. `HTTP_PROXY` is ignored: an authorization server uses `https`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use super::host::{is_localhost, strip_brackets};

/// Selects the connections that use a proxy.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    server: Option<Arc<ProxyServer>>,
    exceptions: Vec<Exception>,
}

/// A proxy. Neither `Debug` nor `Display` shows its credentials.
pub struct ProxyServer {
    host: String,
    port: u16,
    authorization: Option<String>,
    variable: &'static str,
}

/// An invalid variable. `Display` does not contain its value, which may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {what}")]
pub struct ProxyError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong, and what to write.
    pub what: &'static str,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    /// Addresses with the same prefix, at every port or one.
    Network(IpAddr, u8, Option<u16>),
    /// A name, in lower case, and every name below it, at every port or one.
    Domain(String, Option<u16>),
}

impl Proxy {
    /// Reads the variables.
    ///
    /// # Errors
    /// A variable is invalid.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = env(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let Some((variable, url)) = first(["https_proxy", "HTTPS_PROXY"]) else {
            return Ok(Self::default());
        };
        let server = ProxyServer::parse(variable, &url).map_err(|what| ProxyError { variable, what })?;
        let exceptions = match first(["no_proxy", "NO_PROXY"]) {
            None => Vec::new(),
            Some((variable, list)) => {
                let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
                let parsed: Option<_> = entries.map(Exception::parse).collect();
                let what = "invalid entry: write host names or IP addresses, with or without a port, networks such as \
                            10.0.0.0/8, or `*`";
                parsed.ok_or(ProxyError { variable, what })?
            }
        };
        Ok(Self {
            server: Some(Arc::new(server)),
            exceptions,
        })
    }

    /// The configured proxy, if any.
    pub fn server(&self) -> Option<&ProxyServer> {
        self.server.as_deref()
    }

    /// The proxy for connections to this host, if any. Loopback has none, because a proxy cannot reach it.
    pub fn server_for(&self, host: &str, port: u16) -> Option<&ProxyServer> {
        let host = strip_brackets(host).trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_loopback = address.map_or_else(|| is_localhost(&host), |address| address.to_canonical().is_loopback());
        let is_exception = || {
            self.exceptions
                .iter()
                .any(|exception| exception.has(&host, address, port))
        };
        self.server.as_deref().filter(|_| !is_loopback && !is_exception())
    }
}

impl ProxyServer {
    fn parse(variable: &'static str, value: &str) -> Result<Self, &'static str> {
        const FORM: &str = "invalid proxy URL: write a URL such as http://proxy.example.com:3128, with user:password@ before the host \
                            if the proxy requires credentials";
        let url = match value.contains("://") {
            true => Url::parse(value),
            false => Url::parse(&format!("http://{value}")),
        };
        let url = url.map_err(|_| FORM)?;
        if url.scheme() != "http" {
            return Err("unsupported proxy: write a URL that begins with http://");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(
                "invalid proxy URL: it has a path, a query or a fragment, and proxy auto-configuration is not supported: \
                 write a URL such as http://proxy.example.com:3128",
            );
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(FORM),
        };
        let decode = |value: &str| percent_decode(value).ok_or(FORM);
        let (user, password) = (decode(url.username())?, decode(url.password().unwrap_or_default())?);
        if user.contains(&b':') {
            return Err("the user name contains a colon, which HTTP Basic does not allow: write another user name");
        }
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        let credentials = [user.as_slice(), b":", password.as_slice()].concat();
        Ok(Self {
            host,
            port: url.port().unwrap_or(80),
            authorization: has_credentials.then(|| format!("Basic {}", STANDARD.encode(credentials))),
            variable,
        })
    }

    /// The host name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `Proxy-Authorization` (RFC 9110, section 11.7.2), if the URL has credentials.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host, port, variable, ..
        } = self;
        match host.contains(':') {
            true => write!(f, "http://[{host}]:{port} ({variable})"),
            false => write!(f, "http://{host}:{port} ({variable})"),
        }
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let (network, bits): (IpAddr, u8) = (strip_brackets(network).parse().ok()?, bits.parse().ok()?);
            return (bits <= width(network)).then_some(Self::Network(network, bits, None));
        }
        if let Ok(address) = strip_brackets(entry).parse::<IpAddr>() {
            return Some(Self::Network(address, width(address), None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = strip_brackets(host).parse::<IpAddr>() {
            return Some(Self::Network(address, width(address), port));
        }
        // `example.com`, `.example.com` and `*.example.com` are synonyms: the name and all names below it.
        let name = host.strip_prefix('*').unwrap_or(host);
        let name = name.strip_prefix('.').unwrap_or(name).trim_end_matches('.');
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        is_name.then(|| Self::Domain(name.to_ascii_lowercase(), port))
    }

    fn has(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_port = |only: &Option<u16>| only.is_none_or(|only| only == port);
        match self {
            Self::Everything => true,
            Self::Network(network, bits, only) => {
                is_port(only) && address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Self::Domain(name, only) => {
                let below = host.strip_suffix(name.as_str());
                is_port(only) && below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
        }
    }
}

/// The length of an address, in bits.
fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let rest = u32::from(width(network).saturating_sub(bits));
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(rest).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(rest).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn percent_decode(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests;
