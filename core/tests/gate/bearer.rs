//! The bearer entry point: no cookie stage.

use serde_json::json;

use crate::support::*;

fn bearer_gate() -> bff_core::gate::Gate {
    gate(json!({"bff_token": null}))
}

fn end(lines: &[(&str, &str)]) -> Option<End> {
    ends(&bearer_gate().ask(1, &head("POST", lines), NOW))
        .pop()
        .map(|(_, end)| end)
}

fn challenge(text: &str) -> Option<End> {
    Some(End::Refused(401, Some(text.to_owned())))
}

#[test]
fn a_bearer_token_needs_neither_origin_nor_csrf() {
    assert!(admitted(
        &mut bearer_gate(),
        &head("POST", &[("authorization", "Bearer token")])
    ));
    assert!(admitted(
        &mut bearer_gate(),
        &head("POST", &[("authorization", "bEaReR   token")])
    ));
}

#[test]
fn a_refusal_says_what_rfc_6750_says() {
    assert_eq!(end(&[]), challenge("Bearer"));
    assert_eq!(end(&[("authorization", "Basic dTpw")]), challenge("Bearer"));
    assert_eq!(end(&[("authorization", "Bearertoken")]), challenge("Bearer"));
    for value in ["Bearer ", "Bearer a b", "Bearer \u{ff}", "Bearer a,b", "Bearer a\"b"] {
        assert_eq!(
            end(&[("authorization", value)]),
            challenge("Bearer error=\"invalid_token\""),
            "{value:?}"
        );
    }
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
    assert_eq!(end(&twice), challenge("Bearer error=\"invalid_token\""));
}

#[test]
fn a_jwt_passes_unless_it_says_itself_that_it_should_not() {
    let authorization = |claims| format!("Bearer {}", jwt(claims));
    let send = |changes, claims| {
        let mut gate = gate(changes);
        let effects = gate.ask(1, &head("GET", &[("authorization", &authorization(claims))]), NOW);
        (flight(&effects).is_some(), ends(&effects).pop().map(|(_, end)| end))
    };
    let plain = json!({"bff_token": null});
    let good = json!({"exp": NOW + 1, "scope": "data", "aud": "api"});
    assert_eq!(
        send(plain.clone(), good.clone()),
        (false, Some(End::Forwarded(authorization(good.clone()))))
    );
    assert_eq!(
        send(plain.clone(), json!({"exp": NOW})).1,
        challenge("Bearer error=\"invalid_token\"")
    );
    assert_eq!(
        send(plain, json!({"exp": "soon"})).1,
        challenge("Bearer error=\"invalid_token\"")
    );
    let strict = json!({"bff_token": null, "phantom_token": {"required_scopes": ["data"], "required_audience": "api"}});
    assert_eq!(
        send(strict.clone(), good.clone()).1,
        Some(End::Forwarded(authorization(good.clone())))
    );
    assert_eq!(
        send(strict.clone(), json!({"aud": "other", "scope": "data"})).1,
        challenge("Bearer error=\"invalid_token\"")
    );
    let insufficient = "Bearer error=\"insufficient_scope\", scope=\"data\"".to_owned();
    assert_eq!(
        send(strict, json!({"aud": "api"})).1,
        Some(End::Refused(403, Some(insufficient)))
    );
    let introspect = json!({"bff_token": null, "phantom_token": {"jwt_access_tokens": "introspect"}});
    assert_eq!(send(introspect, good), (true, None));
}
