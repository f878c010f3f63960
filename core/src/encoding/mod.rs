//! Bytes and text: encodings, and comparing.

pub mod base64url;
pub(crate) mod bytes;
pub mod form;
pub mod hex;
