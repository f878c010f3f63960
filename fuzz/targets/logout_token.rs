//! Claims of logout tokens: accepted claims meet all requirements.
#![no_main]

use bff_fuzz::NOW;
use bff_service::oauth::logout_token::validate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(serde_json::Value::Object(mut claims)) = serde_json::from_slice(data) else {
        return;
    };
    // Mostly valid, so that later checks are reached.
    for fill in [false, true] {
        if fill {
            let base = serde_json::json!({
                "iss": "https://issuer", "aud": "client", "iat": NOW, "exp": NOW + 60, "jti": "id", "sub": "alice",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            });
            for (name, value) in base.as_object().expect("an object") {
                claims.entry(name).or_insert_with(|| value.clone());
            }
        }
        if let Ok(token) = validate(&claims, ("https://issuer", "client", &[]), 10, NOW) {
            assert!(claims["iss"] == "https://issuer" && !claims.contains_key("nonce"));
            assert!(token.subject.is_some() || token.login.is_some());
            assert!(!token.id.is_empty() && claims["events"].is_object());
            assert!((claims["iat"].as_f64().expect("a number") - NOW as f64).abs() <= 310.0);
        }
    }
});
