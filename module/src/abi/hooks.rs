//! The functions that Envoy calls.
//!
//! A configuration is an [`Arc`] that Envoy holds, and destroys after its last request. A request is an [`Rc`]
//! that Envoy holds, on one thread: Envoy 1.39 destroys a request inside the call that ends it, so each hook holds a
//! reference of its own until it returns.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use bff_core::gateway::authorization_server::{MAX_RESPONSE_BYTES, ServerResponse};
use bff_core::request::head::RequestHead;
use bff_shell::host::Level;

use super::callbacks::{Buffer, ConfigPtr, FilterPtr, Header, SUCCESS};
use super::host::{ConfigHook, FilterHook};
use crate::configuration::Configuration;
use crate::envoy::Envoy;
use crate::stream::{HeadStatus, Stream};

/// The version of the ABI: that of Envoy 1.39, with which 1.40 works too, since it only adds functions.
const ABI_VERSION: &CStr = c"v0.1.0";

/// `envoy_dynamic_module_type_on_http_filter_request_headers_status`, and that of the response.
const CONTINUE: u32 = 0;
const STOP_ITERATION: u32 = 1;
const STOP_ALL_ITERATION_AND_WATERMARK: u32 = 4;
/// `envoy_dynamic_module_type_on_http_filter_request_body_status`.
const STOP_ITERATION_NO_BUFFER: u32 = 3;

const PANICKED: &str = "internal error: the filter panicked";

/// Runs a hook. After a panic, returns `None`: it must not cross into Envoy.
fn catch<T>(hook: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(hook)).ok()
}

/// Returns the configuration that Envoy holds, with a reference of its own.
///
/// # Safety
/// Envoy has the pointer from `config_new`, and has not destroyed the configuration.
unsafe fn configuration(pointer: *const c_void) -> Arc<Configuration> {
    let pointer = pointer.cast::<Configuration>();
    // SAFETY: it is from `Arc::into_raw`, and Envoy holds one reference.
    unsafe {
        Arc::increment_strong_count(pointer);
        Arc::from_raw(pointer)
    }
}

/// Returns the request that Envoy holds, with a reference of its own; `None` for a null pointer, which Envoy 1.39
/// passes if it got one.
///
/// # Safety
/// Envoy has the pointer from `filter_new`, has not destroyed the request, and calls on its thread.
unsafe fn stream(pointer: *const c_void) -> Option<Rc<Stream>> {
    let pointer = pointer.cast::<Stream>();
    if pointer.is_null() {
        return None;
    }
    // SAFETY: it is from `Rc::into_raw`, on the same thread, and Envoy holds one reference.
    unsafe {
        Rc::increment_strong_count(pointer);
        Some(Rc::from_raw(pointer))
    }
}

/// Runs a hook of a request. After a panic, the request is answered with an error.
///
/// # Safety
/// Envoy has passed both pointers to a hook of this request.
unsafe fn in_stream(filter: FilterPtr, module: *const c_void, hook: impl FnOnce(&FilterHook, &Stream) -> u32) -> u32 {
    // SAFETY: the contract of this function, and the value does not outlive the hook.
    let envoy = unsafe { FilterHook::new(filter) };
    // SAFETY: as above.
    let Some(stream) = (unsafe { stream(module) }) else {
        return STOP_ITERATION;
    };
    catch(|| hook(&envoy, &stream)).unwrap_or_else(|| {
        catch(|| stream.fail(&envoy, PANICKED));
        STOP_ITERATION
    })
}

const fn status(status: HeadStatus) -> u32 {
    match status {
        HeadStatus::Continue => CONTINUE,
        HeadStatus::Stop => STOP_ITERATION,
        HeadStatus::Pause => STOP_ALL_ITERATION_AND_WATERMARK,
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const std::ffi::c_char {
    ABI_VERSION.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: ConfigPtr,
    _name: Buffer<'_>,
    json: Buffer<'_>,
) -> *const c_void {
    // SAFETY: Envoy has passed the pointer, and the value does not outlive the hook.
    let envoy = unsafe { ConfigHook::new(config) };
    // SAFETY: Envoy has filled the buffer, and it lives until the hook returns.
    let json = unsafe { json.bytes() };
    let made = catch(|| Configuration::new(json, ConfigHook::mode(), &envoy));
    match made.unwrap_or_else(|| Err(PANICKED.to_owned())) {
        Ok(configuration) => Arc::into_raw(Arc::new(configuration)).cast(),
        Err(error) => {
            envoy.log(Level::Error, format_args!("bff: {error}"));
            std::ptr::null()
        }
    }
}

/// Envoy may call this hook on any thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(module: *const c_void) {
    // SAFETY: the pointer is from `config_new`, and Envoy gives its reference back once.
    catch(|| drop(unsafe { Arc::from_raw(module.cast::<Configuration>()) }));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    config: ConfigPtr,
    module: *const c_void,
    _event: u64,
) {
    // SAFETY: Envoy has passed both pointers to a hook of this configuration.
    let (envoy, configuration) = unsafe { (ConfigHook::new(config), configuration(module)) };
    catch(|| configuration.on_tick(&envoy));
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
    _config: ConfigPtr,
    module: *const c_void,
    _number: u64,
    result: u32,
    headers: *const Header<'_>,
    headers_count: usize,
    chunks: *const Buffer<'_>,
    chunks_count: usize,
) {
    // SAFETY: Envoy has passed the pointer to a hook of this configuration.
    let configuration = unsafe { configuration(module) };
    catch(|| {
        // SAFETY: Envoy has filled both arrays, and they live until the hook returns.
        let (head, body) = unsafe { (response_head(headers, headers_count), join_chunks(chunks, chunks_count)) };
        let response = (result == SUCCESS).then(|| (http_status(&head), body.as_slice()));
        configuration.on_ended_sessions(response);
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    module: *const c_void,
    filter: FilterPtr,
) -> *const c_void {
    // SAFETY: Envoy has passed the pointer to this hook.
    let envoy = unsafe { FilterHook::new(filter) };
    let made = catch(|| {
        // Without a reference of its own, for which all workers would write to one counter.
        // SAFETY: the pointer is from `config_new`, and Envoy holds the configuration in this hook.
        let configuration = unsafe { module.cast::<Configuration>().as_ref() }?;
        let thread = configuration.thread(envoy.worker_index())?;
        Some(Rc::new(Stream::new(Arc::clone(thread))))
    });
    made.flatten()
        .map_or(std::ptr::null(), |stream| Rc::into_raw(stream).cast())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(module: *const c_void) {
    let pointer = module.cast::<Stream>();
    if !pointer.is_null() {
        // SAFETY: the pointer is from `filter_new`, on the same thread, and Envoy gives its reference back once.
        catch(|| drop(unsafe { Rc::from_raw(pointer) }));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    filter: FilterPtr,
    module: *const c_void,
    _end_of_stream: bool,
) -> u32 {
    // SAFETY: Envoy has passed both pointers, and the worker drops the head before it changes headers.
    unsafe {
        in_stream(filter, module, |envoy, stream| {
            status(stream.on_request(envoy, envoy.request_head()))
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    filter: FilterPtr,
    module: *const c_void,
    _end_of_stream: bool,
) -> u32 {
    let hook = |_: &FilterHook, stream: &Stream| match stream.may_continue() {
        true => CONTINUE,
        false => STOP_ITERATION_NO_BUFFER,
    };
    // SAFETY: Envoy has passed both pointers.
    unsafe { in_stream(filter, module, hook) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    filter: FilterPtr,
    module: *const c_void,
) -> u32 {
    let hook = |_: &FilterHook, stream: &Stream| match stream.may_continue() {
        true => CONTINUE,
        false => STOP_ITERATION,
    };
    // SAFETY: Envoy has passed both pointers.
    unsafe { in_stream(filter, module, hook) }
}

/// Not called for local replies of this filter.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    filter: FilterPtr,
    module: *const c_void,
    _end_of_stream: bool,
) -> u32 {
    // SAFETY: Envoy has passed both pointers.
    unsafe { in_stream(filter, module, |envoy, stream| status(stream.on_response(envoy))) }
}

/// The last hook of a request before it is destroyed.
#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(_filter: FilterPtr, module: *const c_void) {
    // SAFETY: Envoy has passed the pointer to a hook of this request.
    let Some(stream) = (unsafe { stream(module) }) else {
        return;
    };
    // Nothing can be answered any more.
    catch(|| stream.on_complete());
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(
    filter: FilterPtr,
    module: *const c_void,
    number: u64,
    result: u32,
    headers: *const Header<'_>,
    headers_count: usize,
    chunks: *const Buffer<'_>,
    chunks_count: usize,
) {
    let hook = |envoy: &FilterHook, stream: &Stream| {
        // SAFETY: Envoy has filled both arrays, and they live until the hook returns.
        let (head, body) = unsafe { (response_head(headers, headers_count), join_chunks(chunks, chunks_count)) };
        let response = match result {
            SUCCESS => ServerResponse::Http {
                status: http_status(&head),
                content_type: head.all("content-type").next().unwrap_or_default().to_vec(),
                cache_control: head.all("cache-control").map(<[u8]>::to_vec).collect(),
                body: (body.len() <= MAX_RESPONSE_BYTES).then_some(body),
            },
            _ => ServerResponse::Failed,
        };
        stream.on_callout(envoy, number, &response);
        CONTINUE
    };
    // SAFETY: Envoy has passed both pointers.
    unsafe { in_stream(filter, module, hook) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    filter: FilterPtr,
    module: *const c_void,
    _event: u64,
) {
    let hook = |envoy: &FilterHook, stream: &Stream| {
        stream.on_woken(envoy);
        CONTINUE
    };
    // SAFETY: Envoy has passed both pointers.
    unsafe { in_stream(filter, module, hook) };
}

/// # Safety
/// Envoy has filled the array, which may be null if it is empty, and it lives as long as the head.
unsafe fn response_head<'a>(headers: *const Header<'a>, count: usize) -> RequestHead<'a> {
    // SAFETY: the contract of this function.
    let lines = unsafe { array(headers, count) };
    // SAFETY: as above.
    RequestHead::new(
        lines
            .iter()
            .map(|line| unsafe { (line.name.bytes(), line.value.bytes()) }),
    )
}

/// # Safety
/// Envoy has filled the array, which may be null if it is empty.
unsafe fn join_chunks(chunks: *const Buffer<'_>, count: usize) -> Vec<u8> {
    // SAFETY: the contract of this function.
    let chunks = unsafe { array(chunks, count) };
    // SAFETY: as above.
    chunks
        .iter()
        .flat_map(|chunk| unsafe { chunk.bytes() })
        .copied()
        .collect()
}

/// # Safety
/// Envoy has filled the array, which may be null if it is empty, and it lives as long as the slice.
const unsafe fn array<'a, T>(pointer: *const T, count: usize) -> &'a [T] {
    if pointer.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the contract of this function.
    unsafe { std::slice::from_raw_parts(pointer, count) }
}

/// Returns the HTTP status; 0 if there is none.
fn http_status(head: &RequestHead<'_>) -> u16 {
    let status = std::str::from_utf8(head.all(":status").next().unwrap_or_default());
    status.ok().and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Hooks that Envoy requires, and that do nothing here.
macro_rules! unused {
    ($($name:ident($($type:ty),*) $(-> $result:ty = $value:expr)?;)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name(_: FilterPtr, _: *const c_void $(, _: $type)*) $(-> $result)? { $($value)? })*
    };
}

unused! {
    envoy_dynamic_module_on_http_filter_response_body(bool) -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_response_trailers() -> u32 = CONTINUE;
    envoy_dynamic_module_on_http_filter_http_stream_headers(u64, *const Header<'_>, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(u64, *const Buffer<'_>, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(u64, *const Header<'_>, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark();
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark();
}
