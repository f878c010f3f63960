//! The token exchange request (RFC 8693, section 2.1).

use crate::gateway::authorization_server::{Parameters, ServerRequest, Step};
use crate::gateway::config::{ACCESS_TOKEN, PhantomToken, TokenExchange};
use crate::request::trace_context::TraceHeader;

/// Creates the request that exchanges a token. It propagates the trace context of the request on whose behalf it is
/// made: `trace` has the headers.
pub fn request(
    stage: &PhantomToken,
    exchange: &TokenExchange,
    token: &[u8],
    trace: impl IntoIterator<Item = TraceHeader>,
) -> ServerRequest {
    let mut parameters = Parameters::new();
    parameters.add("grant_type", b"urn:ietf:params:oauth:grant-type:token-exchange");
    parameters.add("subject_token", token);
    parameters.add("subject_token_type", ACCESS_TOKEN.as_bytes());
    if let Some(urn) = exchange.requested_token_type.urn() {
        parameters.add("requested_token_type", urn.as_bytes());
    }
    if let Some(audience) = &exchange.audience {
        parameters.add("audience", audience.as_bytes());
    }
    if let Some(resource) = &exchange.resource {
        parameters.add("resource", resource.as_bytes());
    }
    if !exchange.scopes.is_empty() {
        parameters.add("scope", exchange.scopes.join(" ").as_bytes());
    }
    let endpoint = (Step::Exchange, &exchange.endpoint);
    ServerRequest::post(stage, endpoint, "application/json", parameters, trace)
}
