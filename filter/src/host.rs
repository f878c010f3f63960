//! All host calls of the filter except reading the environment and reporting metrics. Header values are bytes. If the
//! SDK would panic on a result of the host, the call is made only when the host cannot return that result.

use std::time::{Duration, UNIX_EPOCH};

use bff_core::encoding::hex;
use bff_core::gateway::attributes::RequestAttributes;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::gateway::introspection::{IntrospectionRequest, IntrospectionResponse, MAX_RESPONSE_BYTES};
use bff_core::request::cache_control;
use bff_core::request::head::RequestHead;
use http::HeaderValue;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType};

use crate::abi;

/// Returns the time since 1970.
pub(crate) fn now() -> Duration {
    hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default()
}

/// Writes a line to Envoy's log.
pub(crate) fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, message);
}

pub(crate) fn plugin_configuration() -> Vec<u8> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Returns the head of the current request; if the host does not provide it, an empty one, for which nothing is
/// forwarded. Must be called in the header phase.
pub(crate) fn request_head() -> RequestHead {
    abi::request_header_map()
        .and_then(RequestHead::from_proxy_wasm)
        .unwrap_or_default()
}

/// Changes the head of the current request. Must be called before the request is resumed.
pub(crate) fn mutate_request_headers(mutations: &HeaderMutations) {
    for name in &mutations.remove {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, None);
    }
    for (name, value) in mutations.set() {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value));
    }
}

/// Adds `Cache-Control: private` unless the API says who may cache the response, so that shared caches do not store it
/// for everybody. Must be called in the header phase of the response.
pub(crate) fn add_private() {
    const NAME: &str = "cache-control";
    let is_for_anybody = match abi::first_response_header(NAME) {
        Ok(Some(first)) if cache_control::is_for_anybody([first.as_slice()]) => {
            // Another line may say more. The whole head is read only now, since that costs more than everything else
            // for a response.
            let head = abi::response_header_map().and_then(RequestHead::from_proxy_wasm);
            cache_control::is_for_anybody(head.unwrap_or_default().all(NAME))
        }
        Ok(Some(_)) => false,
        Ok(None) | Err(_) => true,
    };
    // Lines of one name are one list (RFC 9110, section 5.3): another line overrides nothing that the API says.
    if is_for_anybody {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpResponseHeaders, NAME, b"private");
    }
}

/// Envoy's attributes of the current request.
pub(crate) struct Attributes;

impl RequestAttributes for Attributes {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        let digest = abi::property(&["connection", "sha256_peer_certificate_digest"]).ok()??;
        hex::decode(std::str::from_utf8(&digest).ok()?)
    }

    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        let path = ["xds", "route_metadata", "filter_metadata", namespace, name];
        // A value without bytes is not a string. A zero byte is no valid requirement, so the gateway closes the route.
        abi::property(&path).unwrap_or_else(|_| Some(vec![0]))
    }
}

pub(crate) fn resume_request() {
    let _ = hostcalls::resume_http_request();
}

/// Answers the current request. `details` are for the access log. Envoy does not check the headers of a local reply, so
/// invalid values are omitted.
pub(crate) fn reply(status: u16, details: &str, headers: &[(&str, &str)], body: &str) {
    let is_value = |value: &str| HeaderValue::from_str(value).is_ok();
    let headers: Vec<_> = headers.iter().filter(|(_, value)| is_value(value)).collect();
    let texts = || headers.iter().flat_map(|(name, value)| [name, value]);
    let number = |number: usize| u32::try_from(number).unwrap_or(0).to_le_bytes();
    let mut serialized = number(headers.len()).to_vec();
    for text in texts() {
        serialized.extend_from_slice(&number(text.len()));
    }
    for text in texts() {
        serialized.extend_from_slice(text.as_bytes());
        serialized.push(0);
    }
    let details = format!("bff:{}", details.replace(char::is_whitespace, "_"));
    if let Err(status) = abi::send_local_response(u32::from(status), &details, body, &serialized) {
        log(
            LogLevel::Error,
            &format!("bff: sending a local reply failed: proxy-wasm status {status}"),
        );
    }
}

/// Makes the following calls on behalf of another context. Returns `false` if that context has ended.
pub(crate) fn set_effective_context(context_id: u32) -> bool {
    hostcalls::set_effective_context(context_id).is_ok()
}

/// Sends a request to a cluster. Returns the number of the callout; `None` if the cluster does not exist or accepts no
/// more requests.
pub(crate) fn introspect(cluster: &str, request: &IntrospectionRequest, timeout: Duration) -> Option<u32> {
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    hostcalls::dispatch_http_call(cluster, headers, Some(&request.body), Vec::new(), timeout).ok()
}

/// Sends a GET request to a cluster. Returns the same as [`introspect`].
pub(crate) fn get(cluster: &str, path: &str, timeout: Duration) -> Option<u32> {
    let headers = vec![(":method", "GET"), (":path", path), (":authority", cluster)];
    hostcalls::dispatch_http_call(cluster, headers, None, Vec::new(), timeout).ok()
}

/// Returns the status and the body of the response to the callout whose callback this is. If the connection was reset,
/// there are no headers, and reading one would panic: the status is 0. The body is `None` if it is longer than `limit`
/// bytes.
pub(crate) fn callout_response(num_headers: usize, body_size: usize, limit: usize) -> (u16, Option<Vec<u8>>) {
    if num_headers == 0 {
        return (0, None);
    }
    let head = callout_head();
    (status(&head), body(body_size, limit))
}

/// Returns the same as [`callout_response`], with the headers that introspection needs.
pub(crate) fn introspection_response(num_headers: usize, body_size: usize) -> IntrospectionResponse {
    if num_headers == 0 {
        return IntrospectionResponse::Failed;
    }
    let head = callout_head();
    IntrospectionResponse::Http {
        status: status(&head),
        content_type: head.all("content-type").next().unwrap_or_default().to_vec(),
        cache_control: head.all("cache-control").map(<[u8]>::to_vec).collect(),
        body: body(body_size, MAX_RESPONSE_BYTES),
    }
}

fn callout_head() -> RequestHead {
    RequestHead::new(hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default())
}

/// Returns the HTTP status; 0 if there is none.
fn status(head: &RequestHead) -> u16 {
    let status = head.all(":status").next().unwrap_or_default();
    std::str::from_utf8(status)
        .ok()
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

fn body(body_size: usize, limit: usize) -> Option<Vec<u8>> {
    let read = || {
        hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body_size)
            .ok()
            .flatten()
            .unwrap_or_default()
    };
    (body_size <= limit).then(|| if body_size == 0 { Vec::new() } else { read() })
}

/// Sets the period of the root context's ticks; zero stops them.
pub(crate) fn tick_every(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}
