//! Requests to the authorization server: their connections, metrics and traces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http_client::{Client, Limits, Proxy, Sharing};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::request_context::RequestContext;
use crate::telemetry::server_endpoint::ServerEndpoint;
use crate::telemetry::trace::TraceContext;

pub use crate::http_client::{HttpError, ServerResponse};

/// Maximum length of a metadata document or JWKS, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Maximum length of any other response, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// A thread's connections. Cheap to clone, and not `Send`, like most of actix.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    request_timeout: Duration,
    metrics: Arc<Metrics>,
}

impl HttpClient {
    /// A client without connections.
    pub fn new(limits: &Limits, tls: &Arc<rustls::ClientConfig>, proxy: &Proxy, metrics: &Arc<Metrics>) -> HttpClient {
        HttpClient {
            client: Client::new(limits, tls, proxy),
            request_timeout: limits.request_timeout,
            metrics: Arc::clone(metrics),
        }
    }

    /// Sends a GET request with these additional headers. The body of the response must not exceed `limit` bytes. If the
    /// connection breaks, the request is repeated once: the authorization server may close an idle connection at any time,
    /// and GET has no side effects.
    ///
    /// # Errors
    /// See [`HttpError`]. A response with HTTP 4xx is not an error.
    pub async fn get(
        &self,
        endpoint: ServerEndpoint,
        url: &str,
        headers: &[(&str, &str)],
        limit: usize,
    ) -> Result<ServerResponse, HttpError> {
        let trace = RequestContext::current_trace().map(|trace| trace.to_server(endpoint, "GET"));
        let mut request = http::Request::get(url).header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Vec::new())
            .map_err(|error| HttpError::Request(error.to_string()))?;
        let request = add_trace(request, trace.as_ref());
        let attempt = || self.client.exchange(&request, sharing(endpoint), limit);
        let exchange = async {
            match attempt().await {
                Err(HttpError::Broken(_)) => attempt().await,
                other => other,
            }
        };
        self.observe(endpoint, trace.as_ref(), exchange).await
    }

    /// Sends a request of the `oauth2` crate. Never repeated: a code, and a rotating refresh token, can be used once.
    ///
    /// # Errors
    /// See [`HttpError`]. A response with HTTP 4xx is not an error.
    pub async fn send(
        &self,
        endpoint: ServerEndpoint,
        request: oauth2::HttpRequest,
    ) -> Result<ServerResponse, HttpError> {
        let trace = RequestContext::current_trace().map(|trace| trace.to_server(endpoint, "POST"));
        let request = add_trace(request, trace.as_ref());
        let exchange = self.client.exchange(&request, sharing(endpoint), MAX_RESPONSE_BYTES);
        self.observe(endpoint, trace.as_ref(), exchange).await
    }

    /// Limits, counts and times a request, and ends its span.
    async fn observe(
        &self,
        endpoint: ServerEndpoint,
        trace: Option<&TraceContext>,
        exchange: impl Future<Output = Result<ServerResponse, HttpError>>,
    ) -> Result<ServerResponse, HttpError> {
        let began = Instant::now();
        let result = tokio::time::timeout(self.request_timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(HttpError::request_timeout(self.request_timeout)));
        let (status, error) = match &result {
            Ok(response) if response.status < 400 => (response.status, None),
            Ok(response) => (response.status, Some("rejected")),
            Err(error @ HttpError::Status { status, .. }) => (*status, Some(error.name())),
            Err(error) => (0, Some(error.name())),
        };
        self.metrics
            .count_server_request(endpoint, error.unwrap_or("ok"), began.elapsed());
        if let Some(trace) = trace {
            trace.end_server_request(status, error);
        }
        result
    }
}

/// Requests for documents are not about a user, but all others are.
fn sharing(endpoint: ServerEndpoint) -> Sharing {
    match endpoint {
        ServerEndpoint::Metadata | ServerEndpoint::Jwks => Sharing::Shared,
        ServerEndpoint::Token
        | ServerEndpoint::Userinfo
        | ServerEndpoint::Revocation
        | ServerEndpoint::PushedAuthorizationRequest
        | ServerEndpoint::Introspection
        | ServerEndpoint::TokenExchange => Sharing::Own,
    }
}

/// Adds the trace context to the request.
fn add_trace(mut request: oauth2::HttpRequest, trace: Option<&TraceContext>) -> oauth2::HttpRequest {
    for (name, value) in trace.map(TraceContext::headers).unwrap_or_default() {
        if let Ok(value) = value.parse() {
            request.headers_mut().insert(name, value);
        }
    }
    request
}
