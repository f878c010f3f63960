//! Key sets: the number of keys is limited, and a key is usable with a known algorithm.
#![no_main]

use bff_service::jose::algorithm::Algorithm;
use bff_service::jose::jwks::KeySet;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(keys) = KeySet::parse(data) else { return };
    assert!((1..=50).contains(&keys.len()));
    // The known algorithms: none is symmetric.
    assert!(keys.has_key_for_any(Algorithm::ALL));
});
