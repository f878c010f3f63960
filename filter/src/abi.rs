//! The host functions that are called without the SDK, and why.
#![allow(unsafe_code, reason = "imported functions that take and fill memory")]

/// What a host call comes to: nothing, or the host's number for the error.
pub(crate) type HostResult = Result<(), u32>;

/// The request's header map, as the host serialises it: [`bff_core::request::head::RequestHead::from_proxy_wasm`] reads it. The SDK would
/// copy each name and each value into an allocation of its own, and panic on a name that is not UTF-8.
pub(crate) fn request_header_map() -> Option<Vec<u8>> {
    const HTTP_REQUEST_HEADERS: u32 = 0;
    header_map(HTTP_REQUEST_HEADERS)
}

const HTTP_RESPONSE_HEADERS: u32 = 2;

/// The response's header map, likewise.
pub(crate) fn response_header_map() -> Option<Vec<u8>> {
    header_map(HTTP_RESPONSE_HEADERS)
}

fn header_map(map: u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0usize);
    // SAFETY: both pointers are to variables of the types that the host writes.
    let status = unsafe { imported::proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
    if status != OK || data.is_null() {
        return None;
    }
    // SAFETY: the host has filled `size` bytes that it got from `proxy_on_memory_allocate`, which the SDK defines as a
    // vector of that capacity, given away; the SDK takes such memory back in the same manner.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// What the host has under a path. `None`: nothing. An error: something that it has no bytes for, such as null. The SDK takes
/// that, and an empty text, for nothing.
pub(crate) fn property(path: &[&str]) -> Result<Option<Vec<u8>>, u32> {
    let path = path.join("\0");
    let (mut data, mut size) = (std::ptr::null_mut(), 0usize);
    // SAFETY: the host reads as many bytes as it is told; both pointers are to variables of the types that it writes.
    let status = unsafe { imported::proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    // SAFETY: these are what the host has written.
    unsafe { answered(status, data, size) }
}

/// The first line of the response that has this name; the host tells of no others. The SDK panics where the host has no
/// response to look at.
pub(crate) fn first_response_header(name: &str) -> Result<Option<Vec<u8>>, u32> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0usize);
    // SAFETY: the host reads as many bytes as it is told; both pointers are to variables of the types that it writes.
    let status = unsafe {
        imported::proxy_get_header_map_value(
            HTTP_RESPONSE_HEADERS,
            name.as_ptr(),
            name.len(),
            &raw mut data,
            &raw mut size,
        )
    };
    // SAFETY: these are what the host has written.
    unsafe { answered(status, data, size) }
}

/// What a host call that looks something up has come to.
///
/// # Safety
/// `data` and `size` are as the host has left them.
unsafe fn answered(status: u32, data: *mut u8, size: usize) -> Result<Option<Vec<u8>>, u32> {
    match status {
        NOT_FOUND => Ok(None),
        // It allocates nothing for an empty text.
        OK if data.is_null() => Ok(Some(Vec::new())),
        // SAFETY: as in `header_map`.
        OK => Ok(Some(unsafe { Vec::from_raw_parts(data, size, size) })),
        error => Err(error),
    }
}

/// Answers the current request. `details` comes out as `%RESPONSE_CODE_DETAILS%` in access logs, for which the SDK has no
/// argument; it holds no white space. `headers` are serialised as the host expects them. A gRPC request is answered by
/// Envoy in gRPC's form.
pub(crate) fn send_local_response(status: u32, details: &str, body: &str, headers: &[u8]) -> HostResult {
    const GRPC_STATUS_BY_ENVOY: i32 = -1;
    // SAFETY: the host reads as many bytes from each pointer as it is told, and these are the slices' lengths.
    let outcome = unsafe {
        imported::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            GRPC_STATUS_BY_ENVOY,
        )
    };
    if outcome == OK { Ok(()) } else { Err(outcome) }
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

#[cfg(target_arch = "wasm32")]
mod imported {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_len: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_property(path: *const u8, path_len: usize, data: *mut *mut u8, size: *mut usize)
        -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_len: usize,
            body: *const u8,
            body_len: usize,
            headers: *const u8,
            headers_len: usize,
            grpc_status: i32,
        ) -> u32;
    }
}

/// Outside a proxy the host functions do not exist.
#[cfg(not(target_arch = "wasm32"))]
mod imported {
    const NOT_HERE: u32 = 12;

    pub(super) unsafe fn proxy_get_header_map_pairs(_: u32, _: *mut *mut u8, _: *mut usize) -> u32 {
        NOT_HERE
    }

    pub(super) unsafe fn proxy_get_header_map_value(
        _: u32,
        _: *const u8,
        _: usize,
        _: *mut *mut u8,
        _: *mut usize,
    ) -> u32 {
        NOT_HERE
    }

    pub(super) unsafe fn proxy_get_property(_: *const u8, _: usize, _: *mut *mut u8, _: *mut usize) -> u32 {
        NOT_HERE
    }

    #[allow(clippy::too_many_arguments, reason = "as the host has it")]
    pub(super) unsafe fn proxy_send_local_response(
        _: u32,
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
        _: *const u8,
        _: usize,
        _: i32,
    ) -> u32 {
        NOT_HERE
    }
}
