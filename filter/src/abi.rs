//! Host functions that are called without the SDK, and why.
#![allow(unsafe_code, reason = "imported functions that take and fill memory")]

/// The result of a host call: nothing, or the host's status for an error.
pub(crate) type HostResult = Result<(), u32>;

/// Returns the request's header map as the host serializes it, for
/// [`bff_core::request::head::RequestHead::from_proxy_wasm`]. The SDK would copy each name and each value into its own
/// allocation, and panic on a name that is not UTF-8.
pub(crate) fn request_header_map() -> Option<Vec<u8>> {
    const HTTP_REQUEST_HEADERS: u32 = 0;
    header_map(HTTP_REQUEST_HEADERS)
}

const HTTP_RESPONSE_HEADERS: u32 = 2;

/// Returns the response's header map, in the same form.
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
    // SAFETY: the host has filled `size` bytes of memory from `proxy_on_memory_allocate`, in which the SDK leaks a
    // vector of that capacity. The SDK reclaims such memory in the same way.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Returns the property at a path; `None` if there is none. The error is for a value that the host cannot give as
/// bytes, such as null. The SDK takes an empty string for a missing property, and may panic on an error.
pub(crate) fn property(path: &[&str]) -> Result<Option<Vec<u8>>, u32> {
    let path = path.join("\0");
    let (mut data, mut size) = (std::ptr::null_mut(), 0usize);
    // SAFETY: the host reads as many bytes as it is told. Both pointers are to variables of the types that it writes.
    let status = unsafe { imported::proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    // SAFETY: the host has written both.
    unsafe { convert_result(status, data, size) }
}

/// Returns the first line of a response header: this host call does not show the others. The SDK panics if the host has
/// no response.
pub(crate) fn first_response_header(name: &str) -> Result<Option<Vec<u8>>, u32> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0usize);
    // SAFETY: the host reads as many bytes as it is told. Both pointers are to variables of the types that it writes.
    let status = unsafe {
        imported::proxy_get_header_map_value(
            HTTP_RESPONSE_HEADERS,
            name.as_ptr(),
            name.len(),
            &raw mut data,
            &raw mut size,
        )
    };
    // SAFETY: the host has written both.
    unsafe { convert_result(status, data, size) }
}

/// Converts what a host call has returned for a property or a header.
///
/// # Safety
/// `data` and `size` must be as the host has left them.
unsafe fn convert_result(status: u32, data: *mut u8, size: usize) -> Result<Option<Vec<u8>>, u32> {
    match status {
        NOT_FOUND => Ok(None),
        // The host allocates nothing for an empty string.
        OK if data.is_null() => Ok(Some(Vec::new())),
        // SAFETY: as in `header_map`.
        OK => Ok(Some(unsafe { Vec::from_raw_parts(data, size, size) })),
        error => Err(error),
    }
}

/// Answers the current request. `details` becomes `%RESPONSE_CODE_DETAILS%` in access logs, for which the SDK has no
/// argument. It must contain no white space. `headers` must be serialized as the host expects them. Envoy answers a
/// gRPC request in gRPC's form.
pub(crate) fn send_local_response(status: u32, details: &str, body: &str, headers: &[u8]) -> HostResult {
    const GRPC_STATUS_BY_ENVOY: i32 = -1;
    // SAFETY: the host reads as many bytes from each pointer as it is told, and these are the slices' lengths.
    let result = unsafe {
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
    if result == OK { Ok(()) } else { Err(result) }
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

/// Outside a proxy, the host functions do not exist.
#[cfg(not(target_arch = "wasm32"))]
mod imported {
    const UNIMPLEMENTED: u32 = 12;

    pub(super) unsafe fn proxy_get_header_map_pairs(_: u32, _: *mut *mut u8, _: *mut usize) -> u32 {
        UNIMPLEMENTED
    }

    pub(super) unsafe fn proxy_get_header_map_value(
        _: u32,
        _: *const u8,
        _: usize,
        _: *mut *mut u8,
        _: *mut usize,
    ) -> u32 {
        UNIMPLEMENTED
    }

    pub(super) unsafe fn proxy_get_property(_: *const u8, _: usize, _: *mut *mut u8, _: *mut usize) -> u32 {
        UNIMPLEMENTED
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
        UNIMPLEMENTED
    }
}
