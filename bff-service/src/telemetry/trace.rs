//! Distributed tracing: propagation of W3C Trace Context, and spans for OpenTelemetry.
//!
//! The service propagates the `traceparent` of a request to the authorization server, whether or not it exports spans. It
//! creates and exports spans only with a configured exporter (see `server::otlp`): one for each request that it receives,
//! except those to the admin listener other than `/authorize` and `/end-sessions`, and a child span for each request to the
//! authorization server that it causes. The beginning of a trace decides whether it is recorded: by default, the service
//! respects the flag of the incoming `traceparent`.
//!
//! A span contains only names, methods, statuses and the request id: no query, no other header, no body.

use std::sync::OnceLock;

use actix_web::http::header::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use super::server_endpoint::ServerEndpoint;
use bff_core::request::trace_context::MAX_TRACESTATE_BYTES;
use bff_core::request::values::Values;

/// Set if spans are exported.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Creates spans with this tracer from now on. `false`: a tracer is already installed.
pub fn install(tracer: SdkTracer) -> bool {
    TRACER.set(tracer).is_ok()
}

/// The current span of a trace. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TraceContext(Context);

impl TraceContext {
    /// The span of a new request. `None`: the request has no trace context, and the service creates no spans.
    pub fn of_request(headers: &HeaderMap) -> Option<TraceContext> {
        let parent = headers
            .contains_key("traceparent")
            .then(|| TraceContextPropagator::new().extract_with_context(&Context::new(), &Incoming(headers)))
            .filter(Context::has_active_span);
        let Some(tracer) = TRACER.get() else {
            return parent.map(TraceContext);
        };
        let parent = parent.unwrap_or_default();
        let span = tracer.span_builder("request").with_kind(SpanKind::Server);
        Some(TraceContext(parent.with_span(span.start_with_context(tracer, &parent))))
    }

    /// A child span for a request to the authorization server.
    pub fn to_server(self, endpoint: ServerEndpoint, method: &'static str) -> TraceContext {
        let Some(tracer) = TRACER.get() else {
            return self;
        };
        let TraceContext(parent) = self;
        let span = tracer
            .span_builder(format!("{method} {}", endpoint.name()))
            .with_kind(SpanKind::Client)
            .with_attributes([KeyValue::new("http.request.method", method)]);
        TraceContext(parent.with_span(span.start_with_context(tracer, &parent)))
    }

    /// The trace id as in logs: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// The headers that propagate the trace context.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Outgoing(Vec::with_capacity(2));
        TraceContextPropagator::new().inject_context(&self.0, &mut headers);
        headers.0
    }

    /// Ends the span of a request. `route` is the path as in the configuration, and `error` is the error code. Does
    /// nothing without a tracer.
    pub(super) fn end_request(
        &self,
        method: &str,
        route: impl FnOnce() -> String,
        request_id: &str,
        status: u16,
        error: Option<&'static str>,
    ) {
        if TRACER.get().is_none() {
            return;
        }
        let span = self.0.span();
        let route = route();
        span.update_name(format!("{method} {route}"));
        span.set_attributes([
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route),
            KeyValue::new("bff.request_id", request_id.to_owned()),
        ]);
        self.end(status, error);
    }

    /// Ends the span of a request to the authorization server: with the status, or 0 without a response, and the error.
    pub fn end_server_request(&self, status: u16, error: Option<&'static str>) {
        if TRACER.get().is_some() {
            self.end(status, error);
        }
    }

    fn end(&self, status: u16, error: Option<&'static str>) {
        let span = self.0.span();
        if status != 0 {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error));
        }
        // HTTP 4xx is not an error of the server.
        if status == 0 || status >= 500 {
            span.set_status(Status::error(error.unwrap_or_default()));
        }
        span.end();
    }
}

/// The headers of a request. Repeated `traceparent` lines are ignored (W3C Trace Context, section 3.2).
struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let one = Values::of(self.0.get_all(key)).single()?.to_str().ok()?;
        (key != "tracestate" || one.len() <= MAX_TRACESTATE_BYTES).then_some(one)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

struct Outgoing(Vec<(&'static str, String)>);

impl Injector for Outgoing {
    fn set(&mut self, key: &str, value: String) {
        let name = match key {
            "traceparent" => "traceparent",
            "tracestate" if !value.is_empty() => "tracestate",
            _ => return,
        };
        self.0.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(lines: &[(&'static str, &str)]) -> Option<Vec<(&'static str, String)>> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of_request(&headers).map(|context| context.headers())
    }

    #[test]
    fn a_place_in_a_trace_is_handed_on_as_it_came() {
        let state = "vendor=abc,other=1";
        assert_eq!(
            of(&[("traceparent", TRACEPARENT), ("tracestate", state)]),
            Some(vec![
                ("traceparent", TRACEPARENT.to_owned()),
                ("tracestate", state.to_owned())
            ])
        );
        let unsampled = TRACEPARENT.replace("-01", "-00");
        assert_eq!(
            of(&[("traceparent", &unsampled)]),
            Some(vec![("traceparent", unsampled.clone())])
        );
    }

    #[test]
    fn what_is_no_place_in_a_trace_is_not_handed_on() {
        for invalid in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(of(&[("traceparent", invalid)]), None, "{invalid}");
        }
        assert_eq!(of(&[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]), None);
        assert_eq!(of(&[("tracestate", "vendor=abc")]), None);
    }

    #[test]
    fn a_tracestate_that_is_too_long_is_left_out() {
        let long = format!("vendor={}", "a".repeat(600));
        assert_eq!(
            of(&[("traceparent", TRACEPARENT), ("tracestate", &long)]),
            Some(vec![("traceparent", TRACEPARENT.to_owned())])
        );
    }
}
