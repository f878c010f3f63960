//! Envoy's functions, as its header declares them, and the types that cross the boundary.
//!
//! A buffer of ours is read before the function returns. Unless the function says otherwise, a buffer of Envoy's lives until
//! the hook returns, or until what it is part of is changed. A function that takes the pointer to a filter is called on that
//! filter's worker thread, inside a hook that got this pointer.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Envoy's filter, which is one request.
pub(super) type FilterPtr = *mut c_void;
/// Envoy's configuration of a filter.
pub(super) type ConfigPtr = *mut c_void;
/// A scheduler, which the module deletes.
pub(super) type SchedulerPtr = *mut c_void;
/// A span: that of a request, or one of the module, which finishes it.
pub(super) type SpanPtr = *mut c_void;

/// Bytes, of Envoy or of this module. The pointer may be null if there are none.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Buffer<'a> {
    ptr: *const u8,
    len: usize,
    lives: PhantomData<&'a [u8]>,
}

impl<'a> Buffer<'a> {
    pub(super) const EMPTY: Buffer<'static> = Buffer {
        ptr: std::ptr::null(),
        len: 0,
        lives: PhantomData,
    };

    pub(super) const fn of(bytes: &'a [u8]) -> Buffer<'a> {
        Buffer {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
            lives: PhantomData,
        }
    }

    /// Returns the bytes.
    ///
    /// # Safety
    /// The buffer is of this module, or Envoy has filled it and its bytes still live.
    pub(super) const unsafe fn bytes(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: the pointer is to as many bytes, by the contract of this function.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// A line of a head.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) name: Buffer<'a>,
    pub(super) value: Buffer<'a>,
}

/// `envoy_dynamic_module_type_http_header_type`.
#[repr(u32)]
#[derive(Clone, Copy)]
pub(super) enum HeaderType {
    Request = 0,
    Response = 2,
}

/// `envoy_dynamic_module_type_metadata_source_Route`.
pub(super) const ROUTE_METADATA: u32 = 1;
/// `envoy_dynamic_module_type_attribute_id_ConnectionSha256PeerCertificateDigest`.
pub(super) const PEER_CERTIFICATE_DIGEST: u32 = 38;
/// `envoy_dynamic_module_type_attribute_id_XdsRouteName`.
pub(super) const ROUTE_NAME: u32 = 61;
/// `envoy_dynamic_module_type_http_callout_init_result_Success`, `…_http_callout_result_Success` and
/// `…_metrics_result_Success`.
pub(super) const SUCCESS: u32 = 0;

/// `envoy_dynamic_module_type_http_filter_stream_reset_reason_LocalReset`.
pub(super) const LOCAL_RESET: u32 = 0;

/// `envoy_dynamic_module_type_log_level`.
#[repr(u32)]
#[derive(Clone, Copy)]
pub(super) enum LogLevel {
    Debug = 1,
    Warn = 3,
    Error = 4,
}

/// Defines a metric of a configuration: name, label names, and the place for its number. Only while Envoy creates the
/// configuration.
pub(super) type DefineMetric = unsafe extern "C" fn(ConfigPtr, Buffer<'_>, *const Buffer<'_>, usize, *mut usize) -> u32;

/// Changes a metric: number, label values, value. Metrics without labels have no label values, and numbers of their
/// own.
pub(super) type ChangeMetric = unsafe extern "C" fn(*mut c_void, usize, *const Buffer<'_>, usize, u64) -> u32;

/// Subscribes a configuration to a generic secret, while Envoy creates the configuration: name, and a `ConfigSource` as JSON.
/// Returns its number; 0 for an error. In Envoy 1.40 and later only.
pub(super) type SubscribeSecret = unsafe extern "C" fn(ConfigPtr, Buffer<'_>, Buffer<'_>) -> usize;
/// Returns the newest value of a generic secret, which is empty if none has arrived yet. In Envoy 1.40 and later only.
pub(super) type GetSecret = unsafe extern "C" fn(FilterPtr, usize, *mut Buffer<'_>) -> bool;

unsafe extern "C" {
    /// The symbol of this name in this process, or null. For callbacks that older releases of Envoy do not have: if the
    /// library named them, it could not be loaded there.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Returns a function of Envoy, if this Envoy has it.
///
/// # Safety
/// Envoy's function of this name has the type `F`, which is that of a function.
unsafe fn find<F>(name: &CStr) -> Option<F> {
    // SAFETY: a null handle is the default search order, and the name ends with a zero byte.
    let symbol = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    // SAFETY: the contract of this function. A pointer to a function is as large as one to data.
    (!symbol.is_null()).then(|| unsafe { std::mem::transmute_copy(&symbol) })
}

/// Returns [`SubscribeSecret`], if this Envoy has it.
pub(super) fn subscribe_secret() -> Option<SubscribeSecret> {
    // SAFETY: Envoy's function of this name has this type.
    unsafe { find(c"envoy_dynamic_module_callback_http_filter_config_generic_secret_subscribe") }
}

/// Returns [`GetSecret`], if this Envoy has it.
pub(super) fn get_secret() -> Option<GetSecret> {
    static FOUND: OnceLock<Option<GetSecret>> = OnceLock::new();
    // SAFETY: as above.
    *FOUND.get_or_init(|| unsafe { find(c"envoy_dynamic_module_callback_http_filter_get_generic_secret") })
}

/// Sends a request to a cluster: the place for the callout's number, cluster, headers, body, and time limit in milliseconds.
pub(super) type HttpCallout =
    unsafe extern "C" fn(*mut c_void, *mut u64, Buffer<'_>, *const Header<'_>, usize, Buffer<'_>, u64) -> u32;

/// Schedules an event of this number. From any thread.
pub(super) type CommitScheduler = unsafe extern "C" fn(SchedulerPtr, u64);
/// Deletes a scheduler. From any thread.
pub(super) type DeleteScheduler = unsafe extern "C" fn(SchedulerPtr);

macro_rules! callbacks {
    ($($(#[$about:meta])* $name:ident = $envoy:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        unsafe extern "C" {
            $($(#[$about])*
            #[link_name = concat!("envoy_dynamic_module_callback_", stringify!($envoy))]
            pub(super) fn $name($($argument: $type),*) $(-> $result)?;)*
        }
    };
}

callbacks! {
    /// Writes a line to the log `dynamic_modules`. From any thread.
    log = log(level: LogLevel, message: Buffer<'_>);
    /// Whether lines of this level are written. From any thread.
    log_enabled = log_enabled(level: LogLevel) -> bool;
    /// The number of worker threads. On the main thread.
    concurrency = get_concurrency() -> u32;
    /// Whether Envoy only validates its configuration. On the main thread.
    is_validation_mode = is_validation_mode() -> bool;

    /// The number of lines of a head; 0 if there is no such head.
    headers_size = http_get_headers_size(filter: FilterPtr, kind: HeaderType) -> usize;
    /// Fills as many lines.
    headers = http_get_headers(filter: FilterPtr, kind: HeaderType, lines: *mut Header<'_>) -> bool;
    /// The `index`th value of a name, and the number of its values. `false`: there is none.
    header = http_get_header(
        filter: FilterPtr, kind: HeaderType, name: Buffer<'_>, value: *mut Buffer<'_>, index: usize, count: *mut usize
    ) -> bool;
    /// Replaces all values of a name. An empty value removes the name.
    set_header = http_set_header(filter: FilterPtr, kind: HeaderType, name: Buffer<'_>, value: Buffer<'_>) -> bool;
    /// Adds a value.
    add_header = http_add_header(filter: FilterPtr, kind: HeaderType, name: Buffer<'_>, value: Buffer<'_>) -> bool;

    /// Sends a local reply. In a hook of the request's head, Envoy sends it after the hook. Otherwise Envoy sends it at
    /// once, and the filter may be destroyed inside the call.
    send_response = http_send_response(
        filter: FilterPtr, status: u32, headers: *const Header<'_>, count: usize, body: Buffer<'_>, details: Buffer<'_>
    );
    /// Resumes a paused request. The filter may be destroyed inside the call.
    continue_decoding = http_filter_continue_decoding(filter: FilterPtr);
    /// Resets a stream, for a reason and with details for the access log. The filter may be destroyed inside the call.
    reset_stream = http_filter_reset_stream(filter: FilterPtr, reason: u32, details: Buffer<'_>);

    /// A string attribute. `false`, or empty: it is not known.
    attribute_string = http_filter_get_attribute_string(
        filter: FilterPtr, attribute: u32, value: *mut Buffer<'_>
    ) -> bool;
    /// A string in the metadata of the route. `false`: there is none, or it has another type.
    metadata_string = http_get_metadata_string(
        filter: FilterPtr, source: u32, namespace: Buffer<'_>, key: Buffer<'_>, value: *mut Buffer<'_>
    ) -> bool;
    /// The number of keys in a namespace of the metadata.
    metadata_keys_count = http_get_metadata_keys_count(
        filter: FilterPtr, source: u32, namespace: Buffer<'_>
    ) -> usize;
    /// Fills as many keys.
    metadata_keys = http_get_metadata_keys(
        filter: FilterPtr, source: u32, namespace: Buffer<'_>, keys: *mut Buffer<'_>
    ) -> bool;
    /// Makes Envoy select the route again, by the request's headers as they are then.
    clear_route_cache = http_clear_route_cache(filter: FilterPtr);
    /// The span of the request; null if Envoy does not trace it.
    active_span = http_get_active_span(filter: FilterPtr) -> SpanPtr;
    /// Begins a child span of a span. It must be finished once, on this thread, before the request is destroyed.
    spawn_child_span = http_span_spawn_child(filter: FilterPtr, parent: SpanPtr, name: Buffer<'_>) -> SpanPtr;
    /// Sets a tag of a span.
    set_span_tag = http_span_set_tag(span: SpanPtr, name: Buffer<'_>, value: Buffer<'_>);
    /// The trace id of a span, which lives until the next such call on this thread. `false`, or empty: it is not known.
    span_trace_id = http_span_get_trace_id(span: SpanPtr, id: *mut Buffer<'_>) -> bool;
    /// The id of a span, as above.
    span_id = http_span_get_span_id(span: SpanPtr, id: *mut Buffer<'_>) -> bool;
    /// Finishes and deletes a span that [`spawn_child_span`] has begun.
    finish_child_span = http_child_span_finish(span: SpanPtr);

    /// Envoy's number of this worker thread.
    worker_index = http_filter_get_worker_index(filter: FilterPtr) -> u32;

    /// Sends a request to a cluster on behalf of a request, with a time limit in milliseconds. If the result is not 0, there
    /// is no response.
    http_callout = http_filter_http_callout(
        filter: FilterPtr, number: *mut u64, cluster: Buffer<'_>, headers: *const Header<'_>, count: usize,
        body: Buffer<'_>, timeout_ms: u64
    ) -> u32;
    /// The same on behalf of a configuration, on the main thread.
    config_http_callout = http_filter_config_http_callout(
        config: ConfigPtr, number: *mut u64, cluster: Buffer<'_>, headers: *const Header<'_>, count: usize,
        body: Buffer<'_>, timeout_ms: u64
    ) -> u32;

    /// Creates what wakes a request.
    scheduler_new = http_filter_scheduler_new(filter: FilterPtr) -> SchedulerPtr;
    /// Schedules an event. From any thread.
    scheduler_commit = http_filter_scheduler_commit(scheduler: SchedulerPtr, event: u64);
    /// Deletes a scheduler. From any thread.
    scheduler_delete = http_filter_scheduler_delete(scheduler: SchedulerPtr);
    /// Creates what wakes a configuration.
    config_scheduler_new = http_filter_config_scheduler_new(config: ConfigPtr) -> SchedulerPtr;
    /// Schedules an event. From any thread.
    config_scheduler_commit = http_filter_config_scheduler_commit(scheduler: SchedulerPtr, event: u64);
    /// Deletes a scheduler. From any thread.
    config_scheduler_delete = http_filter_config_scheduler_delete(scheduler: SchedulerPtr);

    /// See [`DefineMetric`].
    define_counter = http_filter_config_define_counter(
        config: ConfigPtr, name: Buffer<'_>, labels: *const Buffer<'_>, count: usize, number: *mut usize
    ) -> u32;
    /// See [`DefineMetric`].
    define_gauge = http_filter_config_define_gauge(
        config: ConfigPtr, name: Buffer<'_>, labels: *const Buffer<'_>, count: usize, number: *mut usize
    ) -> u32;
    /// See [`DefineMetric`].
    define_histogram = http_filter_config_define_histogram(
        config: ConfigPtr, name: Buffer<'_>, labels: *const Buffer<'_>, count: usize, number: *mut usize
    ) -> u32;
    /// See [`ChangeMetric`].
    increment_counter = http_filter_increment_counter(
        filter: FilterPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    increment_gauge = http_filter_increment_gauge(
        filter: FilterPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    decrement_gauge = http_filter_decrement_gauge(
        filter: FilterPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    record_histogram = http_filter_record_histogram_value(
        filter: FilterPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    config_increment_counter = http_filter_config_increment_counter(
        config: ConfigPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    config_increment_gauge = http_filter_config_increment_gauge(
        config: ConfigPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    config_decrement_gauge = http_filter_config_decrement_gauge(
        config: ConfigPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
    /// See [`ChangeMetric`].
    config_record_histogram = http_filter_config_record_histogram_value(
        config: ConfigPtr, number: usize, labels: *const Buffer<'_>, count: usize, value: u64
    ) -> u32;
}
