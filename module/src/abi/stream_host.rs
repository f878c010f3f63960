//! Envoy in a hook of a request: headers, replies and attributes.

use bff_core::encoding::hex;
use bff_core::gateway::attributes::RequestAttributes;
use bff_core::gateway::header_mutations::HeaderMutations;
use bff_core::request::cache_control;
use bff_shell::local_reply::{LocalReply, grpc_status, is_grpc};

use super::callbacks::{
    self, Buffer, FilterPtr, HeaderType, LOCAL_RESET, PEER_CERTIFICATE_DIGEST, ROUTE_METADATA, ROUTE_NAME,
};
use super::host::{FilterHook, with_lines};
use crate::envoy::{EnvoyStream, SecretId, Span};

const CACHE_CONTROL: &str = "cache-control";

impl RequestAttributes for FilterHook {
    fn peer_certificate(&self) -> Option<[u8; 32]> {
        hex::decode(std::str::from_utf8(self.attribute(PEER_CERTIFICATE_DIGEST)).ok()?)
    }

    fn route_metadata(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        let mut value = Buffer::EMPTY;
        let (namespace, key) = (Buffer::of(namespace.as_bytes()), Buffer::of(name.as_bytes()));
        // SAFETY: the pointer is that of a hook, and the value has a place.
        if unsafe { callbacks::metadata_string(self.ptr(), ROUTE_METADATA, namespace, key, &raw mut value) } {
            // SAFETY: Envoy has filled it, and it lives until the hook returns.
            return Some(unsafe { value.bytes() }.to_vec());
        }
        // A value that is not a string. A zero byte is no valid requirement, so the gateway refuses the request.
        has_metadata(self.ptr(), namespace, name).then(|| vec![0])
    }
}

/// Whether the route has metadata under this name, of whatever type.
fn has_metadata(filter: FilterPtr, namespace: Buffer<'_>, name: &str) -> bool {
    // SAFETY: the pointer is that of a hook.
    let count = unsafe { callbacks::metadata_keys_count(filter, ROUTE_METADATA, namespace) };
    let mut keys = vec![Buffer::EMPTY; count];
    if count == 0 {
        return false;
    }
    // SAFETY: as above, and Envoy fills as many keys as it has just counted.
    let is_filled = unsafe { callbacks::metadata_keys(filter, ROUTE_METADATA, namespace, keys.as_mut_ptr()) };
    // SAFETY: Envoy has filled them, and they live until the hook returns. Otherwise they are empty.
    is_filled && keys.iter().any(|key| unsafe { key.bytes() } == name.as_bytes())
}

impl FilterHook {
    /// Returns an attribute, which lives until the hook returns; empty if it is not known.
    fn attribute(&self, number: u32) -> &[u8] {
        let mut value = Buffer::EMPTY;
        // SAFETY: the pointer is that of a hook, and the value has a place.
        let is_known = unsafe { callbacks::attribute_string(self.ptr(), number, &raw mut value) };
        // SAFETY: if Envoy has filled it, it lives until the hook returns; otherwise it is empty.
        let value = unsafe { value.bytes() };
        if is_known { value } else { &[] }
    }

    /// Returns the values of a header.
    fn values(&self, kind: HeaderType, name: &str) -> Vec<&[u8]> {
        let (mut values, mut count) = (Vec::new(), 0);
        loop {
            let mut value = Buffer::EMPTY;
            // SAFETY: the pointer is that of a hook, and value and count have a place.
            let is_there = unsafe {
                callbacks::header(
                    self.ptr(),
                    kind,
                    Buffer::of(name.as_bytes()),
                    &raw mut value,
                    values.len(),
                    &raw mut count,
                )
            };
            if !is_there {
                return values;
            }
            // SAFETY: Envoy has filled it, and the callers read it before they change a header.
            values.push(unsafe { value.bytes() });
        }
    }
}

impl EnvoyStream for FilterHook {
    fn route_name(&self) -> &[u8] {
        self.attribute(ROUTE_NAME)
    }

    fn begin_span(&self, name: &str) -> Option<Box<dyn Span>> {
        self.child_span(name)
    }

    fn mutate_request_headers(&self, mutations: &HeaderMutations) {
        let set = |name: &str, value: Buffer<'_>| {
            let name = Buffer::of(name.as_bytes());
            // SAFETY: the pointer is that of a hook, and name and value are copied.
            unsafe { callbacks::set_header(self.ptr(), HeaderType::Request, name, value) };
        };
        for name in &mutations.remove {
            set(name, Buffer::EMPTY);
        }
        for (name, value) in mutations.headers_to_set() {
            set(name, Buffer::of(value));
        }
        // A route may be selected by a header that the filter sets, such as a claim. For proxy-wasm, Envoy does this
        // itself.
        // SAFETY: the pointer is that of a hook.
        unsafe { callbacks::clear_route_cache(self.ptr()) };
    }

    fn secret(&self, id: SecretId) -> &[u8] {
        let Some(get) = callbacks::get_secret() else { return &[] };
        let mut value = Buffer::EMPTY;
        // SAFETY: the pointer is that of a hook, and the value has a place.
        let is_known = unsafe { get(self.ptr(), id.0, &raw mut value) };
        // SAFETY: if Envoy has filled it, it lives until the hook returns. Otherwise it is empty.
        let value = unsafe { value.bytes() };
        if is_known { value } else { &[] }
    }

    fn resume(&self) {
        // SAFETY: the pointer is that of a hook, the request was paused, and the hook ends with this call.
        unsafe { callbacks::continue_decoding(self.ptr()) };
    }

    fn reset(&self) {
        let details = Buffer::of(b"bff:stream_ended");
        // SAFETY: the pointer is that of a hook, the details are copied, and the hook ends with this call.
        unsafe { callbacks::reset_stream(self.ptr(), LOCAL_RESET, details) };
    }

    fn reply(&self, reply: &LocalReply<'_>) {
        let mut headers = reply.headers.clone();
        let content_type = self.values(HeaderType::Request, "content-type");
        // Without this header, Envoy would say that a gRPC call has succeeded.
        let grpc = is_grpc(&content_type).then(|| grpc_status(reply.status));
        headers.extend(grpc.map(|status| ("grpc-status", status)));
        with_lines(&headers, |lines, count| {
            let (body, details) = (Buffer::of(reply.body.as_bytes()), Buffer::of(reply.details.as_bytes()));
            // SAFETY: the pointer is that of a hook, everything else is copied, and the hook ends with this call.
            unsafe { callbacks::send_response(self.ptr(), u32::from(reply.status), lines, count, body, details) };
        });
    }

    fn add_private(&self) {
        let lines = self.values(HeaderType::Response, CACHE_CONTROL);
        if cache_control::is_for_anybody(lines) {
            let (name, value) = (Buffer::of(CACHE_CONTROL.as_bytes()), Buffer::of(b"private"));
            // SAFETY: the pointer is that of a hook, and name and value are copied.
            unsafe { callbacks::add_header(self.ptr(), HeaderType::Response, name, value) };
        }
    }
}
