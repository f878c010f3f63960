//! Invalid signatures.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::signer::{Signer, encode};
use super::{assert_refused, sign_in_while};
use crate::support::app::TestApp;
use crate::support::authorization_server::{IdTokenMaker, KEY_ID};

fn assert_refused_when_made(app: &TestApp, what: &str, make: impl Fn(&Value) -> String + Send + 'static) {
    let make: IdTokenMaker = Box::new(make);
    assert_refused(app, what, "400 invalid_request", |state| {
        state.id_token_maker = Some(make)
    });
}

/// Header, claims, and the value in place of the signature.
fn token(header: &Value, claims: &Value, signature: &str) -> String {
    format!(
        "{}.{}.{signature}",
        encode(header.to_string()),
        encode(claims.to_string())
    )
}

#[test]
fn oidcc_client_test_idtoken_sig_none() {
    let app = TestApp::start();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            assert_refused_when_made(&app, alg, move |claims| {
                token(&json!({"alg": alg, "kid": KEY_ID}), claims, signature)
            });
        }
    }
    assert_refused_when_made(&app, "two parts", |claims| {
        let token = token(&json!({"alg": "none"}), claims, "");
        token.trim_end_matches('.').to_owned()
    });
}

#[test]
fn rp_id_token_bad_sig_es256() {
    let app = TestApp::start();
    let other = Signer::es256(KEY_ID);
    assert_refused_when_made(&app, "another key of the same id", move |claims| other.sign(claims));
    assert_refused_when_made(&app, "zeros", |claims| {
        token(&json!({"alg": "ES256", "kid": KEY_ID}), claims, &encode([0; 64]))
    });
    assert_refused_when_made(&app, "empty", |claims| {
        token(&json!({"alg": "ES256", "kid": KEY_ID}), claims, "")
    });
}

#[test]
fn oidcc_client_test_invalid_sig_rs256() {
    let app = super::app_that_follows_rotations();
    let (published, other) = (Signer::rsa("rsa"), Signer::rsa("rsa"));
    let keys = super::signer::jwks([&published]);
    assert_refused(&app, "another RSA key", "400 invalid_request", |state| {
        state.jwks = Some(keys);
        state.id_token_maker = Some(Box::new(move |claims| other.sign(claims)));
    });
}

#[test]
fn rp_id_token_bad_sig_hs256() {
    let app = TestApp::start();
    // With what both sides know, and with what everybody knows.
    for secret in ["the client secret of the tests", "", "spa-client", KEY_ID] {
        for alg in ["HS256", "HS384", "HS512"] {
            assert_refused_when_made(&app, &format!("{alg} with {secret:?}"), move |claims| {
                let signed = token(&json!({"alg": alg, "typ": "JWT", "kid": KEY_ID}), claims, "");
                let signed = signed.trim_end_matches('.');
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                format!("{signed}.{}", encode(hmac::sign(&key, signed.as_bytes())))
            });
        }
    }
}

#[test]
fn rp_id_token_signed_with_a_key_that_it_brings_along() {
    let app = TestApp::start();
    for member in ["jwk", "jku", "x5u", "x5c"] {
        assert_refused_when_made(&app, member, move |claims| {
            let attacker = Signer::es256("attackers");
            let mut header = attacker.header();
            header[member] = match member {
                "jwk" => attacker.jwk(),
                "x5c" => json!(["AAAA"]),
                _ => json!("https://attacker.example.test/keys"),
            };
            attacker.sign_with_header(&header, claims)
        });
    }
}

#[test]
fn rp_id_token_with_critical_extensions() {
    let app = TestApp::start();
    let server = app.authorization_server.clone();
    assert_refused_when_made(&app, "crit", move |claims| {
        server.sign(
            &json!({"alg": "ES256", "kid": KEY_ID, "crit": ["exp"], "exp": 1}),
            claims,
        )
    });
}

#[test]
fn rp_id_token_of_another_type() {
    let app = TestApp::start();
    for typ in ["at+jwt", "logout+jwt", "token-introspection+jwt", "dpop+jwt"] {
        let server = app.authorization_server.clone();
        assert_refused_when_made(&app, typ, move |claims| {
            server.sign(&json!({"alg": "ES256", "kid": KEY_ID, "typ": typ}), claims)
        });
    }
}

#[test]
fn rp_id_token_encrypted_or_no_jwt_at_all() {
    let app = TestApp::start();
    for text in [
        "a.b.c.d.e",
        "not a token",
        "..",
        "a.b",
        "",
        "null",
        "eyJhbGciOiJFUzI1NiJ9.W10.AAAA",
    ] {
        let response = sign_in_while(&app, |state| {
            state.token_response.insert("id_token".to_owned(), json!(text));
        });
        assert_eq!(response.outcome(), "400 invalid_request", "{text:?}");
        super::be_honest(&app.authorization_server);
    }
}
