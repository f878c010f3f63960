//! The cipher and the keys that cookies are sealed with.

mod batched_aes;
pub mod key_ring;
pub(crate) mod xaes256_gcm;
