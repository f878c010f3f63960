//! HTTP towards the authorization server.
//!
//! Everything is bounded: the time to connect, the time of a whole exchange, the size of an answer, the number of
//! connections. No redirect is followed, since none of these endpoints has a reason for one and the request may carry
//! credentials. No compression is offered nor undone, so that an answer cannot grow in here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_tls::connect::Resolver;
use actix_web::web::Bytes;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use awc::http::{Method, StatusCode};
use awc::{ClientRequest, Connector};

use bff_core::cache_control;

use super::resolver::SystemThenLoopback;
use crate::config::AuthorizationServer;
use crate::metrics::{Metrics, ServerEndpoint};
use crate::trace::TraceContext;

/// Bound of a metadata document or key set, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Bound of any other answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why there is no answer to work with. `Display` holds nothing of the request or of the answer's body.
#[derive(Debug)]
pub enum HttpError {
    /// Nothing, or not everything, came in time.
    Timeout,
    /// There was no connection.
    Connect(String),
    /// The connection broke, or what came was not HTTP.
    Broken(String),
    /// The answer is larger than this many bytes.
    TooLarge(usize),
    /// The answer is a redirect, or another status that no endpoint here has a reason for.
    Status {
        /// The status.
        status: u16,
        /// `Retry-After` as the server wrote it: seconds or a date (RFC 9110, section 10.2.3).
        retry_after: Option<String>,
    },
    /// The request could not be made.
    Request(String),
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HttpError::Timeout => f.write_str("no answer in time"),
            HttpError::Connect(what) => write!(f, "no connection: {what}"),
            HttpError::Broken(what) => write!(f, "the connection broke: {what}"),
            HttpError::TooLarge(limit) => write!(f, "the answer is larger than {limit} bytes"),
            HttpError::Status {
                status: status @ 300..=399,
                ..
            } => write!(f, "answered {status}; redirects are not followed"),
            HttpError::Status { status, .. } => write!(f, "answered {status}"),
            HttpError::Request(what) => write!(f, "the request cannot be made: {what}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl HttpError {
    /// In a word, for metrics and spans.
    fn name(&self) -> &'static str {
        match self {
            HttpError::Timeout => "timeout",
            HttpError::Connect(_) => "no_connection",
            HttpError::Broken(_) => "broken_connection",
            HttpError::TooLarge(_) => "too_large",
            HttpError::Status { .. } => "error_status",
            HttpError::Request(_) => "unsendable",
        }
    }
}

/// An answer of status 200, 201 or 4xx; every other status is an [`HttpError`].
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`, in lower case; empty where there is none.
    pub content_type: String,
    /// The body, whole.
    pub body: Bytes,
    /// `DPoP-Nonce`: what the next DPoP proof is to hold (RFC 9449 section 8).
    pub dpop_nonce: Option<String>,
    /// `Cache-Control`, line by line.
    pub cache_control: Vec<Vec<u8>>,
    /// `Retry-After` as the server wrote it: seconds or a date (RFC 9110, section 10.2.3).
    pub retry_after: Option<String>,
}

impl Answer {
    /// How long it may be kept, in seconds; `u64::MAX` without a word on it.
    pub fn lifetime(&self) -> u64 {
        cache_control::lifetime(self.cache_control.iter().map(Vec::as_slice))
    }

    /// Whether `Content-Type` is this media type, whatever its parameters.
    pub fn is(&self, media_type: &str) -> bool {
        self.content_type
            .split(';')
            .next()
            .is_some_and(|essence| essence.trim() == media_type)
    }
}

/// A worker's connections. Cheap to clone; not `Send`, as little in actix is.
#[derive(Clone)]
pub struct HttpClient {
    client: awc::Client,
    request_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl HttpClient {
    /// A client without connections.
    pub fn new(settings: &AuthorizationServer, tls: &Arc<rustls::ClientConfig>, metrics: &Arc<Metrics>) -> HttpClient {
        let tcp = actix_tls::connect::Connector::new(Resolver::custom(SystemThenLoopback)).service();
        let connector = Connector::new()
            .connector(tcp)
            .rustls_0_23(Arc::clone(tls))
            .timeout(settings.connect_timeout())
            .handshake_timeout(settings.connect_timeout())
            .limit(settings.max_connections)
            .conn_keep_alive(Duration::from_secs(settings.idle_connection_seconds));
        let client = awc::Client::builder()
            .connector(connector)
            .disable_redirects()
            .disable_timeout()
            .no_default_headers();
        HttpClient {
            client: client.finish(),
            request_timeout: settings.request_timeout(),
            metrics: Arc::clone(metrics),
        }
    }

    /// GET, with these further headers. As nothing is changed by it, it is tried once more when the
    /// connection broke: a server may close an idle connection at the very moment that we use it.
    pub async fn get(
        &self,
        endpoint: ServerEndpoint,
        url: &str,
        headers: &[(&str, &str)],
        limit: usize,
    ) -> Result<Answer, HttpError> {
        let trace = TraceContext::to_server(endpoint, &Method::GET);
        let attempt = || {
            let mut request = self.client.get(url).insert_header((ACCEPT, "application/json"));
            for header in headers {
                request = request.insert_header(*header);
            }
            exchange(traced(request, trace.as_ref()), Bytes::new(), limit)
        };
        let exchange = async {
            match attempt().await {
                Err(HttpError::Broken(_)) => attempt().await,
                other => other,
            }
        };
        self.watched(endpoint, trace.as_ref(), exchange).await
    }

    /// Sends a request in the form of the `oauth2` crate. Never tried twice: a code is good for one use, and so is a refresh token
    /// that rotates.
    pub async fn send(&self, endpoint: ServerEndpoint, request: oauth2::HttpRequest) -> Result<Answer, HttpError> {
        let trace = TraceContext::to_server(endpoint, &Method::POST);
        let (request, body) = self.convert(request)?;
        let exchange = exchange(traced(request, trace.as_ref()), body, MAX_ANSWER_BYTES);
        self.watched(endpoint, trace.as_ref(), exchange).await
    }

    /// As [`HttpClient::send`], to somewhere that is no endpoint of the authorization server.
    pub async fn send_untraced(&self, request: oauth2::HttpRequest) -> Result<Answer, HttpError> {
        let (request, body) = self.convert(request)?;
        self.in_time(exchange(request, body, MAX_ANSWER_BYTES)).await
    }

    fn convert(&self, request: oauth2::HttpRequest) -> Result<(ClientRequest, Bytes), HttpError> {
        let (head, body) = request.into_parts();
        // The two sides use different major versions of the `http` crate.
        let method = head.method.as_str().parse();
        let method = method.map_err(|_| HttpError::Request("its method is not one".to_owned()))?;
        let mut converted = self.client.request(method, head.uri.to_string());
        for (name, value) in &head.headers {
            converted = converted.insert_header((name.as_str(), value.as_bytes()));
        }
        Ok((converted, Bytes::from(body)))
    }

    /// Bounds, counts and times a request, and ends its span.
    async fn watched(
        &self,
        endpoint: ServerEndpoint,
        trace: Option<&TraceContext>,
        exchange: impl Future<Output = Result<Answer, HttpError>>,
    ) -> Result<Answer, HttpError> {
        let began = Instant::now();
        let outcome = self.in_time(exchange).await;
        let (status, error) = match &outcome {
            Ok(answer) if answer.status < 400 => (answer.status, None),
            Ok(answer) => (answer.status, Some("rejected")),
            Err(error @ HttpError::Status { status, .. }) => (*status, Some(error.name())),
            Err(error) => (0, Some(error.name())),
        };
        self.metrics
            .asked_server(endpoint, error.unwrap_or("ok"), began.elapsed());
        if let Some(trace) = trace {
            trace.server_answered(status, error);
        }
        outcome
    }

    async fn in_time(&self, exchange: impl Future<Output = Result<Answer, HttpError>>) -> Result<Answer, HttpError> {
        tokio::time::timeout(self.request_timeout, exchange)
            .await
            .unwrap_or(Err(HttpError::Timeout))
    }
}

/// The request, with what says which trace it belongs to.
fn traced(request: ClientRequest, trace: Option<&TraceContext>) -> ClientRequest {
    let headers = trace.map(TraceContext::headers).unwrap_or_default();
    headers.into_iter().fold(request, ClientRequest::insert_header)
}

/// One request and its answer.
async fn exchange(request: ClientRequest, body: Bytes, limit: usize) -> Result<Answer, HttpError> {
    let request = request
        .insert_header((USER_AGENT, env!("CARGO_PKG_NAME")))
        .no_decompress();
    let mut response = request.send_body(body).await.map_err(send_error)?;
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).map(str::to_owned);
    if !matches!(status, StatusCode::OK | StatusCode::CREATED) && !status.is_client_error() {
        return Err(HttpError::Status {
            status: status.as_u16(),
            retry_after,
        });
    }
    let dpop_nonce = response
        .headers()
        .get("dpop-nonce")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let cache_control = response.headers().get_all(CACHE_CONTROL);
    let cache_control: Vec<Vec<u8>> = cache_control.map(|line| line.as_bytes().to_vec()).collect();
    let content_type = header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let announced: Option<usize> = header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let body = response.body().limit(limit).await.map_err(|error| match error {
        PayloadError::Overflow => HttpError::TooLarge(limit),
        error => HttpError::Broken(error.to_string()),
    })?;
    // awc takes the end of the connection for the end of the body. Without an announced length a cut body goes
    // unnoticed here, but no cut JSON object is JSON.
    if announced.is_some_and(|length| length != body.len()) {
        return Err(HttpError::Broken("the answer was cut".to_owned()));
    }
    let status = status.as_u16();
    Ok(Answer {
        status,
        content_type,
        body,
        dpop_nonce,
        cache_control,
        retry_after,
    })
}

fn send_error(error: SendRequestError) -> HttpError {
    match error {
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => HttpError::Timeout,
        // There was a connection, and it ended before the answer.
        SendRequestError::Connect(ConnectError::Disconnected) => HttpError::Broken("no answer".to_owned()),
        SendRequestError::Connect(error) => HttpError::Connect(error.to_string()),
        SendRequestError::Url(error) => HttpError::Request(error.to_string()),
        SendRequestError::Http(error) => HttpError::Request(error.to_string()),
        error => HttpError::Broken(error.to_string()),
    }
}
