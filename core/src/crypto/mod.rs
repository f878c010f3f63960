//! The cipher, and the keys that seal cookies.

mod batched_aes;
pub mod key_ring;
pub(crate) mod xaes256_gcm;
