//! The cipher, and the keys that seal cookies.

#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    allow(
        dead_code,
        reason = "for machines without AES instructions, and for tests everywhere"
    )
)]
mod batched_aes;
pub mod key_ring;
pub(crate) mod xaes256_gcm;
