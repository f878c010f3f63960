//! Requirements of a route in addition to those of its entry point, and the route that serves the response.

use bff_core::gateway::Gateway;
use bff_core::gateway::effect::{Decision, Effect, Forward, ResponseContext};
use bff_core::gateway::error_code::ErrorCode;
use bff_core::request::head::RequestHead;
use serde_json::{Value, json};

use crate::attributes::*;
use crate::support::*;

#[test]
fn a_route_adds_its_own_requirements() {
    let changes = json!({"phantom_token": {"route_metadata": "bff_filter", "required_scopes": ["data"]}});
    let status = |scopes, audience, claims: Value| {
        let attributes = TestAttributes {
            scopes,
            audience,
            ..NOWHERE
        };
        let (first, second) = both(
            &mut gateway(changes.clone()),
            &valid("GET", "token"),
            &attributes,
            &active(claims),
        );
        assert_eq!(first, second);
        match first {
            End::Forwarded(_) => 200,
            End::Refused(status, _) => status,
        }
    };
    let claims = json!({"scope": "data orders", "aud": "orders-api", "exp": NOW + 100});
    assert_eq!(status(Some(""), None, claims.clone()), 200);
    assert_eq!(status(Some("orders"), Some("orders-api"), claims.clone()), 200);
    assert_eq!(status(Some("orders admin"), None, claims.clone()), 403);
    assert_eq!(status(None, Some("other-api"), claims.clone()), 401);
    // The requirements of the entry point remain.
    assert_eq!(
        status(Some("orders"), None, json!({"scope": "orders", "exp": NOW + 100})),
        403
    );
    // A route whose metadata is missing or malformed refuses every request.
    assert_eq!(status(None, None, claims.clone()), 500);
    assert_eq!(status(Some("or\"ders"), None, claims.clone()), 500);
    // A number instead of a string arrives as the bytes of a float. Its requirement is not ignored.
    assert_eq!(status(Some("orders"), Some("\0\0\0\0\0\0\u{8}@"), claims.clone()), 500);
    assert_eq!(status(Some("orders"), Some(""), claims.clone()), 500);
    assert_eq!(status(Some("\0\0\0\0\0\0\u{8}@"), Some("orders-api"), claims), 500);
}

#[test]
fn one_answer_serves_routes_with_different_requirements() {
    let mut gateway = gateway(json!({"phantom_token": {"route_metadata": "bff_filter"}}));
    let on = |scopes| TestAttributes {
        scopes: Some(scopes),
        ..NOWHERE
    };
    let response = active(json!({"scope": "orders", "exp": NOW + 100}));
    let (first, _) = both(&mut gateway, &valid("GET", "token"), &on("orders"), &response);
    assert!(matches!(first, End::Forwarded(_)));
    let effects = asked(&mut gateway, 7, &valid("GET", "token"), &on("admin"), NOW);
    assert!(flight(&effects).is_none(), "the response is known");
    assert_eq!(ends(&effects).pop().unwrap().1, End::Refused(403, None));
}

#[test]
fn a_refusal_for_a_scope_names_every_scope_that_the_entry_point_and_the_route_require() {
    let mut gateway = gateway(json!({"bff_token": null,
        "phantom_token": {"route_metadata": "bff_filter", "required_scopes": ["data", "openid"]}}));
    let attributes = TestAttributes {
        scopes: Some("orders data write"),
        ..NOWHERE
    };
    for has in ["", "data openid", "orders write", "data openid orders"] {
        let response = active(json!({"scope": has, "exp": NOW + 100}));
        let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"data openid orders write\"";
        let refused = End::Refused(403, Some(challenge.to_owned()));
        let (first, second) = both(
            &mut gateway,
            &bearer(&format!("token-{}", has.len())),
            &attributes,
            &response,
        );
        assert_eq!((&first, &second), (&refused, &refused), "{has}");
    }
}

/// A forwarded request on a route whose metadata is read again when the response comes.
fn forwarded(gateway: &mut Gateway, head: &RequestHead, attributes: &TestAttributes) -> ResponseContext {
    let mut effects = asked(gateway, 1, head, attributes, NOW);
    if let Some((_, id)) = flight(&effects) {
        effects = gateway.on_server_response(
            id,
            &active(json!({"scope": "orders", "aud": "api", "exp": NOW + 100})),
            NOW,
        );
    }
    match effects.pop() {
        Some(Effect::Decide {
            decision: Decision::Forward(Forward { context, .. }),
            ..
        }) => context,
        _ => panic!("not forwarded"),
    }
}

#[test]
fn a_response_of_another_route_than_the_one_that_was_asked_does_not_go_out() {
    let mut gateway = gateway(json!({"phantom_token": {"route_metadata": "bff_filter"}}));
    let asked = TestAttributes {
        scopes: Some("orders"),
        audience: Some("api"),
        ..NOWHERE
    };
    // After a callout, with a cached result, and with a cached cookie.
    for _ in 0..3 {
        let required = forwarded(&mut gateway, &valid("GET", "token"), &asked).route.unwrap();
        assert_eq!(gateway.on_response(&required, &asked), None);
        let another = |scopes, audience| TestAttributes {
            scopes,
            audience,
            ..NOWHERE
        };
        for served in [
            another(Some("admin"), Some("api")),
            another(Some("orders"), None),
            another(Some("orders admin"), Some("api")),
            // A route with fewer requirements is also another route.
            another(Some(""), Some("api")),
            another(None, None),
            another(Some("or\"ders"), Some("api")),
        ] {
            let refused = gateway.on_response(&required, &served).expect("another route");
            assert_eq!(refused.code, ErrorCode::ServerError);
        }
    }
    let counted = gateway
        .counters()
        .of(bff_core::gateway::counters::Counter::Rejected(ErrorCode::ServerError));
    assert_eq!(counted, 18);
}

#[test]
fn where_routes_are_asked_a_client_sends_no_header_that_only_the_filter_sets() {
    let asking = json!({"route_metadata": "bff_filter", "response": "claims", "claim_to_headers": [
        {"header_name": "x-tenant", "claim_name": "tenant"}]});
    let attributes = TestAttributes {
        scopes: Some(""),
        ..NOWHERE
    };
    let cookie = at("token");
    let status = |changes: &Value, lines: &[(&str, &str)]| {
        let head = head("GET", &[lines, &[("cookie", &cookie)]].concat());
        let effects = Vec::from_iter(gateway(changes.clone()).on_request(1, &head, &attributes, NOW));
        match ends(&effects).pop() {
            Some((_, End::Refused(status, challenge))) => Some((status, challenge)),
            _ => None,
        }
    };
    let changes = json!({"phantom_token": asking});
    for name in ["x-tenant", "x_tenant", "x.tenant", "authorization"] {
        assert_eq!(status(&changes, &[(name, "lax")]), Some((400, None)), "{name}");
    }
    // The CSRF header, which browsers send; and without route metadata, any header: removed as always.
    assert_eq!(
        status(&changes, &[("x-example-csrf", "junk"), ("x-other", "lax")]),
        None
    );
    let mut plain = changes.clone();
    plain["phantom_token"]["route_metadata"] = Value::Null;
    assert_eq!(
        status(&plain, &[("x-tenant", "lax"), ("authorization", "Bearer mine")]),
        None
    );
}

#[test]
fn the_response_to_a_request_that_a_cookie_let_in_is_known_as_one() {
    let mut both = gateway(json!({"bff_token": {"allow_tokens": true}}));
    for _ in 0..3 {
        assert!(forwarded(&mut both, &valid("GET", "token"), &NOWHERE).by_cookie);
        assert!(!forwarded(&mut both, &bearer("token"), &NOWHERE).by_cookie);
    }
}
