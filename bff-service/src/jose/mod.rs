//! JSON Object Signing and Encryption, as far as it is needed here: signatures. Knows nothing of the rest of this service.
//!
//! * [`jws`]: signed tokens, taken apart and verified.
//! * [`jwks`]: the keys of whoever signs.
//! * [`signing_key`]: keys to sign with.

pub mod jwks;
pub mod jws;
pub mod signing_key;
