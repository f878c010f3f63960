//! Key sets: the number of keys is bounded, and none is for another algorithm than its own.
#![no_main]

use bff_service::jose::jwks::KeySet;
use jsonwebtoken::Algorithm;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(keys) = KeySet::parse(data) else { return };
    assert!((1..=50).contains(&keys.len()));
    assert!(!keys.supports_any(&[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]));
});
