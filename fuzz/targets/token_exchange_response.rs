//! Responses to a token exchange: only a token that can stand in a header is forwarded, and never for longer than is allowed.
#![no_main]

use std::sync::LazyLock;

use bff_core::gateway::config::{Config, PhantomToken};
use bff_core::gateway::token_exchange::{Subject, classify};
use bff_core::gateway::token_state::{TokenOutcome, TokenState};
use bff_fuzz::{KEY, NOW, server_response};

static STAGE: LazyLock<PhantomToken> = LazyLock::new(|| {
    let json = br#"{
        "bff_token": {"cookie_name_prefix": "example", "encryption_key": {"env": "KEYS"},
            "trusted_web_origins": ["https://www.example.com"]},
        "phantom_token": {
        "token_exchange": {"token_endpoint": "https://login.example.com/token", "audience": "orders", "scopes": ["read"]},
        "cluster": "c", "client_id": "i", "client_secret": {"inline": "s"}, "token_cache_seconds": 900}}"#;
    Config::parse(json, |_| Some(KEY.to_owned()))
        .expect("a configuration")
        .phantom_token
        .expect("the stage")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (status, response, token) = server_response(data, [200, 200, 200, 400, 401, 403, 504, 302]);
    let subject = Subject {
        token,
        introspected: None,
    };
    let exchange = STAGE.steps.exchange().expect("an exchange");
    if let TokenOutcome::Known { state, expires_at } = classify(&STAGE, exchange, subject, &response, NOW) {
        assert!(expires_at <= NOW + 900);
        assert!(matches!(status, 200 | 400 | 401 | 403));
        assert!(status == 200 || matches!(state, TokenState::Inactive(_)));
        if let TokenState::Active(token) = state {
            let headers: Vec<_> = token.headers().collect();
            let [("authorization", value)] = headers.as_slice() else {
                panic!("a token and nothing else");
            };
            let token = value.strip_prefix(b"Bearer ").expect("the scheme");
            assert!(
                !token.is_empty() && token.iter().all(u8::is_ascii_graphic),
                "it goes into a header"
            );
        }
    }
});
