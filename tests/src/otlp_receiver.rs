//! A collector: receives spans by OTLP over HTTP, as Envoy and the service send them, and stores them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;

use crate::proxy;

/// A span. Ids are in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of the program that made it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace id.
    pub trace: String,
    /// The span id.
    pub id: String,
    /// The id of the parent span; empty if this span is the root.
    pub parent: String,
    /// Its attributes, only of types string and integer.
    pub attributes: Vec<(String, String)>,
}

impl Span {
    /// The value of an attribute; empty if it is absent.
    pub fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A running collector.
#[derive(Clone)]
pub struct OtlpReceiver {
    /// Its address.
    pub address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl OtlpReceiver {
    /// Starts it.
    pub fn start() -> Self {
        let bodies: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let received = Arc::clone(&bodies);
        let address = proxy::serve_many(move |incoming| {
            assert_eq!(incoming.path(), "/v1/traces");
            received.lock().expect("no test panicked here").push(incoming.content());
            // An empty response message: all spans were accepted.
            Some(proxy::ok("application/x-protobuf", b""))
        });
        Self { address, bodies }
    }

    /// The received bodies, unchanged.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().expect("no test panicked here").clone()
    }

    /// The received spans.
    pub fn spans(&self) -> Vec<Span> {
        self.bodies().iter().flat_map(|body| spans(body)).collect()
    }

    /// The received spans of one trace.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("decoding an export request of OTLP failed");
    let mut found = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(
            of_resource
                .resource
                .map(|resource| resource.attributes)
                .unwrap_or_default(),
        );
        let service = resource.iter().find(|(name, _)| name == "service.name");
        let service = service.map(|(_, value)| value.clone()).unwrap_or_default();
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        found.extend(spans.map(|span| Span {
            service: service.clone(),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            attributes: attributes(span.attributes),
        }));
    }
    found
}

fn attributes(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    let text = |value: Option<AnyValue>| match value?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    let pairs = attributes.into_iter();
    pairs.filter_map(|pair| Some((pair.key, text(pair.value)?))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
