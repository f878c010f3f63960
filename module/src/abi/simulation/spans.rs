//! Spans below those of requests.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, Weak};

use super::super::callbacks::{Buffer, FilterPtr, SpanPtr};
use super::filter::Filter;
use super::symbols::text;

/// The trace id of all requests that are traced.
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
/// The id of all spans of the module.
const SPAN_ID: &str = "00f067aa0ba902b7";

/// A span that the module has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FinishedSpan {
    /// Its name.
    pub(crate) name: String,
    /// Its tags, in the order in which they were set.
    pub(crate) tags: Vec<(String, String)>,
}

struct Span {
    request: Weak<Filter>,
    span: FinishedSpan,
}

// The pointers are those of hooks, or spans that the module has not finished.
symbols! {
    fn http_get_active_span(filter: FilterPtr) -> SpanPtr {
        // SAFETY: see above.
        let of = unsafe { Filter::at(filter) };
        let is_there = of.request.plan.is_traced && !of.state().is_detached;
        if is_there { filter } else { std::ptr::null_mut() }
    }

    fn http_span_spawn_child(filter: FilterPtr, parent: SpanPtr, name: Buffer<'_>) -> SpanPtr {
        assert_eq!(filter, parent, "a child of another span");
        // SAFETY: see above.
        let filter = unsafe { Filter::at(filter) };
        filter.config.process.counts.spans.fetch_add(1, Ordering::SeqCst);
        let span = FinishedSpan { name: text(name), tags: Vec::new() };
        Box::into_raw(Box::new(Span { request: filter.weak(), span })).cast()
    }

    fn http_span_set_tag(span: SpanPtr, name: Buffer<'_>, value: Buffer<'_>) {
        // SAFETY: see above.
        let Span { span, .. } = unsafe { &mut *span.cast::<Span>() };
        span.tags.push((text(name), text(value)));
    }

    fn http_span_get_trace_id(_span: SpanPtr, id: *mut Buffer<'_>) -> bool {
        // SAFETY: the module has a place for it.
        unsafe { id.write(Buffer::of(TRACE_ID.as_bytes())) };
        true
    }

    fn http_span_get_span_id(_span: SpanPtr, id: *mut Buffer<'_>) -> bool {
        // SAFETY: the module has a place for it.
        unsafe { id.write(Buffer::of(SPAN_ID.as_bytes())) };
        true
    }

    fn http_child_span_finish(span: SpanPtr) {
        // SAFETY: the module finishes it once.
        let Span { request, span } = *unsafe { Box::from_raw(span.cast::<Span>()) };
        let request = request.upgrade().expect("a span that outlives its request");
        assert!(!request.state().is_detached, "a span that outlives its parent");
        let process = &request.config.process;
        process.counts.spans.fetch_sub(1, Ordering::SeqCst);
        process.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}
