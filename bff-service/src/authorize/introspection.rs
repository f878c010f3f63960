//! Introspection (RFC 7662) over the connections of the service, as the filter does it through Envoy.

use std::time::Duration;

use bff_core::gateway::config::PhantomToken;
use bff_core::gateway::introspection::{
    FORWARDED_PROTO, IntrospectionRequest, IntrospectionResponse, MAX_RESPONSE_BYTES,
};

use crate::oauth::http::{HttpClient, HttpError};
use crate::telemetry::server_endpoint::ServerEndpoint;

/// Sends the introspection request that the filter sends through Envoy.
pub async fn introspect(
    http: &HttpClient,
    stage: &PhantomToken,
    request: IntrospectionRequest,
) -> IntrospectionResponse {
    let url = format!("{}://{}{}", stage.scheme, stage.authority, stage.path);
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
        Ok(made) => http.send(ServerEndpoint::Introspection, made).await,
        Err(error) => Err(HttpError::Request(error.to_string())),
    };
    let exchange = async {
        match attempt().await {
            // A connection may break at any moment, and a repeated introspection has no side effect.
            Err(HttpError::Broken(_)) => attempt().await,
            other => other,
        }
    };
    let status = |status| IntrospectionResponse::Http {
        status,
        content_type: Vec::new(),
        cache_control: Vec::new(),
        body: Some(Vec::new()),
    };
    let limit = Duration::from_millis(stage.timeout_ms);
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(response)) => IntrospectionResponse::Http {
            status: response.status,
            content_type: response.content_type.into_bytes(),
            cache_control: response.cache_control,
            body: (response.body.len() <= MAX_RESPONSE_BYTES).then(|| response.body.to_vec()),
        },
        Ok(Err(HttpError::Status { status: code, .. })) => status(code),
        // Envoy's response to the filter after a timeout.
        Err(_) | Ok(Err(HttpError::Timeout { .. })) => status(504),
        Ok(Err(_)) => IntrospectionResponse::Failed,
    }
}
