//! The span of a step of the token stage, below that of the request.

use bff_core::gateway::authorization_server::{ServerResponse, Step};
use bff_shell::host::CalloutRequest;

use crate::envoy::{EnvoyStream, Span};

const TRACEPARENT: &str = "traceparent";

/// Sends a step's request to the authorization server on behalf of a caller's request. If Envoy traces the caller's
/// request, the step has a child span of that of the caller's request. Returns what `send` returns, and the span while the
/// step is in progress.
pub(crate) fn call_out(
    envoy: &impl EnvoyStream,
    step: Step,
    request: &CalloutRequest<'_>,
    send: impl FnOnce(&CalloutRequest<'_>) -> Option<u64>,
) -> (Option<u64>, Option<Box<dyn Span>>) {
    let name = match step {
        Step::Introspection => "introspection",
        Step::Exchange => "token exchange",
    };
    let Some(span) = envoy.begin_span(name) else {
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
            note(&*span, &ServerResponse::Failed);
            (None, None)
        }
    }
}

/// Returns the `traceparent` of a step: that of the request, with the span of the step as the parent. `None`:
/// they are not of one trace, as when Envoy's tracer does not write its ids as W3C Trace Context does.
fn traceparent(of_request: &str, span: &dyn Span) -> Option<String> {
    let (version, rest) = of_request.split_once('-')?;
    let (trace, rest) = rest.split_once('-')?;
    let (parent, flags) = rest.split_once('-')?;
    let id = span.id()?;
    let is_formed = id.len() == parent.len() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_formed && span.trace_id()? == trace).then(|| format!("{version}-{trace}-{id}-{flags}"))
}

/// Notes the response of the authorization server in the tags of a span.
pub(crate) fn note(span: &dyn Span, response: &ServerResponse) {
    match response {
        ServerResponse::Http { status, .. } => {
            span.set_tag("http.response.status_code", &status.to_string());
            if *status != 200 {
                span.set_tag("error", "true");
            }
        }
        ServerResponse::Failed => span.set_tag("error", "true"),
    }
}
