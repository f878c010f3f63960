//! The host calls of the filter, except reading the head of a request and the environment, and metrics. Header values that
//! the host returns are bytes. If the SDK would panic on a result of the host, the call is made only if the host cannot
//! return that result.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use bff_core::encoding::hex;
use bff_core::gateway::authorization_server::{MAX_RESPONSE_BYTES, ServerResponse};
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::request::cache_control;
use bff_core::request::head::RequestHead;
use bff_shell::host::{CalloutRequest, Level, SharedValue};
use bff_shell::local_reply::LocalReply;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType};

use crate::abi;

/// Returns the time since 1970. If the host has none, it is the latest time, at which everything has expired.
pub(crate) fn now() -> Duration {
    hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or(Duration::MAX)
}

/// Writes a line to Envoy's log.
pub(crate) fn log(level: Level, message: fmt::Arguments<'_>) {
    let level = match level {
        Level::Debug => LogLevel::Debug,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    let _ = hostcalls::log(level, &message.to_string());
}

/// Returns the plugin configuration.
pub(crate) fn plugin_configuration() -> Vec<u8> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Changes the head of the current request. Must be called before the request is resumed.
pub(crate) fn mutate_request_headers(mutations: &HeaderMutations) {
    for name in &mutations.remove {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, None);
    }
    for (name, value) in mutations.headers_to_set() {
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
            let bytes = abi::response_header_map().unwrap_or_default();
            let head = RequestHead::from_proxy_wasm(&bytes).unwrap_or_default();
            cache_control::is_for_anybody(head.all(NAME))
        }
        Ok(Some(_)) => false,
        Ok(None) | Err(_) => true,
    };
    // Lines of one name are one list (RFC 9110, section 5.3): another line overrides nothing that the API says.
    if is_for_anybody {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpResponseHeaders, NAME, b"private");
    }
}

/// Returns the SHA-256 hash of the client certificate of the current request's connection.
pub(crate) fn peer_certificate() -> Option<[u8; 32]> {
    let digest = abi::property(&["connection", "sha256_peer_certificate_digest"]).ok()??;
    hex::decode(std::str::from_utf8(&digest).ok()?)
}

/// Returns the metadata of the current request's route.
pub(crate) fn route_metadata(namespace: &str, name: &str) -> Option<Vec<u8>> {
    let path = ["xds", "route_metadata", "filter_metadata", namespace, name];
    // A value without bytes is not a string. A zero byte is no valid requirement, so the gateway refuses the request.
    abi::property(&path).unwrap_or_else(|_| Some(vec![0]))
}

/// Resumes the current request.
pub(crate) fn resume_request() {
    let _ = hostcalls::resume_http_request();
}

/// Answers the current request, or replaces its response.
pub(crate) fn reply(reply: &LocalReply<'_>) {
    let texts = || reply.headers.iter().flat_map(|(name, value)| [*name, *value]);
    let number = |number: usize| u32::try_from(number).unwrap_or(0).to_le_bytes();
    let mut serialized = number(reply.headers.len()).to_vec();
    for text in texts() {
        serialized.extend_from_slice(&number(text.len()));
    }
    for text in texts() {
        serialized.extend_from_slice(text.as_bytes());
        serialized.push(0);
    }
    let status = u32::from(reply.status);
    if let Err(status) = abi::send_local_response(status, &reply.details, reply.body, &serialized) {
        log(
            Level::Error,
            format_args!("bff: sending a local reply failed: proxy-wasm status {status}"),
        );
    }
}

/// Makes the following calls on behalf of another context. Returns `false` if that context has ended.
pub(crate) fn set_effective_context(context_id: u32) -> bool {
    hostcalls::set_effective_context(context_id).is_ok()
}

/// Resets the current request and its response.
pub(crate) fn reset() {
    let _ = hostcalls::reset_http_request();
}

/// Sends a request to a cluster. Returns the number of the callout; `None` if the cluster does not exist, has no healthy
/// host, or accepts no more requests.
pub(crate) fn call_out(request: &CalloutRequest<'_>) -> Option<u32> {
    let body = (!request.body.is_empty()).then_some(request.body);
    let headers = request.headers.to_vec();
    hostcalls::dispatch_http_call(request.cluster, headers, body, Vec::new(), request.timeout).ok()
}

/// Returns the status and the body of the response to the callout whose callback this is. If the callout failed, there are
/// no headers, and reading one would panic: the status is 0, and the body is `None`. The body is `None`, too, if it is longer
/// than `limit` bytes.
pub(crate) fn callout_response(num_headers: usize, body_size: usize, limit: usize) -> (u16, Option<Vec<u8>>) {
    if num_headers == 0 {
        return (0, None);
    }
    (status(&head(&callout_head())), body(body_size, limit))
}

/// Returns the same as [`callout_response`], with the headers that the token stage needs.
pub(crate) fn server_response(num_headers: usize, body_size: usize) -> ServerResponse {
    if num_headers == 0 {
        return ServerResponse::Failed;
    }
    let lines = callout_head();
    let head = head(&lines);
    ServerResponse::Http {
        status: status(&head),
        content_type: head.all("content-type").next().unwrap_or_default().to_vec(),
        cache_control: head.all("cache-control").map(<[u8]>::to_vec).collect(),
        body: body(body_size, MAX_RESPONSE_BYTES),
    }
}

type Lines = Vec<(String, Vec<u8>)>;

fn callout_head() -> Lines {
    hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default()
}

fn head(lines: &Lines) -> RequestHead<'_> {
    RequestHead::new(lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())))
}

/// Returns the HTTP status; 0 if there is none.
fn status(head: &RequestHead<'_>) -> u16 {
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

/// Sets the period of the root context's ticks. Zero stops them.
pub(crate) fn tick_every(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// Returns a value of the data that the VMs with this VM's `vm_id` share.
pub(crate) fn shared_value(name: &str) -> Option<SharedValue> {
    let (bytes, version) = hostcalls::get_shared_data(name).ok()?;
    let bytes = bytes?;
    Some(SharedValue { bytes, version })
}

/// Stores such a value, unless its version is no longer this one. Returns whether it did.
pub(crate) fn set_shared_value(name: &str, value: &[u8], version: Option<u32>) -> bool {
    hostcalls::set_shared_data(name, Some(value), version).is_ok()
}
