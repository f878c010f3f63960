//! HTTP/1.1 requests to the authorization server and the OpenTelemetry collector.
//!
//! awc is the client, and this module provides its connections. Everything is limited: the time to connect, the time of an
//! exchange, the length of a response, the number of connections. Redirects are not followed, because no endpoint has a
//! reason for one and a request may contain credentials. Compression is neither offered nor decoded, so a response
//! cannot grow.
//!
//! * [`exchange_stream`]: a connection that returns one response for each request; [`response_reader`]: the end of a
//!   response.
//! * `connector`, `transport`, `tls_error`, [`proxy`], `resolver`, `host`: establishing connections; [`tls`],
//!   [`client_certificate`], `pem_file`: trusted authorities and the client certificate.
//! * `response`: the result of a request.

pub mod client_certificate;
mod connector;
pub mod exchange_stream;
mod host;
mod pem_file;
pub mod proxy;
mod resolver;
mod response;
pub mod response_reader;
pub mod tls;
mod tls_error;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use awc::http::{Method, StatusCode};
use rustls::ClientConfig;
use url::Url;

pub use self::proxy::Proxy;
pub use self::response::{HttpError, ServerResponse};

use self::connector::{Connector, ConnectorSettings};

/// The limits of a client.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time limit of each step of connecting.
    pub connect_timeout: Duration,
    /// Time limit of a whole exchange.
    pub request_timeout: Duration,
    /// Maximum number of connections, of each kind.
    pub max_connections: usize,
    /// How long an idle connection stays open.
    pub idle: Duration,
}

/// Whether a connection is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The request and its response are not about a user: the connection is reused.
    Shared,
    /// The request or its response is about a user: the connection is opened for the request, and closed after its
    /// response. HTTP/1.1 cannot distinguish a well-formed late response from the response to the current request.
    Own,
}

/// A thread's connections. Cheap to clone, and not `Send`, like most of actix.
#[derive(Clone)]
pub struct Client {
    shared: Pools,
    own: Pools,
    limits: Limits,
}

/// awc identifies connections by host and port only, so those with TLS have a separate pool.
#[derive(Clone)]
struct Pools {
    plain: awc::Client,
    tls: awc::Client,
}

impl Client {
    /// A client for one thread: its connections are never shared with another.
    pub fn new(limits: &Limits, tls: &Arc<ClientConfig>, proxy: &Proxy) -> Client {
        let pool = |tls: Option<&Arc<ClientConfig>>, idle: Duration| {
            let connector = Connector::new(ConnectorSettings {
                tls: tls.cloned(),
                proxy: proxy.clone(),
                connect_timeout: limits.connect_timeout,
            });
            let connector = awc::Connector::new()
                .connector(connector)
                // The connector limits its steps, and the exchange limits their sum.
                .timeout(limits.request_timeout)
                .limit(limits.max_connections)
                .conn_keep_alive(idle);
            awc::Client::builder()
                .connector(connector)
                .disable_redirects()
                .disable_timeout()
                .no_default_headers()
                .finish()
        };
        let pools = |idle| Pools {
            plain: pool(None, idle),
            tls: pool(Some(tls), idle),
        };
        Client {
            shared: pools(limits.idle),
            own: pools(Duration::ZERO),
            limits: limits.clone(),
        }
    }

    /// Sends a GET or POST request once, and reads the whole response, whose body must not exceed `limit` bytes.
    ///
    /// # Errors
    /// See [`HttpError`]. A response with HTTP 4xx is not an error.
    pub async fn exchange(
        &self,
        request: &http::Request<Vec<u8>>,
        sharing: Sharing,
        limit: usize,
    ) -> Result<ServerResponse, HttpError> {
        let exchange = self.attempt(request, sharing, limit);
        tokio::time::timeout(self.limits.request_timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(HttpError::request_timeout(self.limits.request_timeout)))
    }

    fn prepare(&self, request: &http::Request<Vec<u8>>, sharing: Sharing) -> Result<awc::ClientRequest, HttpError> {
        let invalid = |what: &str| HttpError::Request(what.to_owned());
        let method = match request.method().as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            // A response to HEAD has another form.
            method => return Err(invalid(&format!("unsupported method {method}"))),
        };
        let url = Url::parse(&request.uri().to_string()).map_err(|error| invalid(&error.to_string()))?;
        let pools = match sharing {
            Sharing::Shared => &self.shared,
            Sharing::Own => &self.own,
        };
        let (client, default_port) = match url.scheme() {
            "https" => (&pools.tls, 443),
            "http" => (&pools.plain, 80),
            scheme => {
                return Err(invalid(&format!(
                    "the scheme of the URL is {scheme}, neither https nor http"
                )));
            }
        };
        let host = url.host_str().ok_or_else(|| invalid("the URL has no host"))?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let port = url.port().unwrap_or(default_port);
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        // awc would put TLS on top of a connection for `https`, so it gets `http`.
        let mut prepared = client
            .request(method, format!("http://{host}:{port}{}{query}", url.path()))
            .insert_header((HOST, authority))
            .insert_header((USER_AGENT, env!("CARGO_PKG_NAME")))
            // Without this header, the server could choose any coding (RFC 9110, section 12.5.3).
            .insert_header((ACCEPT_ENCODING, "identity"))
            .no_decompress();
        for (name, value) in request.headers() {
            prepared = prepared.insert_header((name.as_str(), value.as_bytes()));
        }
        Ok(match sharing {
            Sharing::Shared => prepared,
            Sharing::Own => prepared.force_close(),
        })
    }

    async fn attempt(
        &self,
        request: &http::Request<Vec<u8>>,
        sharing: Sharing,
        limit: usize,
    ) -> Result<ServerResponse, HttpError> {
        let prepared = self.prepare(request, sharing)?;
        let body = Bytes::copy_from_slice(request.body());
        let mut response = prepared
            .send_body(body)
            .await
            .map_err(|error| send_error(error, &self.limits))?;
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let retry_after = header(RETRY_AFTER.as_str());
        if !matches!(status, StatusCode::OK | StatusCode::CREATED) && !status.is_client_error() {
            return Err(HttpError::Status {
                status: status.as_u16(),
                retry_after,
            });
        }
        let cache_control = response.headers().get_all(CACHE_CONTROL);
        let cache_control = cache_control.map(|line| line.as_bytes().to_vec()).collect();
        let mut content_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        content_type.make_ascii_lowercase();
        let dpop_nonce = header("dpop-nonce");
        #[allow(clippy::wildcard_enum_match_arm, reason = "the errors of awc are not ours")]
        let body = response.body().limit(limit).await.map_err(|error| match error {
            PayloadError::Overflow => HttpError::TooLarge(limit),
            error => HttpError::Broken(error.to_string()),
        })?;
        Ok(ServerResponse {
            status: status.as_u16(),
            content_type,
            body,
            dpop_nonce,
            cache_control,
            retry_after,
        })
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the errors of awc are not ours")]
fn send_error(error: SendRequestError, limits: &Limits) -> HttpError {
    let connecting = |after| HttpError::Timeout {
        operation: "connecting",
        after,
    };
    match error {
        SendRequestError::Timeout => HttpError::request_timeout(limits.request_timeout),
        SendRequestError::Connect(ConnectError::Timeout) => connecting(limits.request_timeout),
        SendRequestError::Connect(ConnectError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
            connecting(limits.connect_timeout)
        }
        // The connection was established, and closed before the response.
        SendRequestError::Connect(ConnectError::Disconnected) => HttpError::Broken("no response".to_owned()),
        SendRequestError::Connect(error) => HttpError::Connect(error.to_string()),
        SendRequestError::Url(error) => HttpError::Request(error.to_string()),
        SendRequestError::Http(error) => HttpError::Request(error.to_string()),
        error => HttpError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
