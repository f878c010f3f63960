//! Additional parameters of a page: none of the request's own parameters is accepted.
#![no_main]

use bff_service::oauth::extra_params::check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let extra: Vec<(String, String)> = text
        .split('\n')
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let allowed: Vec<String> = [
        "prompt",
        "max_age",
        "claims",
        "resource",
        "state",
        "request_uri",
        "response_mode",
    ]
    .map(str::to_owned)
    .to_vec();
    if check(&extra, &allowed).is_ok() {
        for (key, value) in &extra {
            assert!(
                ["prompt", "max_age", "claims", "resource"].contains(&key.as_str()),
                "{key}"
            );
            assert!(!value.chars().any(char::is_control));
        }
    }
});
