//! Nobody gets more by an exchange than the caller's token permits.

use bff_core::encoding::base64url;
use bff_core::gateway::effect::Effect;
use bff_core::gateway::single_flight::FlightId;
use serde_json::{Value, json};

use super::*;

#[test]
fn the_entry_point_requires_scopes_and_audience_of_the_exchanged_token() {
    let required = json!({"required_scopes": ["write"], "required_audience": "orders"});
    let of = |claims: Value, members: Value| {
        let mut all = json!({"access_token": jwt(claims), "token_type": "Bearer"});
        merge(&mut all, members);
        answer(&all)
    };
    let subject = jwt(json!({"scope": "read write", "aud": ["orders", "billing"]}));
    for (response, status) in [
        (of(json!({"aud": "orders", "scope": "read write"}), json!({})), None),
        (of(json!({"aud": "orders", "scp": ["write"]}), json!({})), None),
        (of(json!({"aud": "orders"}), json!({"scope": "write"})), None),
        // The request asks for this scope, and nothing says that it was not granted.
        (of(json!({"aud": "orders"}), json!({})), None),
        (
            of(json!({"aud": "orders", "scope": "write"}), json!({"scope": "read"})),
            Some(403),
        ),
        (of(json!({"aud": "orders", "scope": "read"}), json!({})), Some(403)),
        // The caller can do nothing about it: not HTTP 401, after which a page signs in again.
        (of(json!({"aud": "billing", "scope": "write"}), json!({})), Some(403)),
        (of(json!({"scope": "write"}), json!({})), Some(403)),
    ] {
        let mut gateway = alone(json!({"scopes": ["write"]}), required.clone());
        let effects = exchange(&mut gateway, &subject, &response);
        match (status, ends(&effects).as_slice()) {
            (None, [(1, End::Forwarded(_))]) => {}
            (Some(expected), [(1, End::Refused(status, _))]) => assert_eq!(*status, expected),
            (_, others) => panic!("{others:?}"),
        }
    }
}

#[test]
fn the_client_proves_the_key_of_its_own_token_and_not_that_of_the_exchanged_one() {
    let bound = json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}});
    let (free, token) = (jwt(json!({})), jwt(bound.clone()));
    // No certificate on this connection.
    let mut gateway = after_introspection(json!({}), json!({}));
    assert_eq!(
        ends(&introspect_and_exchange(&mut gateway, json!({}), &exchanged(&token))),
        [(1, forwarded(&token))]
    );
    for changes in [json!({}), json!({"require_certificate_binding": true})] {
        let mut gateway = after_introspection(json!({}), changes);
        assert_eq!(
            rejection(&introspect_and_exchange(&mut gateway, bound.clone(), &exchanged(&free))).0,
            401
        );
    }
    // The response may omit what the token itself says.
    for claims in [bound.clone(), json!({"cnf": {"jkt": "a DPoP key"}})] {
        let mut gateway = after_introspection(json!({}), json!({}));
        let (_, flight) = callout(&gateway.ask(1, &bearer(&jwt(claims)), NOW));
        let (_, flight) = callout(&gateway.on_server_response(flight, &is_active(json!({})), NOW));
        assert_eq!(
            rejection(&gateway.on_server_response(flight, &exchanged(&free), NOW)).0,
            401
        );
    }
    let mut gateway = after_introspection(json!({}), json!({"require_certificate_binding": true}));
    assert_eq!(
        rejection(&introspect_and_exchange(&mut gateway, json!({}), &exchanged(&token))).0,
        401
    );
}

#[test]
fn the_users_authentication_is_that_of_the_caller_s_token_and_never_that_of_the_exchanged_one() {
    let strong = json!({"required_acr": ["gold"], "max_auth_age": 60});
    let recent = json!({"acr": "gold", "auth_time": NOW - 10});
    let old = json!({"acr": "gold", "auth_time": NOW - 1000});
    // The caller's token, what introspection says of it, what the exchanged token says.
    for (subject, introspected, claims, is_sufficient) in [
        // Keycloak writes the lowest level into every exchanged token.
        ("opaque".to_owned(), recent.clone(), json!({"acr": "password"}), true),
        (
            "opaque".to_owned(),
            json!({"acr": "password", "auth_time": NOW}),
            recent.clone(),
            false,
        ),
        ("opaque".to_owned(), json!({}), recent.clone(), false),
        // Not one claim of one sign-in, and the other one of another.
        ("opaque".to_owned(), json!({"acr": "gold"}), recent.clone(), false),
        (
            "opaque".to_owned(),
            json!({"acr": "gold", "auth_time": "soon"}),
            recent.clone(),
            false,
        ),
        (jwt(recent.clone()), json!({}), json!({}), true),
        (jwt(old.clone()), json!({}), recent.clone(), false),
        (jwt(recent.clone()), old, json!({}), false),
    ] {
        let mut gateway = after_introspection(json!({}), strong.clone());
        let (_, flight) = callout(&gateway.ask(1, &of_session(&subject), NOW));
        let (_, flight) = callout(&gateway.on_server_response(flight, &is_active(introspected.clone()), NOW));
        let effects = gateway.on_server_response(flight, &exchanged(&jwt(claims)), NOW);
        let is_forwarded = matches!(ends(&effects)[..], [(1, End::Forwarded(_))]);
        assert_eq!(is_forwarded, is_sufficient, "{introspected}");
    }
    let mut gateway = alone(json!({}), strong.clone());
    let forwarded = ends(&exchange(
        &mut gateway,
        &jwt(recent.clone()),
        &exchanged(&jwt(json!({}))),
    ));
    assert!(matches!(forwarded[..], [(1, End::Forwarded(_))]));
    let mut gateway = alone(json!({}), strong);
    assert_eq!(
        rejection(&exchange(&mut gateway, "opaque", &exchanged(&jwt(recent)))).0,
        401
    );
}

/// Many servers decode leniently, so that a token that was changed in this way is still theirs.
#[test]
fn a_jwt_that_was_changed_so_that_its_claims_are_overlooked_is_refused() {
    let bound = jwt(json!({"cnf": {"x5t#S256": base64url::encode(&[5; 32])}}));
    let typed = |typ: &str| {
        let header = base64url::encode(json!({"alg": "RS256", "typ": typ}).to_string().as_bytes());
        format!("{header}.{}.c2lnbmF0dXJl", base64url::encode(b"{}"))
    };
    for changed in [
        format!("{bound}="),
        format!("{bound}=="),
        format!("{bound}A"),
        bound.replacen('.', "=.", 1),
        bound.replacen("eyJ", "ey!J", 1),
        bound.replacen('.', "+.", 1),
        typed("dpop+jwt"),
        typed("logout+jwt"),
    ] {
        for mut gateway in [after_introspection(json!({}), json!({})), alone(json!({}), json!({}))] {
            let effects = gateway.ask(1, &of_session(&changed), NOW);
            assert_eq!((rejection(&effects).0, flight(&effects)), (401, None), "{changed}");
        }
    }
    // Neither is meant as a JWT.
    for opaque in ["a.b.c", "one.two", "e30.e30"] {
        callout(&alone(json!({}), json!({})).ask(1, &of_session(opaque), NOW));
    }
}

#[test]
fn a_token_of_another_audience_or_without_a_scope_is_not_exchanged_for_more() {
    let token = jwt(json!({"aud": "orders"}));
    let strict = json!({"subject_audience": "gateway", "subject_scopes": ["orders"]});
    for (claims, status) in [
        (json!({"aud": ["gateway", "spa"], "scope": "openid orders"}), None),
        (json!({"aud": "somebody-elses-app", "scope": "orders"}), Some(401)),
        (json!({"aud": null, "scope": "orders"}), Some(401)),
        (json!({"aud": "gateway", "scope": "openid"}), Some(403)),
        (json!({"aud": "gateway"}), Some(403)),
    ] {
        let mut gateway = after_introspection(strict.clone(), json!({}));
        match status {
            None => {
                let effects = introspect_and_exchange(&mut gateway, claims, &exchanged(&token));
                assert_eq!(ends(&effects), [(1, forwarded(&token))]);
            }
            Some(status) => {
                let (_, flight) = callout(&gateway.ask(1, &bearer("opaque"), NOW));
                let effects = gateway.on_server_response(flight, &is_active(claims.clone()), NOW);
                assert_eq!((rejection(&effects).0, flight_of(&effects)), (status, None), "{claims}");
                let again = gateway.ask(2, &bearer("opaque"), NOW + 4);
                assert_eq!(rejection(&again).0, status, "asked again");
                // Not HTTP 401, after which a page signs in again and gets another such token.
                let again = gateway.ask(3, &of_session("opaque"), NOW + 4);
                assert_eq!(rejection(&again).0, 403, "{claims}");
                callout(&gateway.ask(4, &bearer("opaque"), NOW + 5));
            }
        }
    }
}

fn flight_of(effects: &[Effect]) -> Option<FlightId> {
    flight(effects).map(|(_, id)| id)
}
