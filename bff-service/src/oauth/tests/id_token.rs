//! The rules for the claims of ID tokens: a valid token, and every way to make it invalid.

use crate::jose::algorithm::Algorithm;
use crate::jose::error::ClaimError;
use serde_json::{Map, Value, json};

use crate::oauth::IdTokenRequirements;
use crate::oauth::id_token::{Expected, Flow, IdTokenError, access_token_hash, validate};
use crate::oauth::signed_jwt::JwtError;

const NOW: u64 = 1_800_000_000;
const NO_REQUIREMENTS: IdTokenRequirements = IdTokenRequirements {
    max_age: None,
    acr: None,
};
const LOGIN: Flow<'static> = Flow::Login {
    nonce: "n-0S6_WzA2Mj",
    requirements: &NO_REQUIREMENTS,
};

fn valid_claims() -> Map<String, Value> {
    let claims = json!({
        "iss": "https://login.example.com",
        "sub": "alice",
        "aud": "spa-client",
        "iat": NOW - 1,
        "exp": NOW + 300,
        "nonce": "n-0S6_WzA2Mj",
        "auth_time": NOW - 100,
        "name": "Alice",
    });
    claims.as_object().unwrap().clone()
}

/// The valid claims with changes. `null` removes a claim.
fn changed(changes: Value) -> Map<String, Value> {
    let mut claims = valid_claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn expected(flow: Flow<'_>) -> Expected<'_> {
    Expected {
        issuer: "https://login.example.com",
        client_id: "spa-client",
        trusted_audiences: &[],
        clock_skew: 10,
        access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        algorithm: Algorithm::RS256,
        flow,
    }
}

fn judge(changes: Value) -> Result<(), IdTokenError> {
    validate(&changed(changes), &expected(LOGIN), NOW)
}

#[test]
fn a_good_token_is_accepted_with_claims_that_nobody_here_knows() {
    assert_eq!(judge(json!({})), Ok(()));
    assert_eq!(
        judge(json!({"sid": "1", "amr": ["pwd"], "https://example.com/x": {"y": [1]}})),
        Ok(())
    );
}

#[test]
fn each_way_of_spoiling_a_token_is_refused_for_its_reason() {
    use IdTokenError::*;
    use JwtError::*;
    let table = [
        (json!({"iss": null}), Jwt(Claim(ClaimError("iss")))),
        (json!({"iss": 1}), Jwt(Claim(ClaimError("iss")))),
        (json!({"iss": "https://evil.example.com"}), Jwt(Issuer)),
        (json!({"iss": "https://login.example.com/"}), Jwt(Issuer)),
        (json!({"iss": "https://LOGIN.example.com"}), Jwt(Issuer)),
        (json!({"sub": null}), Jwt(Claim(ClaimError("sub")))),
        (json!({"sub": ""}), Jwt(Claim(ClaimError("sub")))),
        (json!({"sub": 7}), Jwt(Claim(ClaimError("sub")))),
        (json!({"aud": null}), Jwt(Claim(ClaimError("aud")))),
        (json!({"aud": 1}), Jwt(Claim(ClaimError("aud")))),
        (json!({"aud": ["spa-client", 1]}), Jwt(Claim(ClaimError("aud")))),
        (json!({"aud": []}), Jwt(Audience(String::new()))),
        (json!({"aud": "other"}), Jwt(Audience("other".to_owned()))),
        (
            json!({"aud": ["other", "third"]}),
            Jwt(Audience("other, third".to_owned())),
        ),
        (json!({"aud": "spa-client2"}), Jwt(Audience("spa-client2".to_owned()))),
        (
            json!({"aud": ["spa-client", "other"], "azp": "spa-client"}),
            Jwt(UntrustedAudience("other".to_owned())),
        ),
        (json!({"azp": "other"}), AuthorizedParty),
        (json!({"azp": ["spa-client"]}), AuthorizedParty),
        (json!({"exp": null}), Jwt(Claim(ClaimError("exp")))),
        (json!({"exp": "tomorrow"}), Jwt(Claim(ClaimError("exp")))),
        (json!({"exp": NOW - 10}), Jwt(Expired)),
        (json!({"exp": 0}), Jwt(Expired)),
        (json!({"exp": -1}), Jwt(Expired)),
        (json!({"iat": null}), Jwt(Claim(ClaimError("iat")))),
        (json!({"iat": "now"}), Jwt(Claim(ClaimError("iat")))),
        (json!({"iat": NOW + 11}), Jwt(NotYetValid)),
        (json!({"iat": 1e300}), Jwt(NotYetValid)),
        (json!({"nbf": NOW + 11}), Jwt(NotYetValid)),
        (json!({"nbf": "later"}), Jwt(Claim(ClaimError("nbf")))),
        (json!({"nonce": null}), Jwt(Claim(ClaimError("nonce")))),
        (json!({"nonce": "another"}), Nonce),
        (json!({"nonce": ""}), Nonce),
        (json!({"nonce": ["n-0S6_WzA2Mj"]}), Jwt(Claim(ClaimError("nonce")))),
        (json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RR"}), AccessTokenHash),
        (json!({"at_hash": ""}), AccessTokenHash),
        (json!({"at_hash": 1}), Jwt(Claim(ClaimError("at_hash")))),
    ];
    for (changes, reason) in table {
        assert_eq!(judge(changes.clone()), Err(reason), "{changes}");
    }
}

#[test]
fn clocks_may_differ_by_the_skew_and_no_more() {
    assert_eq!(judge(json!({"exp": NOW - 9})), Ok(()));
    assert_eq!(judge(json!({"iat": NOW + 10})), Ok(()));
    assert_eq!(judge(json!({"nbf": NOW + 10})), Ok(()));
    assert_eq!(judge(json!({"nbf": NOW + 10, "exp": NOW as f64 + 0.5})), Ok(()));
}

#[test]
fn an_audience_may_be_a_list_of_this_client_alone() {
    assert_eq!(judge(json!({"aud": ["spa-client"]})), Ok(()));
    assert_eq!(judge(json!({"aud": ["spa-client"], "azp": "spa-client"})), Ok(()));
}

#[test]
fn other_audiences_must_be_trusted_and_azp_counts_only_where_it_is_there() {
    let trusted = ["project".to_owned()];
    let expected = Expected {
        trusted_audiences: &trusted,
        ..expected(LOGIN)
    };
    let both = changed(json!({"aud": ["project", "spa-client"], "azp": "spa-client"}));
    assert_eq!(validate(&both, &expected, NOW), Ok(()));
    let without_azp = changed(json!({"aud": ["project", "spa-client"]}));
    assert_eq!(validate(&without_azp, &expected, NOW), Ok(()));
    let of_another = changed(json!({"aud": ["project", "spa-client"], "azp": "project"}));
    assert_eq!(
        validate(&of_another, &expected, NOW),
        Err(IdTokenError::AuthorizedParty)
    );
}

#[test]
fn at_hash_is_that_of_the_standard_s_example() {
    // OpenID Connect Core 1.0, appendix A.4.
    assert_eq!(judge(json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"})), Ok(()));
}

#[test]
fn at_hash_is_of_the_signature_s_hash_function() {
    let characters = |algorithm| access_token_hash("token", algorithm).len();
    assert_eq!(characters(Algorithm::ES256), 22);
    assert_eq!(characters(Algorithm::ES384), 32);
    assert_eq!(characters(Algorithm::RS512), 43);
    assert_eq!(characters(Algorithm::Ed25519), 43);
}

#[test]
fn an_empty_nonce_in_the_login_matches_nothing() {
    let flow = Flow::Login {
        nonce: "",
        requirements: &NO_REQUIREMENTS,
    };
    let claims = changed(json!({"nonce": ""}));
    assert_eq!(validate(&claims, &expected(flow), NOW), Err(IdTokenError::Nonce));
}

#[test]
fn auth_time_must_honour_max_age_where_it_was_asked_for() {
    let judge = |max_age, auth_time: Value| {
        let requirements = IdTokenRequirements { max_age, acr: None };
        let flow = Flow::Login {
            nonce: "n-0S6_WzA2Mj",
            requirements: &requirements,
        };
        validate(&changed(json!({ "auth_time": auth_time })), &expected(flow), NOW)
    };
    assert_eq!(judge(Some(100), json!(NOW - 100)), Ok(()));
    assert_eq!(judge(Some(100), json!(NOW - 110)), Ok(()));
    assert_eq!(judge(Some(100), json!(NOW - 111)), Err(IdTokenError::TooLongAgo));
    assert_eq!(judge(Some(0), json!(NOW - 11)), Err(IdTokenError::TooLongAgo));
    assert_eq!(
        judge(Some(100), json!(null)),
        Err(IdTokenError::Jwt(ClaimError("auth_time").into()))
    );
    assert_eq!(judge(Some(u64::MAX), json!(0)), Ok(()));
    assert_eq!(judge(None, json!(null)), Ok(()));
}

#[test]
fn acr_must_be_what_was_asked_for_as_essential() {
    let judge = |acr: Option<&[&str]>, claim: Value| {
        let acr = acr.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let requirements = IdTokenRequirements { max_age: None, acr };
        let flow = Flow::Login {
            nonce: "n-0S6_WzA2Mj",
            requirements: &requirements,
        };
        validate(&changed(json!({ "acr": claim })), &expected(flow), NOW)
    };
    assert_eq!(judge(Some(&["mfa", "hwk"]), json!("hwk")), Ok(()));
    assert_eq!(
        judge(Some(&["mfa"]), json!("pwd")),
        Err(IdTokenError::AuthenticationContext)
    );
    assert_eq!(
        judge(Some(&["mfa"]), json!(null)),
        Err(IdTokenError::Jwt(ClaimError("acr").into()))
    );
    assert_eq!(judge(Some(&[]), json!("anything")), Ok(()));
    assert_eq!(
        judge(Some(&[]), json!(null)),
        Err(IdTokenError::Jwt(ClaimError("acr").into()))
    );
    assert_eq!(judge(None, json!("pwd")), Ok(()));
}

#[test]
fn after_a_refresh_the_token_is_of_the_same_user_client_and_login() {
    let before = valid_claims();
    let judge = |changes| {
        let flow = Flow::Refresh {
            previous: Some(&before),
        };
        validate(&changed(changes), &expected(flow), NOW)
    };
    assert_eq!(judge(json!({})), Ok(()));
    assert_eq!(
        judge(json!({"nonce": null, "auth_time": null, "name": "Alicia", "iat": NOW})),
        Ok(())
    );
    assert_eq!(judge(json!({"sub": "mallory"})), Err(IdTokenError::Changed("sub")));
    assert_eq!(judge(json!({"nonce": "another"})), Err(IdTokenError::Changed("nonce")));
    assert_eq!(
        judge(json!({"aud": ["spa-client", "spa-client"], "azp": "spa-client"})),
        Err(IdTokenError::Changed("aud"))
    );
    assert_eq!(
        judge(json!({"auth_time": NOW})),
        Err(IdTokenError::Changed("auth_time"))
    );
    // The rules for every token apply too.
    assert_eq!(
        judge(json!({"iss": "https://evil.example.com"})),
        Err(IdTokenError::Jwt(JwtError::Issuer))
    );
    assert_eq!(
        judge(json!({"exp": NOW - 10})),
        Err(IdTokenError::Jwt(JwtError::Expired))
    );
}

#[test]
fn after_a_refresh_without_an_earlier_token_the_rules_for_every_token_hold() {
    let flow = Flow::Refresh { previous: None };
    assert_eq!(validate(&changed(json!({"nonce": null})), &expected(flow), NOW), Ok(()));
    assert!(validate(&changed(json!({"aud": "other"})), &expected(flow), NOW).is_err());
}
