//! Requests to the authorization server: which connection they take, and what is counted and traced of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http_client::{Client, Limits, Proxy, Sharing};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::request_context::RequestContext;
use crate::telemetry::server_endpoint::ServerEndpoint;
use crate::telemetry::trace::TraceContext;

pub use crate::http_client::{HttpError, ServerResponse};

/// Bound of a metadata document or key set, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Bound of any other answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A worker's connections. Cheap to clone; not `Send`, as little in actix is.
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

    /// GET, with these further headers. As nothing is changed by it, it is tried once more when the
    /// connection broke: a server may close an idle connection at the very moment that we use it.
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
        let request = traced(request, trace.as_ref());
        let attempt = || self.client.exchange(&request, sharing(endpoint), limit);
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
    pub async fn send(
        &self,
        endpoint: ServerEndpoint,
        request: oauth2::HttpRequest,
    ) -> Result<ServerResponse, HttpError> {
        let trace = RequestContext::current_trace().map(|trace| trace.to_server(endpoint, "POST"));
        let request = traced(request, trace.as_ref());
        let exchange = self.client.exchange(&request, sharing(endpoint), MAX_ANSWER_BYTES);
        self.watched(endpoint, trace.as_ref(), exchange).await
    }

    /// Bounds, counts and times a request, and ends its span.
    async fn watched(
        &self,
        endpoint: ServerEndpoint,
        trace: Option<&TraceContext>,
        exchange: impl Future<Output = Result<ServerResponse, HttpError>>,
    ) -> Result<ServerResponse, HttpError> {
        let began = Instant::now();
        let outcome = tokio::time::timeout(self.request_timeout, exchange)
            .await
            .unwrap_or(Err(HttpError::Timeout));
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
}

/// Documents are about no user; everything else is.
fn sharing(endpoint: ServerEndpoint) -> Sharing {
    match endpoint {
        ServerEndpoint::Metadata | ServerEndpoint::Jwks => Sharing::Shared,
        ServerEndpoint::Token
        | ServerEndpoint::Userinfo
        | ServerEndpoint::Revocation
        | ServerEndpoint::PushedAuthorizationRequest
        | ServerEndpoint::Introspection => Sharing::Own,
    }
}

/// The request, with what says which trace it belongs to.
fn traced(mut request: oauth2::HttpRequest, trace: Option<&TraceContext>) -> oauth2::HttpRequest {
    for (name, value) in trace.map(TraceContext::headers).unwrap_or_default() {
        if let Ok(value) = value.parse() {
            request.headers_mut().insert(name, value);
        }
    }
    request
}
