//! Token responses: accepted values are safe in a header and in a cookie.
#![no_main]

use bff_service::oauth::token_response::TokenResponse;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(response) = serde_json::from_slice::<TokenResponse>(data) else {
        return;
    };
    let Ok(tokens) = response.into_tokens() else { return };
    assert!(!tokens.access_token.is_empty() && tokens.access_token.len() <= 32 * 1024);
    assert!(tokens.access_token.bytes().all(|byte| byte.is_ascii_graphic()));
    if let Some(token) = tokens.refresh_token {
        assert!(!token.is_empty() && token.bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
    }
    assert_ne!(tokens.refresh_expires_in, Some(0));
});
