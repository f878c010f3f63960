//! The hooks of the module, by the names that Envoy looks up.

use std::ffi::{c_char, c_void};

use super::super::callbacks::{Buffer, ConfigPtr, FilterPtr, Header};

macro_rules! hooks {
    ($($name:ident = $symbol:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        unsafe extern "C" {
            $(#[link_name = concat!("envoy_dynamic_module_on_", stringify!($symbol))]
            pub(super) fn $name($($argument: $type),*) $(-> $result)?;)*
        }
    };
}

hooks! {
    program_init = program_init() -> *const c_char;
    config_new = http_filter_config_new(config: ConfigPtr, name: Buffer<'_>, text: Buffer<'_>) -> *const c_void;
    config_destroy = http_filter_config_destroy(module: *const c_void);
    config_scheduled = http_filter_config_scheduled(config: ConfigPtr, module: *const c_void, event: u64);
    config_callout_done = http_filter_config_http_callout_done(
        config: ConfigPtr, module: *const c_void, number: u64, result: u32,
        headers: *const Header<'_>, headers_count: usize, chunks: *const Buffer<'_>, chunks_count: usize
    );
    filter_new = http_filter_new(module: *const c_void, filter: FilterPtr) -> *const c_void;
    request_headers = http_filter_request_headers(filter: FilterPtr, module: *const c_void, end: bool) -> u32;
    request_body = http_filter_request_body(filter: FilterPtr, module: *const c_void, end: bool) -> u32;
    request_trailers = http_filter_request_trailers(filter: FilterPtr, module: *const c_void) -> u32;
    response_headers = http_filter_response_headers(filter: FilterPtr, module: *const c_void, end: bool) -> u32;
    response_body = http_filter_response_body(filter: FilterPtr, module: *const c_void, end: bool) -> u32;
    response_trailers = http_filter_response_trailers(filter: FilterPtr, module: *const c_void) -> u32;
    stream_complete = http_filter_stream_complete(filter: FilterPtr, module: *const c_void);
    destroy = http_filter_destroy(module: *const c_void);
    callout_done = http_filter_http_callout_done(
        filter: FilterPtr, module: *const c_void, number: u64, result: u32,
        headers: *const Header<'_>, headers_count: usize, chunks: *const Buffer<'_>, chunks_count: usize
    );
    scheduled = http_filter_scheduled(filter: FilterPtr, module: *const c_void, event: u64);
}
