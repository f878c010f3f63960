//! JSON Object Signing and Encryption: signatures. Independent of the rest of this service.
//!
//! * [`algorithm`]: the table of signature algorithms.
//! * [`jws`]: parsing and verifying signed tokens.
//! * [`jwks`]: the keys of an issuer.
//! * [`device_key`]: the keys that devices register.
//! * [`signing_key`]: private keys.
//! * [`claims`]: claims by type; [`error`]: errors of tokens.

pub mod algorithm;
pub mod claims;
pub mod device_key;
pub mod error;
pub mod jwks;
pub mod jws;
pub mod signing_key;
