//! Distributed tracing: W3C Trace Context from request to request, and spans for OpenTelemetry.
//!
//! A request that comes with a `traceparent` hands it on to the authorization server, whether or not spans are exported
//! from here. Spans are made and exported only where an exporter is configured (see `server::otlp`); then each request of
//! the API has one, and each request to the authorization server on its behalf has one below it. Whether a trace is
//! recorded is decided where it begins: the flag of the incoming `traceparent` is obeyed.
//!
//! No span holds more than its names, methods and statuses: no query, no header, no body.

use std::sync::OnceLock;

use actix_web::http::header::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use super::server_endpoint::ServerEndpoint;
use bff_core::request::values::Values;

/// A longer `tracestate` is not handed on (Trace Context, section 3.3.1.5 asks for at least this many bytes).
const MAX_TRACESTATE_BYTES: usize = 512;

/// Set where spans are exported.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// From now on spans are made, by this tracer. `false`: there is one already.
pub fn install(tracer: SdkTracer) -> bool {
    TRACER.set(tracer).is_ok()
}

/// A place in a trace: the span that work belongs to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TraceContext(Context);

impl TraceContext {
    /// The place of a request that has just come. `None`: it brought none, and none is made here.
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

    /// The place below this one of a request to the authorization server.
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

    /// The trace's id, as logs have it: 32 hex digits.
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// The headers that hand this place on.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Outgoing(Vec::with_capacity(2));
        TraceContextPropagator::new().inject_context(&self.0, &mut headers);
        headers.0
    }

    /// The request with this id was answered. `route` is its path as the configuration has it; `error` the code of a
    /// refusal. Nothing is done where no span is made.
    pub(super) fn answered(
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

    /// The authorization server has answered with this status, or has not (0) for this reason.
    pub fn server_answered(&self, status: u16, error: Option<&'static str>) {
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
        // What a client did wrong is no fault of the service.
        if status == 0 || status >= 500 {
            span.set_status(Status::error(error.unwrap_or_default()));
        }
        span.end();
    }
}

/// The headers of a request. Several lines of `traceparent` are none (Trace Context, section 3.2).
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
        for wrong in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(of(&[("traceparent", wrong)]), None, "{wrong}");
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
