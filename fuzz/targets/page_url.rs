//! `pageUrl`: ambiguous responses are rejected, and so are responses in a mode other than the requested one.
#![no_main]

use bff_service::api::fuzzing::{PageUrlKind, parse_page_url};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (text, signed) in [
        (text.to_owned(), false),
        (format!("https://www.example.com/?{text}"), false),
        (text.to_owned(), true),
        (format!("https://www.example.com/?{text}"), true),
    ] {
        let Some(kind) = parse_page_url(&text, signed) else {
            continue;
        };
        assert!(!(signed && kind == PageUrlKind::Plain) && (signed || kind != PageUrlKind::Signed));
        if kind != PageUrlKind::Ordinary {
            let url = url::Url::parse(&text).expect("it was parsed before");
            for name in ["state", "code", "error", "iss", "response"] {
                assert!(
                    url.query_pairs().filter(|(other, _)| other == name).count() <= 1,
                    "{name} is repeated"
                );
            }
        }
    }
});
