//! Requests over HTTP/1.1, towards the authorization server and the collector of spans.
//!
//! awc is the client; what it reads is made here. Everything is bounded: the time to connect, the time of a whole
//! exchange, the size of an answer, the number of connections. No redirect is followed, since no endpoint that is asked
//! has a reason for one and the request may carry credentials. No compression is offered nor undone, so that an answer
//! cannot grow in here.
//!
//! * [`exchange_stream`]: a connection that gives each request its one answer; [`response_reader`]: where that one ends.
//! * `connector`, `transport`, `tls_error`, [`proxy`], `resolver`, `host`: how connections are made;
//!   [`tls`], [`client_certificate`]: whom they believe, and what the client shows.
//! * `response`: what comes of a request.

pub mod client_certificate;
mod connector;
pub mod exchange_stream;
mod host;
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

/// What a client keeps to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long each step to a connection may take.
    pub connect_timeout: Duration,
    /// How long a whole exchange may take.
    pub request_timeout: Duration,
    /// Connections at once, of each kind.
    pub max_connections: usize,
    /// How long a connection that may be used again is kept.
    pub idle: Duration,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The request and its answer are about no user: a connection that was used before will do.
    Shared,
    /// The request or its answer is about a user: the connection is made for it, and ends with it. HTTP/1.1 cannot tell a
    /// well-formed answer that a server sends late from the one that was asked for.
    Own,
}

/// A thread's connections. Cheap to clone; not `Send`, as little in actix is.
#[derive(Clone)]
pub struct Client {
    shared: Pools,
    own: Pools,
    request_timeout: Duration,
}

/// awc knows connections by host and port alone, so those with TLS are apart.
#[derive(Clone)]
struct Pools {
    plain: awc::Client,
    tls: awc::Client,
}

impl Client {
    /// A client without connections.
    pub fn new(limits: &Limits, tls: &Arc<ClientConfig>, proxy: &Proxy) -> Client {
        let pool = |tls: Option<&Arc<ClientConfig>>, idle: Duration| {
            let connector = Connector::new(ConnectorSettings {
                tls: tls.cloned(),
                proxy: proxy.clone(),
                connect_timeout: limits.connect_timeout,
            });
            let connector = awc::Connector::new()
                .connector(connector)
                // The connector bounds its steps itself, and the exchange bounds their sum.
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
            request_timeout: limits.request_timeout,
        }
    }

    /// Sends a GET or POST, and reads the answer whole; its body may have so many bytes. Never tries twice.
    pub async fn exchange(
        &self,
        request: &http::Request<Vec<u8>>,
        sharing: Sharing,
        limit: usize,
    ) -> Result<ServerResponse, HttpError> {
        let exchange = self.attempt(request, sharing, limit);
        tokio::time::timeout(self.request_timeout, exchange)
            .await
            .unwrap_or(Err(HttpError::Timeout))
    }

    fn prepare(&self, request: &http::Request<Vec<u8>>, sharing: Sharing) -> Result<awc::ClientRequest, HttpError> {
        let refused = |what: &str| HttpError::Request(what.to_owned());
        let method = match request.method().as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            // An answer to HEAD has another form.
            _ => return Err(refused("unsupported method")),
        };
        let url = Url::parse(&request.uri().to_string()).map_err(|error| refused(&error.to_string()))?;
        let pools = match sharing {
            Sharing::Shared => &self.shared,
            Sharing::Own => &self.own,
        };
        let (client, default_port) = match url.scheme() {
            "https" => (&pools.tls, 443),
            "http" => (&pools.plain, 80),
            _ => return Err(refused("the URL is neither https nor http")),
        };
        let host = url.host_str().ok_or_else(|| refused("the URL has no host"))?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let port = url.port().unwrap_or(default_port);
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        // awc would put TLS above a connection for `https`, so it is told of none.
        let mut prepared = client
            .request(method, format!("http://{host}:{port}{}{query}", url.path()))
            .insert_header((HOST, authority))
            .insert_header((USER_AGENT, env!("CARGO_PKG_NAME")))
            // Without, any coding would be as good (RFC 9110, section 12.5.3).
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
        let mut response = prepared.send_body(body).await.map_err(send_error)?;
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
fn send_error(error: SendRequestError) -> HttpError {
    match error {
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => HttpError::Timeout,
        SendRequestError::Connect(ConnectError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
            HttpError::Timeout
        }
        // There was a connection, and it ended before the answer.
        SendRequestError::Connect(ConnectError::Disconnected) => HttpError::Broken("no answer".to_owned()),
        SendRequestError::Connect(error) => HttpError::Connect(error.to_string()),
        SendRequestError::Url(error) => HttpError::Request(error.to_string()),
        SendRequestError::Http(error) => HttpError::Request(error.to_string()),
        error => HttpError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
