//! The service's configuration: accepted or rejected, and no secret in the error.
#![no_main]

use bff_fuzz::{KEY, SECRET};
use bff_service::config;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Files that the configuration names are not read here.
    if text.contains("file") || text.contains(&SECRET[..8]) || text.contains(&KEY[..8]) {
        return;
    }
    let env = |name: &str| match name {
        "BFF_CLIENT_SECRET" => Some(SECRET.to_owned()),
        "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
        _ => None,
    };
    let planted = format!("{text}\n[client]\nsecret = '{SECRET}'\n");
    for text in [text, planted.as_str()] {
        match config::parse(text, env) {
            Ok(configs) => assert!(!configs.is_empty()),
            Err(error) => {
                assert!(!error.errors().is_empty());
                let shown = error.to_string();
                assert!(
                    !shown.contains(SECRET) && !shown.contains(KEY),
                    "a secret is in the message"
                );
            }
        }
    }
});
