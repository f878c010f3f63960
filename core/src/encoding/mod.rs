//! Encodings between bytes and text, and comparison of bytes.

pub mod base64url;
pub(crate) mod bytes;
pub mod form;
pub mod hex;
