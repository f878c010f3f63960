//! Origins: only those on the list are trusted, spelled as browsers spell them.
#![no_main]

use bff_core::request::trusted_origins::TrustedOrigins;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let trusted = TrustedOrigins::parse(&["https://www.example.com".to_owned()], false).expect("a list");
    if trusted.is_trusted(data) {
        assert!(data.eq_ignore_ascii_case(b"https://www.example.com"));
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(list) = TrustedOrigins::parse(&[text.to_owned()], false)
    {
        for origin in list.iter() {
            assert!(origin.starts_with("https://") && list.is_trusted(origin.as_bytes()));
            assert!(!origin.contains(['/', ' ', '@', '*']) || origin.matches('/').count() == 2);
        }
    }
});
