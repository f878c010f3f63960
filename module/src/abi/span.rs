//! Spans below that of a request.

use super::callbacks::{self, Buffer, SpanPtr};
use super::host::FilterHook;
use crate::envoy::Span;

/// A span of the module. It is dropped, and so finished, on its own thread and before its request ends: the request has it.
struct ChildSpan(SpanPtr);

impl FilterHook {
    /// Begins a child span of the request's span; `None` if Envoy does not trace the request.
    pub(super) fn child_span(&self, name: &str) -> Option<Box<dyn Span>> {
        // SAFETY: the pointer is that of a hook.
        let parent = unsafe { callbacks::active_span(self.ptr()) };
        if parent.is_null() {
            return None;
        }
        // SAFETY: as above; the parent lives as long as the request, and the name is copied.
        let child = unsafe { callbacks::spawn_child_span(self.ptr(), parent, Buffer::of(name.as_bytes())) };
        (!child.is_null()).then(|| Box::new(ChildSpan(child)) as Box<dyn Span>)
    }
}

impl ChildSpan {
    fn id_of(&self, get: unsafe extern "C" fn(SpanPtr, *mut Buffer<'_>) -> bool) -> Option<String> {
        let mut id = Buffer::EMPTY;
        // SAFETY: the span has not been finished, and the id has a place.
        let is_known = unsafe { get(self.0, &raw mut id) };
        // SAFETY: if Envoy has filled it, it lives until the next such call on this thread; otherwise it is empty.
        let id = std::str::from_utf8(unsafe { id.bytes() }).ok();
        id.filter(|id| is_known && !id.is_empty()).map(str::to_owned)
    }
}

impl Span for ChildSpan {
    fn set_tag(&self, name: &str, value: &str) {
        // SAFETY: the span has not been finished; name and value are copied.
        unsafe { callbacks::set_span_tag(self.0, Buffer::of(name.as_bytes()), Buffer::of(value.as_bytes())) };
    }

    fn trace_id(&self) -> Option<String> {
        self.id_of(callbacks::span_trace_id)
    }

    fn id(&self) -> Option<String> {
        self.id_of(callbacks::span_id)
    }
}

impl Drop for ChildSpan {
    fn drop(&mut self) {
        // SAFETY: once, and nobody has the pointer afterwards.
        unsafe { callbacks::finish_child_span(self.0) };
    }
}
