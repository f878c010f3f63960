//! An entry point for bearer tokens, without the cookie stage.

use serde_json::json;

use crate::support::*;

fn bearer_gateway() -> bff_core::gateway::Gateway {
    gateway(json!({"bff_token": null}))
}

fn end(lines: &[(&str, &str)]) -> Option<End> {
    ends(&bearer_gateway().ask(1, &head("POST", lines), NOW))
        .pop()
        .map(|(_, end)| end)
}

fn challenge(text: &str) -> Option<End> {
    Some(End::Refused(401, Some(text.to_owned())))
}

#[test]
fn a_bearer_token_needs_neither_origin_nor_csrf() {
    assert!(is_admitted(
        &mut bearer_gateway(),
        &head("POST", &[("authorization", "Bearer token")])
    ));
    assert!(is_admitted(
        &mut bearer_gateway(),
        &head("POST", &[("authorization", "bEaReR   token")])
    ));
}

#[test]
fn a_refusal_says_what_rfc_6750_says() {
    let none = challenge("Bearer realm=\"api\"");
    assert_eq!(end(&[]), none);
    for other_scheme in ["Basic dTpw", "Bearertoken", "DPoP token", "Bearers token", ""] {
        assert_eq!(end(&[("authorization", other_scheme)]), none, "{other_scheme:?}");
    }
}

#[test]
fn malformed_or_repeated_credentials_are_a_bad_request_and_no_invalid_token() {
    let invalid = Some(End::Refused(
        400,
        Some("Bearer realm=\"api\", error=\"invalid_request\"".to_owned()),
    ));
    let long = format!("Bearer {}", "a".repeat(16 * 1024 + 1));
    for value in [
        "Bearer",
        "bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a\tb",
        "Bearer \u{ff}",
        "Bearer a\u{7f}",
        &long,
    ] {
        assert_eq!(end(&[("authorization", value)]), invalid, "{value:?}");
    }
    for twice in [["Bearer a", "Bearer a"], ["Bearer a", "Basic dTpw"], ["", ""]] {
        assert_eq!(end(&twice.map(|value| ("authorization", value))), invalid, "{twice:?}");
    }
    // An entry point for both: the same without a cookie of the BFF; with one, the header is ignored.
    let mut both = gateway(json!({"bff_token": {"allow_tokens": true}}));
    let malformed = ("authorization", "Bearer a b");
    assert_eq!(refused(&mut both, &head("GET", &[malformed])), Some(400));
    assert!(is_admitted(
        &mut both,
        &head("GET", &[malformed, ("cookie", &at("token"))])
    ));
}

#[test]
fn every_token_that_the_service_may_be_given_is_taken() {
    // RFC 6749, appendix A.12, without the space: more than `b64token`.
    let alphabet: String = ('\u{21}'..='\u{7e}').collect();
    for token in ["00D!AQ4", "a,b", "a\"b", &alphabet] {
        let authorization = format!("Bearer {token}");
        assert!(
            is_admitted(
                &mut bearer_gateway(),
                &head("GET", &[("authorization", &authorization)])
            ),
            "{token}"
        );
        assert!(is_admitted(&mut gateway(json!({})), &valid("GET", token)), "{token}");
    }
}

#[test]
fn a_jwt_passes_unless_it_says_itself_that_it_should_not() {
    let authorization = |claims| format!("Bearer {}", jwt(claims));
    let send = |changes, claims| {
        let mut gateway = gateway(changes);
        let effects = gateway.ask(1, &head("GET", &[("authorization", &authorization(claims))]), NOW);
        (flight(&effects).is_some(), ends(&effects).pop().map(|(_, end)| end))
    };
    let plain = json!({"bff_token": null});
    let valid = json!({"exp": NOW + 1, "scope": "data", "aud": "api"});
    assert_eq!(
        send(plain.clone(), valid.clone()),
        (false, Some(End::Forwarded(authorization(valid.clone()))))
    );
    assert_eq!(
        send(plain.clone(), json!({"exp": NOW})).1,
        challenge("Bearer realm=\"api\", error=\"invalid_token\"")
    );
    assert_eq!(
        send(plain, json!({"exp": "soon"})).1,
        challenge("Bearer realm=\"api\", error=\"invalid_token\"")
    );
    let strict = json!({"bff_token": null, "phantom_token": {"required_scopes": ["data"], "required_audience": "api"}});
    assert_eq!(
        send(strict.clone(), valid.clone()).1,
        Some(End::Forwarded(authorization(valid.clone())))
    );
    assert_eq!(
        send(strict.clone(), json!({"aud": "other", "scope": "data"})).1,
        challenge("Bearer realm=\"api\", error=\"invalid_token\"")
    );
    let insufficient = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"data\"".to_owned();
    assert_eq!(
        send(strict, json!({"aud": "api"})).1,
        Some(End::Refused(403, Some(insufficient)))
    );
    let introspect = json!({"bff_token": null, "phantom_token": {"jwt_access_tokens": "introspect"}});
    assert_eq!(send(introspect, valid), (true, None));
}
