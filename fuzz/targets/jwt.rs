//! JWTs: none is valid that the key did not sign, and claims of any form are checked without a panic.
#![no_main]

use bff_fuzz::{KEYS, NOW, encode, signed};
use bff_service::jose::algorithm::Algorithm;
use bff_service::jose::claims::claims_of_verified;
use bff_service::jose::jws::UnverifiedToken;
use bff_service::oauth::IdTokenRequirements;
use bff_service::oauth::id_token::{Expected, Flow, validate};
use bff_service::oauth::signed_jwt::TYPES;

const ALLOWED: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::ES256, Algorithm::RS256];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let valid = signed(&serde_json::json!({"sub": "alice"}));
    let (signed_part, signature) = valid.rsplit_once('.').expect("three parts");
    let (header, payload) = signed_part.split_once('.').expect("three parts");
    let encoded = encode(data);
    for token in [
        text.clone().into_owned(),
        format!("{header}.{encoded}.{signature}"),
        format!("{encoded}.{payload}.{signature}"),
        format!("{signed_part}.{encoded}"),
    ] {
        if let Ok(parsed) = UnverifiedToken::parse(&token, &TYPES, &ALLOWED)
            && parsed.verify(&KEYS).is_ok()
        {
            assert_eq!(token, valid, "verified, and never signed");
        }
        let _ = claims_of_verified(&token);
    }
    // Signed claims of any form.
    if let Ok(serde_json::Value::Object(claims)) = serde_json::from_slice(data) {
        let requirements = IdTokenRequirements {
            max_age: Some(60),
            acr: Some(vec!["mfa".to_owned()]),
        };
        for flow in [
            Flow::Login {
                nonce: "n",
                requirements: &requirements,
            },
            Flow::Refresh {
                previous: Some(&claims),
            },
        ] {
            let expected = Expected {
                issuer: "https://issuer",
                client_id: "client",
                trusted_audiences: &[],
                clock_skew: 10,
                access_token: "token",
                algorithm: Algorithm::Ed25519,
                flow,
            };
            if validate(&claims, &expected, NOW).is_ok() {
                assert_eq!(claims["iss"], "https://issuer");
                assert!(claims["exp"].as_f64().expect("a number") > NOW as f64 - 10.0);
            }
        }
    }
});
