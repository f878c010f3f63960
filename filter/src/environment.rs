//! Environment variables of the VM.
//!
//! On wasm32-unknown-unknown, `std::env` is empty. Envoy offers `vm_config.environment_variables` through two functions
//! of WASI, which are called here directly.

/// Returns the value of a variable; `None` if it is not set, or is not UTF-8.
pub(crate) fn read(name: &str) -> Option<String> {
    let entries = entries()?;
    let entry = entries
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(entry.to_vec()).ok()
}

/// Returns all variables as `NAME=value`, with a zero byte after each.
#[cfg(target_arch = "wasm32")]
#[allow(
    unsafe_code,
    reason = "imported functions that fill memory; nothing safe offers them on this target"
)]
fn entries() -> Option<zeroize::Zeroizing<Vec<u8>>> {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u16;
        fn environ_get(pointers: *mut *mut u8, buffer: *mut u8) -> u16;
    }
    let (mut count, mut size) = (0usize, 0usize);
    // SAFETY: both pointers are to integers of the width that the host writes on wasm32.
    if unsafe { environ_sizes_get(&raw mut count, &raw mut size) } != 0 {
        return None;
    }
    let mut pointers = vec![std::ptr::null_mut(); count];
    let mut buffer = zeroize::Zeroizing::new(vec![0u8; size]);
    // SAFETY: the host writes `count` pointers and `size` bytes, as it has just said, and both vectors are that long.
    if unsafe { environ_get(pointers.as_mut_ptr(), buffer.as_mut_ptr()) } != 0 {
        return None;
    }
    Some(buffer)
}

/// Outside a proxy, there are no variables.
#[cfg(not(target_arch = "wasm32"))]
fn entries() -> Option<zeroize::Zeroizing<Vec<u8>>> {
    None
}
