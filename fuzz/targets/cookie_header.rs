//! Cookie headers: the cookies of the BFF are found and removed, the application's are unchanged, and the number of parts is
//! limited.
#![no_main]

use bff_core::cookie::jar::CookieJar;
use bff_core::cookie::parts::MAX_VALUES;
use bff_core::cookie::purpose::Purpose;
use bff_fuzz::names;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let names = names();
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let jar = CookieJar::parse(lines.iter().copied(), &names);
    for purpose in Purpose::ALL {
        let values = jar.values(purpose, 5);
        assert!(values.len() <= MAX_VALUES);
        assert!(values.iter().all(|value| value.len() <= data.len()));
        assert!(values.is_empty() || jar.has(purpose));
        // If no parts are allowed, only whole cookies are left.
        assert!(jar.has_whole(purpose) || jar.values(purpose, 0).is_empty());
    }
    let rest = jar.without_bff_cookies().unwrap_or_default();
    let again = CookieJar::parse([rest.as_slice()], &names);
    assert!(!again.has_bff_cookies(), "a cookie of the BFF is left");
    assert!(rest.len() <= data.len() + lines.len(), "something was added");
    // What is left was there before, piece by piece and in the same order.
    let pieces = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes
            .split(|byte| *byte == b';')
            .map(|piece| piece.trim_ascii().to_vec())
            .filter(|piece| !piece.is_empty())
            .collect()
    };
    let mut sent = lines.iter().flat_map(|line| pieces(line));
    for piece in pieces(&rest) {
        assert!(
            sent.any(|other| other == piece),
            "a cookie that was not sent, or in another order"
        );
    }
});
