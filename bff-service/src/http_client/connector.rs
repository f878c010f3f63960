//! Establishes connections: name resolution, TCP, tunnel of the proxy, TLS.
//!
//! awc would put TLS on top of the connection of a connector, and read HTTP from that itself. This connector does TLS
//! itself, so that awc reads from an [`ExchangeStream`], which reads the decrypted data.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::dev::Service;
use awc::http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::exchange_stream::ExchangeStream;
use super::host::strip_brackets;
use super::proxy::{Proxy, ProxyServer};
use super::resolver;
use super::tls_error::explain;
use super::transport::{EagerTcp, Transport};

/// Maximum length of the head of a proxy's response to CONNECT, in bytes.
const MAX_PROXY_HEAD_BYTES: usize = 16 * 1024;

/// Connects to the host and port of a URL, with or without TLS. The scheme of the URL is ignored: awc gets `http` for
/// both.
#[derive(Clone)]
pub(super) struct Connector(Rc<ConnectorSettings>);

/// The settings of connections.
pub(super) struct ConnectorSettings {
    /// The TLS configuration, for connections with TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The proxy, for connections with TLS only.
    pub(super) proxy: Proxy,
    /// Time limit of each step: name resolution and TCP, tunnel, TLS.
    pub(super) connect_timeout: Duration,
}

impl Connector {
    pub(super) fn new(settings: ConnectorSettings) -> Self {
        Self(Rc::new(settings))
    }
}

impl Service<ConnectInfo<Uri>> for Connector {
    type Response = Connection<Uri, ExchangeStream<Transport>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, to: ConnectInfo<Uri>) -> Self::Future {
        let settings = Rc::clone(&self.0);
        Box::pin(async move {
            let transport = settings.connect(to.hostname(), to.port()).await;
            let transport = transport.map_err(ConnectError::Io)?;
            Ok(Connection::new(to.request().clone(), ExchangeStream::new(transport)))
        })
    }
}

impl ConnectorSettings {
    async fn connect(&self, host: &str, port: u16) -> io::Result<Transport> {
        let Some(tls) = &self.tls else {
            return Ok(Transport::Plain(EagerTcp::new(self.open(host, port).await?)));
        };
        let server = ServerName::try_from(strip_brackets(host).to_owned());
        let server = server.map_err(|_| {
            io::Error::other(format!(
                "invalid host `{host}`: write a URL with a host that a certificate can name"
            ))
        })?;
        let tcp = match self.proxy.server_for(host, port) {
            None => self.open(host, port).await?,
            Some(proxy) => self
                .tunnel(proxy, host, port)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("through the proxy {proxy}: {error}")))?,
        };
        let handshake = Transport::secure(EagerTcp::new(tcp), server, tls);
        self.in_time(handshake).await.map_err(explain)
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        self.in_time(async {
            let addresses = resolver::lookup(host, port)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("resolving {host} failed: {error}")))?;
            let mut result = Err(io::Error::other(format!("resolving {host} failed: no address")));
            for address in addresses {
                // TLS writes the end of its handshake and the request one after the other. With Nagle's algorithm, the request
                // waits for the acknowledgement of the former, which the server may delay by 40 ms.
                result = TcpStream::connect(address)
                    .await
                    .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
                    .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")));
                if result.is_ok() {
                    break;
                }
            }
            result
        })
        .await
        // The host may have a new address.
        .inspect_err(|_| resolver::doubt(host))
    }

    /// Opens a tunnel through the proxy (RFC 9110, section 9.3.6).
    async fn tunnel(&self, proxy: &ProxyServer, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut tcp = self.open(proxy.host(), proxy.port()).await?;
        let authorization = match proxy.authorization() {
            Some(credentials) => format!("proxy-authorization: {credentials}\r\n"),
            None => String::new(),
        };
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n{authorization}\r\n");
        self.in_time(async {
            tcp.write_all(request.as_bytes()).await?;
            loop {
                match read_status(&mut tcp).await? {
                    200..=299 => return Ok(()),
                    // Interim responses, whose time is limited.
                    100..=199 => {}
                    407 => {
                        return Err(io::Error::other(
                            "HTTP 407: the proxy requires a user name and a password, or rejects those in its URL: \
                             write valid ones into the URL, as `user:password@` before the host",
                        ));
                    }
                    status => {
                        return Err(io::Error::other(format!(
                            "HTTP {status} for CONNECT: check that the proxy allows connections to {host}:{port}, and \
                             can open them"
                        )));
                    }
                }
            }
        })
        .await?;
        Ok(tcp)
    }

    async fn in_time<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        tokio::time::timeout(self.connect_timeout, step)
            .await
            // `send_error` says which time limit that was.
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Reads the head and no byte more: what follows belongs to the tunnel.
async fn read_status(tcp: &mut TcpStream) -> io::Result<u16> {
    let malformed = || io::Error::other("malformed response to CONNECT: write the URL of an HTTP proxy");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_PROXY_HEAD_BYTES {
            return Err(malformed());
        }
        head.push(tcp.read_u8().await?);
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(&head) {
        Ok(httparse::Status::Complete(_)) => response.code.ok_or_else(malformed),
        Ok(httparse::Status::Partial) | Err(_) => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn no_request_waits_for_an_acknowledgement() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = ConnectorSettings {
            tls: None,
            proxy: Proxy::default(),
            connect_timeout: Duration::from_secs(5),
        };
        let port = server.local_addr().unwrap().port();
        let tcp = settings.open("127.0.0.1", port).await.unwrap();
        assert!(tcp.nodelay().unwrap());
    }
}
