//! JSON Object Signing and Encryption, as far as it is needed here: signatures. Knows nothing of the rest of this service.
//!
//! * [`algorithm`]: the table of signature algorithms.
//! * [`jws`]: signed tokens, taken apart and verified.
//! * [`jwks`]: the keys of whoever signs.
//! * [`signing_key`]: keys to sign with.
//! * [`claims`]: what a token says, by type; [`error`]: what is wrong with one.

pub mod algorithm;
pub mod claims;
pub mod error;
pub mod jwks;
pub mod jws;
pub mod signing_key;
