//! Sealed values: only a value that was sealed for this purpose opens, and every change of a sealed value is detected.
#![no_main]

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::OpenError;
use bff_fuzz::{NOW, sealed, sealer};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let valid = sealed(Purpose::AccessToken, b"token");
    for accept_v1 in [false, true] {
        let sealer = sealer(accept_v1);
        for purpose in Purpose::ALL {
            let opened = sealer.open(purpose, data, NOW);
            assert!(opened.is_err() || (data == valid.as_bytes() && purpose == Purpose::AccessToken));
        }
        // The same bytes combined with a valid value.
        let mut altered = valid.clone().into_bytes();
        for (byte, change) in altered.iter_mut().zip(data) {
            *byte ^= change;
        }
        match sealer.open(Purpose::AccessToken, &altered, NOW) {
            Ok(_) => assert_eq!(altered, valid.as_bytes()),
            Err(error) => assert_ne!(error, OpenError::Expired, "an altered value has no expiry"),
        }
    }
});
