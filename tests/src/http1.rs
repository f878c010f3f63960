//! HTTP/1.1 over TLS, as bytes: a test can send anything that a client can send, and see every byte of the response.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use demo_system::System;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// How long a test waits for the next bytes: far longer than every timeout of the system.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header with a name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// All headers with a name in lower case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The body as JSON; `Null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The `code` member of the body.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// A request with a method and a path, which are sent unchanged.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            head: format!("{method} {path} HTTP/1.1\r\n").into_bytes(),
            body: Vec::new(),
        }
    }

    /// Adds a header line, whose value is sent unchanged.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// Sets a form body.
    #[must_use]
    pub fn form(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    fn bytes(&self, authority: &str) -> Vec<u8> {
        self.clone().header("connection", "close").bytes_to_keep(authority)
    }

    /// Serializes the request for a connection that stays open.
    pub fn bytes_to_keep(&self, authority: &str) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend_from_slice(format!("host: {authority}\r\ncontent-length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A connection to Envoy.
pub type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A client of one system. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    domain: String,
    login_domain: String,
    port: u16,
}

impl Client {
    /// A client of a system that this process has not started: its domain, the port on this machine, and its CA.
    pub fn at(domain: &str, port: u16, ca: &Path) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            config: Arc::new(tls_config_with(ca, &[b"http/1.1"], None)),
            domain: domain.to_owned(),
            login_domain: domain.to_owned(),
            port,
        }
    }

    /// Trusts only the system's CA.
    pub fn new(system: &System) -> Self {
        Self::with(system, tls_config(system, &[b"http/1.1"], None))
    }

    /// Speaks a protocol other than HTTP/1.1 on its connections, by its name in ALPN.
    pub fn speaking(system: &System, protocol: &[u8]) -> Self {
        Self::with(system, tls_config(system, &[protocol], None))
    }

    /// Presents a certificate if the server requests one: paths of the certificate and of its key, in PEM.
    pub fn with_certificate(system: &System, certificate: &Path, key: &Path) -> Self {
        Self::with(system, tls_config(system, &[b"http/1.1"], Some((certificate, key))))
    }

    fn with(system: &System, config: ClientConfig) -> Self {
        Self {
            address: system.public_addr(),
            config: Arc::new(config),
            domain: system.options().domain.clone(),
            login_domain: system.options().domain.clone(),
            port: system.public_addr().port(),
        }
    }

    /// The same client at another port of this machine.
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self.port = port;
        self
    }

    /// The same client for the pages of another application: `www` and `api` are below this domain, `login` does not change.
    #[must_use]
    pub fn of_application(mut self, domain: &str) -> Self {
        self.domain = domain.to_owned();
        self
    }

    fn name(&self, host: &str) -> String {
        let domain = if host == "login" {
            &self.login_domain
        } else {
            &self.domain
        };
        format!("{host}.{domain}")
    }

    /// `host:port` of `www`, `api` or `login`.
    pub fn authority(&self, host: &str) -> String {
        format!("{}:{}", self.name(host), self.port)
    }

    /// Sends a request to `www`, `api` or `login`.
    ///
    /// # Errors
    /// No connection, or no complete response: the connection ended, or was silent for fifteen seconds.
    pub fn send(&self, host: &str, request: &Request) -> io::Result<Response> {
        let mut stream = self.send_only(host, request)?;
        read_response(&mut stream)
    }

    /// Sends a request on a connection that stays open.
    ///
    /// # Errors
    /// No connection, or no complete response: the connection ended, or was silent for fifteen seconds.
    pub fn send_on(&self, stream: &mut (impl Read + Write), host: &str, request: &Request) -> io::Result<Response> {
        stream.write_all(&request.bytes_to_keep(&self.authority(host)))?;
        read_response(stream)
    }

    /// Sends a request and returns the connection, which the caller may drop without waiting for the response.
    ///
    /// # Errors
    /// No connection.
    pub fn send_only(&self, host: &str, request: &Request) -> io::Result<impl Read + Write + use<>> {
        self.send_part(host, request, 0)
    }

    /// Connects as for one host, and sends a request for another.
    ///
    /// # Errors
    /// No connection, or no complete response: the connection ended, or was silent for fifteen seconds.
    pub fn send_as(&self, host: &str, authority: &str, request: &Request) -> io::Result<Response> {
        let mut stream = self.connect(host)?;
        stream.write_all(&request.bytes(authority))?;
        read_response(&mut stream)
    }

    /// Sends a request without its last bytes, and returns the connection.
    ///
    /// # Errors
    /// No connection.
    pub fn send_part(&self, host: &str, request: &Request, missing: usize) -> io::Result<impl Read + Write + use<>> {
        let mut stream = self.connect(host)?;
        let whole = request.bytes(&self.authority(host));
        stream.write_all(whole.get(..whole.len().saturating_sub(missing)).unwrap_or_default())?;
        stream.flush()?;
        Ok(stream)
    }

    /// A connection over which nothing was sent yet.
    ///
    /// # Errors
    /// No connection.
    pub fn connect(&self, host: &str) -> io::Result<Connection> {
        let tcp = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        tcp.set_read_timeout(Some(TIMEOUT))?;
        // Otherwise the request waits for the acknowledgement of the handshake's end.
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(self.name(host)).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, tcp))
    }
}

/// Sends a request to a process of the system without TLS and without Envoy.
///
/// # Errors
/// No connection, or no complete response: the connection ended, or was silent for fifteen seconds.
pub fn send_plain(address: SocketAddr, request: &Request) -> io::Result<Response> {
    send_plain_as(address, &address.to_string(), request)
}

/// The same for a process that expects another name in `Host`.
///
/// # Errors
/// No connection, or no complete response: the connection ended, or was silent for fifteen seconds.
pub fn send_plain_as(address: SocketAddr, authority: &str, request: &Request) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&request.bytes(authority))?;
    read_response(&mut stream)
}

/// The TLS configuration of a client that trusts only the system's CA, with the PEM files of a certificate and its key.
pub(crate) fn tls_config(system: &System, alpn: &[&[u8]], certificate: Option<(&Path, &Path)>) -> ClientConfig {
    tls_config_with(&system.ca_pem(), alpn, certificate)
}

fn tls_config_with(ca: &Path, alpn: &[&[u8]], certificate: Option<(&Path, &Path)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(ca).expect("the CA's certificate");
    roots
        .add(CertificateDer::from_pem_slice(&pem).expect("a certificate"))
        .expect("a usable certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions");
    let builder = builder.with_root_certificates(roots);
    let mut config = match certificate {
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            let config = builder.with_client_auth_cert(vec![certificate], key);
            config.expect("using the client's certificate with its key failed")
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// Reads a response to its end. If its framing marks the end, this does not wait for the end of the connection: Envoy
/// takes a second for that after a local response.
///
/// # Errors
/// No complete response.
pub fn read_response(stream: &mut impl Read) -> io::Result<Response> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let mut ended = false;
    while !ended && !is_whole(&bytes) {
        match stream.read(&mut buffer) {
            Ok(0) => ended = true,
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            // After some errors Envoy closes without close_notify. The received bytes count.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !bytes.is_empty() => ended = true,
            Err(error) => return Err(error),
        }
    }
    parse(&bytes).ok_or_else(|| {
        io::Error::other(format!(
            "no complete response: the connection ended after {:?}",
            String::from_utf8_lossy(&bytes)
        ))
    })
}

/// Whether the response is complete by its framing.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(response) = parse(bytes) else { return false };
    match response
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok())
    {
        Some(length) => response.body.len() >= length,
        // A chunked body parses only if its last chunk has arrived.
        None => response.status == 204 || response.header("transfer-encoding").is_some(),
    }
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let body = bytes.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { dechunk(body)? } else { body.to_vec() };
    Some(Response { status, headers, body })
}

/// Decodes a chunked body (RFC 9112, section 7.1).
pub(crate) fn dechunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(body.get(..end)?).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 4 + size..)?;
    }
}
