//! Introspection responses: only a JWT for APIs makes a token active, and never for longer than is allowed.
#![no_main]

use std::sync::LazyLock;

use bff_core::gateway::config::{Config, PhantomToken};
use bff_core::gateway::introspection::classify;
use bff_core::gateway::token_state::{TokenOutcome, TokenState};
use bff_fuzz::{NOW, server_response};

static STAGE: LazyLock<PhantomToken> = LazyLock::new(|| {
    let json = br#"{"phantom_token": {
        "introspection_endpoint": "https://login.example.com/introspect", "cluster": "c", "client_id": "i",
        "client_secret": {"inline": "s"}, "token_cache_seconds": 900}}"#;
    Config::parse(json, |_| None)
        .expect("a configuration")
        .phantom_token
        .expect("the stage")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (status, response, token) = server_response(data, [200, 204, 200, 400, 401, 500, 504, 302]);
    if let TokenOutcome::Known { state, expires_at } = classify(&STAGE, token, &response, NOW) {
        assert!(expires_at <= NOW + 900);
        assert!(matches!(status, 200 | 204 | 400));
        assert!(status == 200 || matches!(state, TokenState::Inactive(_)));
        if let TokenState::Active(token) = state {
            let headers: Vec<_> = token.headers().collect();
            let [("authorization", value)] = headers.as_slice() else {
                panic!("a JWT and nothing else");
            };
            let jwt = value.strip_prefix(b"Bearer ").expect("the scheme");
            assert!(jwt.iter().filter(|byte| **byte == b'.').count() == 2);
            assert!(jwt.iter().all(|byte| byte.is_ascii_graphic()), "it goes into a header");
        }
    }
});
