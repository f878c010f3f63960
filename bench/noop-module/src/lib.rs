//! A native module that forwards every request unchanged. Envoy requires all of these functions.
#![allow(unsafe_code, reason = "functions that Envoy finds by their names")]

use std::ffi::{CStr, c_char, c_void};

/// The version of the ABI, as `bff_module` has it.
const ABI_VERSION: &CStr = c"v0.1.0";

/// Bytes of Envoy.
#[repr(C)]
struct Buffer(*const c_void, usize);

/// Envoy refuses a null pointer for a configuration or a request.
const fn something() -> *const c_void {
    ABI_VERSION.as_ptr().cast()
}

macro_rules! hooks {
    ($($name:ident($($type:ty),*) $(-> $result:ty = $value:expr)?;)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name($(_: $type),*) $(-> $result)? { $($value)? })*
    };
}

type Pointer = *const c_void;

// The statuses are 0: continue.
hooks! {
    envoy_dynamic_module_on_program_init() -> *const c_char = ABI_VERSION.as_ptr();
    envoy_dynamic_module_on_http_filter_config_new(Pointer, Buffer, Buffer) -> Pointer = something();
    envoy_dynamic_module_on_http_filter_config_destroy(Pointer);
    envoy_dynamic_module_on_http_filter_config_scheduled(Pointer, Pointer, u64);
    envoy_dynamic_module_on_http_filter_config_http_callout_done(
        Pointer, Pointer, u64, u32, Pointer, usize, Pointer, usize
    );
    envoy_dynamic_module_on_http_filter_new(Pointer, Pointer) -> Pointer = something();
    envoy_dynamic_module_on_http_filter_destroy(Pointer);
    envoy_dynamic_module_on_http_filter_request_headers(Pointer, Pointer, bool) -> u32 = 0;
    envoy_dynamic_module_on_http_filter_request_body(Pointer, Pointer, bool) -> u32 = 0;
    envoy_dynamic_module_on_http_filter_request_trailers(Pointer, Pointer) -> u32 = 0;
    envoy_dynamic_module_on_http_filter_response_headers(Pointer, Pointer, bool) -> u32 = 0;
    envoy_dynamic_module_on_http_filter_response_body(Pointer, Pointer, bool) -> u32 = 0;
    envoy_dynamic_module_on_http_filter_response_trailers(Pointer, Pointer) -> u32 = 0;
    envoy_dynamic_module_on_http_filter_stream_complete(Pointer, Pointer);
    envoy_dynamic_module_on_http_filter_scheduled(Pointer, Pointer, u64);
    envoy_dynamic_module_on_http_filter_http_callout_done(
        Pointer, Pointer, u64, u32, Pointer, usize, Pointer, usize
    );
    envoy_dynamic_module_on_http_filter_http_stream_headers(Pointer, Pointer, u64, Pointer, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(Pointer, Pointer, u64, Pointer, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(Pointer, Pointer, u64, Pointer, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(Pointer, Pointer, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Pointer, Pointer, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(Pointer, Pointer);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(Pointer, Pointer);
}
