//! The introspection request (RFC 7662, section 2.1).

use crate::gateway::authorization_server::{Parameters, ServerRequest, Step};
use crate::gateway::config::{Endpoint, PhantomToken, ResponseFormat};
use crate::request::trace_context::TraceHeader;

/// Creates the introspection request for a token. It propagates the trace context of the request on whose behalf it is
/// made: `trace` has the headers.
pub fn request(
    stage: &PhantomToken,
    endpoint: &Endpoint,
    token: &[u8],
    trace: impl IntoIterator<Item = TraceHeader>,
) -> ServerRequest {
    let mut parameters = Parameters::new();
    parameters.add("token_type_hint", b"access_token");
    parameters.add("token", token);
    let accept = match stage.response {
        // No second media type: Keycloak compares the whole header. Servers without this form respond with JSON
        // anyway.
        ResponseFormat::Jwt => "application/jwt",
        ResponseFormat::Claims(_) => "application/json",
        ResponseFormat::Rfc9701 { .. } => "application/token-introspection+jwt",
    };
    ServerRequest::post(stage, (Step::Introspection, endpoint), accept, parameters, trace)
}
