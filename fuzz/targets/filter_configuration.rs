//! The filter's configuration: accepted or rejected, and no secret in the error.
#![no_main]

use bff_core::gateway::config::Config;
use bff_fuzz::{KEY, SECRET};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // An error may quote a value of a field that does not hold a secret.
    if data
        .windows(8)
        .any(|part| SECRET.as_bytes().starts_with(part) || KEY.as_bytes().starts_with(part))
    {
        return;
    }
    let text = String::from_utf8_lossy(data);
    for planted in [
        format!(r#"{{"phantom_token": {{"client_secret": "{SECRET}", "x": {text}}}}}"#),
        format!(r#"{{"phantom_token": {{"client_secret": {{"inline": ["{SECRET}"]}}}}, "x": {text}}}"#),
        format!(r#"{{"bff_token": {{"encryption_key": "{SECRET}"}}, "x": {text}}}"#),
    ] {
        let shown = Config::parse(planted.as_bytes(), |_| None)
            .expect_err("an error")
            .to_string();
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let env = |name: &str| match name {
        "KEYS" => Some(KEY.to_owned()),
        "SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    if let Err(error) = Config::parse(data, env) {
        let shown = error.to_string();
        assert!(shown.contains(": "), "no field: {shown}");
        assert!(!shown.contains(SECRET) && !shown.contains(KEY));
    }
});
