//! The steps of the token stage, introspection and token exchange, over the connections of the service, as the filter makes
//! them through Envoy.

use std::time::Duration;

use bff_core::gateway::authorization_server::{
    FORWARDED_PROTO, MAX_RESPONSE_BYTES, ServerRequest, ServerResponse, Step,
};
use bff_core::gateway::config::{Endpoint, PhantomToken};

use crate::oauth::http::{HttpClient, HttpError};
use crate::telemetry::server_endpoint::ServerEndpoint;

/// Sends the request that the filter sends through Envoy.
pub async fn call_out(http: &HttpClient, stage: &PhantomToken, request: ServerRequest) -> ServerResponse {
    let (endpoint, url) = match request.step {
        Step::Introspection => (
            ServerEndpoint::Introspection,
            stage.steps.introspection().map(Endpoint::url),
        ),
        Step::Exchange => (
            ServerEndpoint::TokenExchange,
            stage.steps.exchange().map(|exchange| exchange.endpoint.url()),
        ),
    };
    let Some(url) = url else {
        return ServerResponse::Failed;
    };
    let make = || {
        // The connection uses the scheme of the URL, so no forwarded scheme is needed.
        let is_sent = |name: &str| !name.starts_with(':') && name != FORWARDED_PROTO;
        let headers = request.headers.iter().filter(|(name, _)| is_sent(name));
        let made = headers.fold(oauth2::http::Request::post(&url), |made, (name, value)| {
            made.header(*name, value.as_str())
        });
        made.body(request.body.to_vec())
    };
    let attempt = async || match make() {
        Ok(made) => http.send(endpoint, made).await,
        Err(error) => Err(HttpError::Request(error.to_string())),
    };
    let exchange = async {
        match attempt().await {
            // A connection may break at any moment. Neither step uses up the token.
            Err(HttpError::Broken(_)) => attempt().await,
            other => other,
        }
    };
    let status = |status| ServerResponse::Http {
        status,
        content_type: Vec::new(),
        cache_control: Vec::new(),
        body: Some(Vec::new()),
    };
    let limit = Duration::from_millis(stage.timeout_ms);
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(response)) => ServerResponse::Http {
            status: response.status,
            content_type: response.content_type.into_bytes(),
            cache_control: response.cache_control,
            body: (response.body.len() <= MAX_RESPONSE_BYTES).then(|| response.body.to_vec()),
        },
        Ok(Err(HttpError::Status { status: code, .. })) => status(code),
        // Envoy's response to the filter after a timeout.
        Err(_) | Ok(Err(HttpError::Timeout { .. })) => status(504),
        Ok(Err(_)) => ServerResponse::Failed,
    }
}
