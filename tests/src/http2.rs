//! HTTP/2, for what HTTP/1.1 cannot express: a Cookie header in crumbs, many concurrent requests on one connection, or
//! the end of a single request.

use std::sync::Arc;
use std::time::Duration;

use demo_system::System;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, HeaderValue, Request};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// A connection to `api`.
pub struct Connection {
    client: SendRequest<&'static [u8]>,
    authority: String,
}

impl Connection {
    /// Begins a request without a body, or with the beginning of one. Each header is a separate field, in this order.
    ///
    /// # Errors
    /// The connection accepts no more streams.
    pub async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &[u8])],
        body: Option<&'static [u8]>,
    ) -> Result<(ResponseFuture, h2::SendStream<&'static [u8]>), h2::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.authority));
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        self.client.clone().ready().await?;
        let request = request.body(()).expect("a request");
        let (response, mut stream) = self.client.send_request(request, body.is_none())?;
        if let Some(body) = body {
            stream.send_data(body, false)?;
        }
        Ok((response, stream))
    }

    /// Sends CONNECT to this host and port, which has no path (RFC 9113, section 8.5).
    ///
    /// # Errors
    /// No complete response.
    pub async fn connect_to(&mut self, authority: &str, headers: &[(&str, &[u8])]) -> Result<Response, h2::Error> {
        let mut request = Request::builder().method("CONNECT").uri(authority);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value).expect("a header value"));
        }
        self.client.clone().ready().await?;
        let (response, _stream) = self.client.send_request(request.body(()).expect("a request"), false)?;
        whole(response).await
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// No complete response.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &[u8])]) -> Result<Response, h2::Error> {
        let (response, _) = self.begin(method, path, headers, None).await?;
        whole(response).await
    }
}

/// Waits for the rest of a response.
///
/// # Errors
/// The response broke off.
pub async fn whole(response: ResponseFuture) -> Result<Response, h2::Error> {
    let response = response.await?;
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    })
}

/// Runs `work` with a connection, for at most thirty seconds.
pub fn with_connection<T>(system: &System, work: impl AsyncFnOnce(Connection) -> T) -> T {
    with_connections(
        system,
        1,
        Duration::from_secs(30),
        async |mut connections: Vec<Connection>| work(connections.pop().expect("one")).await,
    )
}

/// Runs `work` with this number of connections, for at most `limit`.
pub fn with_connections<T>(
    system: &System,
    count: usize,
    limit: Duration,
    work: impl AsyncFnOnce(Vec<Connection>) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = async {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(connect(system).await);
        }
        work(connections).await
    };
    let bounded = async { tokio::time::timeout(limit, exchange).await.expect("a response in time") };
    runtime.block_on(bounded)
}

async fn connect(system: &System) -> Connection {
    let host = format!("api.{}", system.options().domain);
    let tcp = TcpStream::connect(system.public_addr()).await.expect("a connection");
    let connector = TlsConnector::from(Arc::new(crate::http1::tls_config(system, &[b"h2"], None)));
    let name = ServerName::try_from(host.clone()).expect("a name");
    let tls = connector.connect(name, tcp).await.expect("TLS");
    let (client, connection) = h2::client::Builder::new().handshake(tls).await.expect("HTTP/2");
    tokio::spawn(connection);
    let authority = format!("{host}:{}", system.public_addr().port());
    Connection { client, authority }
}

/// Sends one request to `api` and returns the response.
pub fn send(system: &System, method: &str, path: &str, headers: &[(&str, &[u8])]) -> Response {
    with_connection(system, async |mut connection: Connection| {
        connection.send(method, path, headers).await.expect("a response")
    })
}
