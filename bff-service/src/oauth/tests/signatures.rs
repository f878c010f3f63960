//! The accepted signatures of ID tokens.

use crate::jose::algorithm::Algorithm;
use serde_json::{Value, json};

use super::signer::{Signer, encode, jwks};
use crate::jose::error::JwsError;
use crate::jose::jwks::KeySet;
use crate::jose::jws::UnverifiedToken;
use crate::oauth::signed_jwt::TYPES;

const ALLOWED: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::Ed25519];

fn key_set<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> KeySet {
    KeySet::parse(jwks(signers).to_string().as_bytes()).unwrap()
}

fn verify(token: &str, keys: &KeySet) -> Result<Value, JwsError> {
    let token = UnverifiedToken::parse(token, &TYPES, &ALLOWED)?;
    token.verify(keys).cloned().map(Value::Object)
}

fn claims() -> Value {
    json!({"sub": "alice"})
}

#[test]
fn each_default_algorithm_is_accepted() {
    for signer in [Signer::rsa("1"), Signer::es256("1"), Signer::ed25519("1")] {
        assert_eq!(verify(&signer.sign(&claims()), &key_set([&signer])), Ok(claims()));
    }
    let signer = Signer::rsa("1");
    let token = signer.sign_with_header(&json!({"alg": "PS256", "kid": "1"}), &claims());
    assert_eq!(verify(&token, &key_set([&signer])), Ok(claims()));
}

#[test]
fn none_and_symmetric_algorithms_are_refused_in_every_spelling() {
    let signer = Signer::rsa("1");
    for alg in ["none", "None", "NONE", "", "HS256", "HS512", "rs256", "RS256 "] {
        let header = json!({"alg": alg, "kid": "1"});
        let signed = signer.sign_with_header(&header, &claims());
        let unsigned = format!("{}.", signed.rsplit_once('.').unwrap().0);
        for token in [signed, unsigned] {
            assert_eq!(
                verify(&token, &key_set([&signer])),
                Err(JwsError::Algorithm(alg.to_owned())),
                "{alg:?}"
            );
        }
    }
}

#[test]
fn an_algorithm_that_is_not_configured_is_refused() {
    let signer = Signer::rsa("1");
    let token = signer.sign_with_header(&json!({"alg": "RS512", "kid": "1"}), &claims());
    assert_eq!(
        verify(&token, &key_set([&signer])),
        Err(JwsError::Algorithm("RS512".to_owned()))
    );
}

#[test]
fn an_altered_token_is_refused() {
    let signer = Signer::es256("1");
    let keys = key_set([&signer]);
    let token = signer.sign(&claims());
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("the token does not have exactly three parts")
    };
    let other = encode(json!({"sub": "mallory"}).to_string());
    assert_eq!(
        verify(&format!("{header}.{other}.{signature}"), &keys),
        Err(JwsError::Signature)
    );
    let other_header = encode(json!({"alg": "ES256", "kid": "1", "x": 1}).to_string());
    let payload = encode(claims().to_string());
    assert_eq!(
        verify(&format!("{other_header}.{payload}.{signature}"), &keys),
        Err(JwsError::Signature)
    );
    assert_eq!(verify(&format!("{header}.{payload}."), &keys), Err(JwsError::Signature));
    assert_eq!(
        verify(&format!("{header}.{payload}.{signature}A"), &keys),
        Err(JwsError::Signature)
    );
}

#[test]
fn a_signature_by_another_key_of_the_same_id_is_refused() {
    let token = Signer::rsa("1").sign(&claims());
    assert_eq!(verify(&token, &key_set([&Signer::rsa("1")])), Err(JwsError::Signature));
}

#[test]
fn a_key_is_not_used_for_an_algorithm_of_another_type() {
    let (rsa, ec) = (Signer::rsa("1"), Signer::es256("1"));
    let token = ec.sign(&claims());
    assert_eq!(verify(&token, &key_set([&rsa])), Err(JwsError::NoKey));
}

#[test]
fn a_token_with_an_unknown_key_id_is_refused() {
    let signer = Signer::es256("1");
    let token = signer.sign_with_header(&json!({"alg": "ES256", "kid": "2"}), &claims());
    assert_eq!(verify(&token, &key_set([&signer])), Err(JwsError::NoKey));
}

#[test]
fn a_token_without_key_id_is_accepted_if_one_key_fits() {
    let (signer, other) = (Signer::es256("1"), Signer::rsa("2"));
    let token = signer.sign_with_header(&json!({"alg": "ES256"}), &claims());
    assert_eq!(verify(&token, &key_set([&signer, &other])), Ok(claims()));
}

#[test]
fn a_token_without_key_id_is_accepted_from_several_keys_only_if_one_verifies() {
    let (signer, other, third) = (Signer::es256("1"), Signer::es256("2"), Signer::es256("3"));
    let token = signer.sign_with_header(&json!({"alg": "ES256"}), &claims());
    assert_eq!(verify(&token, &key_set([&other, &signer])), Ok(claims()));
    assert_eq!(verify(&token, &key_set([&other, &third])), Err(JwsError::Signature));
}

#[test]
fn a_token_without_key_id_is_accepted_from_one_key_under_two_ids() {
    let signer = Signer::es256("1");
    let mut keys = jwks([&signer, &signer, &Signer::es256("2")]);
    keys["keys"][1]["kid"] = json!("the same");
    let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
    let token = signer.sign_with_header(&json!({"alg": "ES256"}), &claims());
    assert_eq!(verify(&token, &keys), Ok(claims()));
}

#[test]
fn both_names_of_ed25519_are_understood_in_token_and_key() {
    let signer = Signer::ed25519("1");
    for alg in ["EdDSA", "Ed25519"] {
        for published in [json!("EdDSA"), json!("Ed25519"), json!(null)] {
            let mut keys = jwks([&signer]);
            keys["keys"][0]["alg"] = published.clone();
            let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
            let token = signer.sign_with_header(&json!({"alg": alg, "kid": "1"}), &claims());
            assert_eq!(verify(&token, &keys), Ok(claims()), "{alg} {published}");
        }
    }
}

#[test]
fn an_algorithm_is_named_as_the_token_names_it_bounded_and_on_one_line() {
    let signer = Signer::es256("1");
    let alg = format!("a\r\nERROR {}", "x".repeat(5000));
    let token = signer.sign_with_header(&json!({"alg": alg, "kid": "1"}), &claims());
    let message = verify(&token, &key_set([&signer])).unwrap_err().to_string();
    assert!(
        message.contains("`alg` is `a\\r\\nERROR xxx") && message.len() < 400,
        "{message}"
    );
}

#[test]
fn the_same_key_published_twice_is_one_key() {
    let signer = Signer::es256("1");
    assert_eq!(
        verify(&signer.sign(&claims()), &key_set([&signer, &signer])),
        Ok(claims())
    );
}

#[test]
fn two_keys_of_one_id_are_both_tried() {
    let (signer, other) = (Signer::es256("1"), Signer::es256("1"));
    assert_eq!(
        verify(&signer.sign(&claims()), &key_set([&other, &signer])),
        Ok(claims())
    );
}

#[test]
fn keys_that_the_token_brings_along_are_ignored() {
    let (signer, attacker) = (Signer::es256("1"), Signer::es256("1"));
    let mut header = attacker.header();
    header["jwk"] = attacker.jwk();
    header["jku"] = json!("https://evil.example.com/jwks");
    header["x5u"] = json!("https://evil.example.com/cert");
    assert_eq!(
        verify(&attacker.sign_with_header(&header, &claims()), &key_set([&signer])),
        Err(JwsError::Signature)
    );
    let mut header = signer.header();
    header["jwk"] = attacker.jwk();
    assert_eq!(
        verify(&signer.sign_with_header(&header, &claims()), &key_set([&signer])),
        Ok(claims())
    );
}

#[test]
fn a_token_with_crit_is_refused() {
    let signer = Signer::es256("1");
    for crit in [json!(["exp"]), json!([]), json!(null)] {
        let mut header = signer.header();
        header["crit"] = crit;
        let token = signer.sign_with_header(&header, &claims());
        assert_eq!(verify(&token, &key_set([&signer])), Err(JwsError::Critical));
    }
}

#[test]
fn the_type_is_jwt_or_absent() {
    let signer = Signer::es256("1");
    let keys = key_set([&signer]);
    let typed = |typ: Value| {
        verify(
            &signer.sign_with_header(&json!({"alg": "ES256", "typ": typ}), &claims()),
            &keys,
        )
    };
    for typ in ["JWT", "jwt", "application/jwt"] {
        assert_eq!(typed(json!(typ)), Ok(claims()), "{typ}");
    }
    for typ in [
        "at+jwt",
        "application/at+jwt",
        "logout+jwt",
        "token-introspection+jwt",
        "dpop+jwt",
        "JWE",
        "",
    ] {
        assert_eq!(typed(json!(typ)), Err(JwsError::Type), "{typ}");
    }
    assert_eq!(typed(json!(["JWT"])), Err(JwsError::Malformed));
    assert_eq!(
        verify(&signer.sign_with_header(&json!({"alg": "ES256"}), &claims()), &keys),
        Ok(claims())
    );
}

#[test]
fn what_is_not_a_signed_token_is_refused_as_malformed() {
    let signer = Signer::es256("1");
    let keys = key_set([&signer]);
    let valid = signer.sign(&claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let long = format!("{}.{}.{}", parts[0], "A".repeat(70_000), parts[2]);
    let tokens = [
        String::new(),
        "a".to_owned(),
        "..".to_owned(),
        "opaque-token".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        // The form of an encrypted token has five parts.
        format!("{valid}.{}.{}", parts[0], parts[1]),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!(" {valid}"),
        signer.sign(&json!(["sub"])),
        signer.sign_with_header(&json!("ES256"), &claims()),
        signer.sign_with_header(&json!({"alg": ["ES256"]}), &claims()),
        signer.sign_with_header(&json!({"alg": "ES256", "kid": 1}), &claims()),
        signer.sign_with_header(&json!({"typ": "JWT"}), &claims()),
        long,
    ];
    for token in tokens {
        assert_eq!(verify(&token, &keys), Err(JwsError::Malformed), "{token:.60}");
    }
}
