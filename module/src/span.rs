//! The span of an introspection, below that of the request.

use bff_core::gateway::introspection::IntrospectionResponse;
use bff_shell::host::CalloutRequest;

use crate::envoy::{EnvoyStream, Span};

const TRACEPARENT: &str = "traceparent";

/// Sends an introspection on behalf of a request, in a span below that of the request if Envoy traces it. Returns what `send`
/// returns, and the span while the introspection is in progress.
pub(crate) fn call_out(
    envoy: &impl EnvoyStream,
    request: &CalloutRequest<'_>,
    send: impl FnOnce(&CalloutRequest<'_>) -> Option<u64>,
) -> (Option<u64>, Option<Box<dyn Span>>) {
    let Some(span) = envoy.begin_span("introspection") else {
        return (send(request), None);
    };
    span.set_tag("upstream_cluster", request.cluster);
    let of_request = request.headers.iter().find(|(name, _)| *name == TRACEPARENT);
    let of_span = of_request.and_then(|(_, value)| traceparent(value, &*span));
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| match (*name == TRACEPARENT, &of_span) {
            (true, Some(of_span)) => (*name, of_span.as_str()),
            (true, None) | (false, _) => (*name, *value),
        })
        .collect();
    let number = send(&CalloutRequest {
        headers: &headers,
        ..*request
    });
    match number {
        Some(_) => (number, Some(span)),
        None => {
            note(&*span, &IntrospectionResponse::Failed);
            (None, None)
        }
    }
}

/// Returns the `traceparent` of an introspection: that of the request, with the introspection's span as the parent. `None`:
/// they are not of one trace, as when Envoy's tracer does not write its ids as W3C Trace Context does.
fn traceparent(of_request: &str, span: &dyn Span) -> Option<String> {
    let (version, rest) = of_request.split_once('-')?;
    let (trace, rest) = rest.split_once('-')?;
    let (parent, flags) = rest.split_once('-')?;
    let id = span.id()?;
    let is_formed = id.len() == parent.len() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_formed && span.trace_id()? == trace).then(|| format!("{version}-{trace}-{id}-{flags}"))
}

/// Notes the response to an introspection.
pub(crate) fn note(span: &dyn Span, response: &IntrospectionResponse) {
    match response {
        IntrospectionResponse::Http { status, .. } => {
            span.set_tag("http.response.status_code", &status.to_string());
            if *status != 200 {
                span.set_tag("error", "true");
            }
        }
        IntrospectionResponse::Failed => span.set_tag("error", "true"),
    }
}
