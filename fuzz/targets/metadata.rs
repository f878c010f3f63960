//! Metadata: no endpoint without TLS, no other issuer.
#![no_main]

use std::sync::LazyLock;

use bff_fuzz::KEY;
use bff_service::config::Config;
use bff_service::oauth::metadata::{Document, examine};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = "trusted_web_origins = ['https://www.example.com']
        [authorization_server]
        issuer = 'https://login.example.com'
        [client]
        id = 'client'
        redirect_uri = 'https://www.example.com/'";
    let env = |name: &str| match name {
        "BFF_CLIENT_SECRET" => Some("secret".to_owned()),
        "BFF_COOKIE_KEYS" => Some(KEY.to_owned()),
        _ => None,
    };
    Config::parse(text, env).expect("a configuration")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    for fill in [false, true] {
        if fill && let Some(members) = document.as_object_mut() {
            for (name, value) in [
                ("issuer", "https://login.example.com"),
                ("authorization_endpoint", "https://login.example.com/a"),
                ("token_endpoint", "https://login.example.com/t"),
                ("jwks_uri", "https://login.example.com/j"),
            ] {
                members.entry(name).or_insert_with(|| value.into());
            }
        }
        let Ok(parsed) = serde_json::from_value::<Document>(document.clone()) else {
            continue;
        };
        let examined = examine(&parsed, &CONFIG, true);
        assert!(examined.metadata.is_none() || examined.errors.is_empty());
        if let Some(metadata) = examined.metadata {
            assert_eq!(document["issuer"], "https://login.example.com");
            for url in [
                &metadata.authorization_endpoint,
                &metadata.token_endpoint,
                &metadata.jwks_uri,
            ]
            .into_iter()
            .chain(&metadata.userinfo_endpoint)
            .chain(&metadata.revocation_endpoint)
            .chain(&metadata.end_session_endpoint)
            .chain(&metadata.pushed_authorization_request_endpoint)
            {
                assert!(url.scheme() == "https" && url.fragment().is_none() && url.username().is_empty());
            }
        }
    }
});
