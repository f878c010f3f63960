//! The keys of a JWKS that are used.

use crate::jose::algorithm::Algorithm;
use serde_json::{Value, json};

use super::signer::{Signer, encode, jwks};
use crate::jose::jwks::KeySet;

fn parse(keys: &Value) -> Result<KeySet, String> {
    KeySet::parse(keys.to_string().as_bytes())
}

/// A set of one valid key, with id `valid`, and this one.
fn with(key: Value) -> KeySet {
    let mut set = jwks([&Signer::es256("valid")]);
    set["keys"].as_array_mut().unwrap().push(key);
    parse(&set).unwrap()
}

fn changed(signer: &Signer, changes: Value) -> Value {
    let mut jwk = signer.jwk();
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

#[test]
fn keys_that_cannot_verify_signatures_are_left_out_and_the_rest_is_used() {
    let (rsa, ec) = (Signer::rsa("1"), Signer::es256("1"));
    let keys = [
        changed(&rsa, json!({"use": "enc"})),
        changed(&rsa, json!({"key_ops": ["encrypt"]})),
        changed(&rsa, json!({"alg": "RSA-OAEP"})),
        changed(&rsa, json!({"alg": "ES256"})),
        changed(&rsa, json!({"alg": "HS256"})),
        changed(&rsa, json!({"n": encode([0xff; 128])})),
        changed(&rsa, json!({"n": encode([[0; 128], [0xff; 128]].concat())})),
        changed(&rsa, json!({"n": encode([0xff; 1025])})),
        changed(&rsa, json!({"n": null})),
        changed(&rsa, json!({"n": "not base64url!"})),
        changed(&rsa, json!({"e": "AQ"})),
        changed(&rsa, json!({"e": "AAAE"})),
        changed(&rsa, json!({"e": ""})),
        changed(&ec, json!({"crv": "P-521"})),
        changed(&ec, json!({"crv": "secp256k1"})),
        changed(&ec, json!({"crv": "P-384"})),
        changed(&ec, json!({"x": encode([1; 31])})),
        changed(&ec, json!({"y": null})),
        json!({"kty": "OKP", "crv": "X25519", "x": encode([1; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": encode([1; 33])}),
        json!({"kty": "oct", "k": encode([1; 32]), "alg": "HS256"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
        json!({}),
        json!("key"),
        json!(null),
    ];
    for key in keys {
        let set = with(key.clone());
        assert_eq!((set.len(), set.unusable().len()), (1, 1), "{key}");
    }
}

#[test]
fn a_point_that_is_not_on_the_curve_verifies_nothing() {
    let signer = Signer::es256("1");
    let set = parse(&json!({"keys": [changed(&signer, json!({"x": encode([7; 32])}))]})).unwrap();
    let token = signer.sign(&json!({}));
    let token = crate::jose::jws::UnverifiedToken::parse(&token, &["jwt"], &[Algorithm::ES256]).unwrap();
    assert!(token.verify(&set).is_err());
}

#[test]
fn a_key_with_an_algorithm_is_used_for_that_one_only() {
    let set = parse(&json!({"keys": [changed(&Signer::rsa("1"), json!({"alg": "PS256"}))]})).unwrap();
    assert!(set.has_key_for_any(&[Algorithm::PS256]));
    assert!(!set.has_key_for_any(&[Algorithm::RS256]));
    let set = parse(&json!({"keys": [changed(&Signer::ed25519("1"), json!({"alg": "Ed25519"}))]})).unwrap();
    assert!(set.has_key_for_any(&[Algorithm::Ed25519]));
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    for set in [
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "k": "AA"}]}),
        json!({}),
        json!([]),
        json!({"keys": {}}),
    ] {
        assert!(parse(&set).is_err(), "{set}");
    }
    assert!(KeySet::parse(b"<html>").is_err());
}

#[test]
fn the_number_of_keys_is_bounded() {
    let signer = Signer::ed25519("1");
    let keys: Vec<Value> = (0..1000)
        .map(|id| changed(&signer, json!({"kid": id.to_string()})))
        .collect();
    assert_eq!(parse(&json!({ "keys": keys })).unwrap().len(), 50);
}
