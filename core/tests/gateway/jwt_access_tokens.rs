//! Access tokens that are JWTs and are introspected (`jwt_access_tokens: introspect`).

use bff_core::gateway::authorization_server::ServerResponse;
use serde_json::{Value, json};

use crate::support::*;

fn introspect() -> Value {
    json!({"bff_token": null, "phantom_token": {"jwt_access_tokens": "introspect"}})
}

fn members(members: Value) -> ServerResponse {
    response(200, "application/json", &[], &members.to_string())
}

fn end(changes: Value, token: &str, response: &ServerResponse) -> End {
    let mut gateway = gateway(changes);
    let (_, flight) = flight(&gateway.ask(1, &bearer(token), NOW)).expect("a callout");
    ends(&gateway.on_server_response(flight, response, NOW))
        .pop()
        .expect("an end")
        .1
}

#[test]
fn a_jwt_that_introspection_calls_active_with_claims_alone_is_passed_on_itself() {
    let token = jwt(json!({"sub": "a", "exp": NOW + 100}));
    let forwarded = End::Forwarded(format!("Bearer {token}"));
    let active = members(json!({"active": true, "sub": "a", "exp": NOW + 50}));
    assert_eq!(end(introspect(), &token, &active), forwarded);
    // From a cookie too.
    let mut gateway = gateway(json!({"phantom_token": {"jwt_access_tokens": "introspect"}}));
    let (_, id) = flight(&gateway.ask(1, &valid("POST", &token), NOW)).expect("a callout");
    assert_eq!(ends(&gateway.on_server_response(id, &active, NOW)), [(1, forwarded)]);
    // Cached until the earlier of the two expiries.
    assert!(flight(&gateway.ask(2, &valid("POST", &token), NOW + 49)).is_none());
    assert!(flight(&gateway.ask(3, &valid("POST", &token), NOW + 50)).is_some());
}

#[test]
fn it_is_refused_where_introspection_does_not_call_it_active_or_it_is_no_token_for_an_api() {
    let token = jwt(json!({"sub": "a", "exp": NOW + 100}));
    for inactive in [
        json!({"active": false}),
        json!({"active": "true"}),
        json!({"active": true, "exp": NOW}),
    ] {
        assert!(matches!(
            end(introspect(), &token, &members(inactive.clone())),
            End::Refused(401, _)
        ));
    }
    let active = members(json!({"active": true}));
    let expired = jwt(json!({"exp": NOW}));
    assert!(matches!(end(introspect(), &expired, &active), End::Refused(401, _)));
    let id_token = format!(
        "{}.e30.c2ln",
        bff_core::encoding::base64url::encode(br#"{"alg":"RS256","typ":"logout+jwt"}"#)
    );
    for (token, response) in [
        ("opaque", &active),
        (&id_token, &active),
        (&token, &members(json!({}))),
        (&token, &members(json!({"active": true, "jwt": 5}))),
        (&token, &members(json!({"active": true, "jwt": "no.jwt"}))),
        (&token, &members(json!({"active": true, "exp": "soon"}))),
    ] {
        assert_eq!(end(introspect(), token, response), End::Refused(502, None), "{token}");
    }
}

#[test]
fn another_jwt_that_the_answer_brings_goes_before_the_token_itself() {
    let (token, brought) = (jwt(json!({"sub": "light"})), jwt(json!({"sub": "whole"})));
    assert_eq!(
        end(introspect(), &token, &members(json!({"active": true, "jwt": brought}))),
        End::Forwarded(format!("Bearer {brought}"))
    );
    let null = members(json!({"active": true, "jwt": null}));
    assert_eq!(
        end(introspect(), &token, &null),
        End::Forwarded(format!("Bearer {token}"))
    );
}

#[test]
fn what_the_answer_says_of_scope_and_audience_goes_before_what_the_token_says_and_either_binds_it() {
    let strict = json!({"bff_token": null, "phantom_token": {
        "jwt_access_tokens": "introspect", "required_scopes": ["data"], "required_audience": "api",
    }});
    let key = bff_core::encoding::base64url::encode(&[5; 32]);
    for (token, response, expected) in [
        (json!({"scope": "data", "aud": "api"}), json!({}), 0),
        (json!({}), json!({"scope": "data", "aud": ["api"]}), 0),
        (json!({"scope": "data", "aud": "api"}), json!({"scope": "other"}), 403),
        (json!({"scp": ["data"], "aud": "api"}), json!({"scope": ""}), 403),
        (json!({"scope": "data", "aud": "api"}), json!({"scp": ["other"]}), 403),
        (json!({"scope": "data", "aud": "api"}), json!({"aud": "other"}), 401),
        (json!({"scope": "data", "aud": "other"}), json!({"aud": "api"}), 0),
        (
            json!({"scope": "data", "aud": "api", "cnf": {"x5t#S256": key}}),
            json!({}),
            401,
        ),
        (
            json!({"scope": "data", "aud": "api"}),
            json!({"cnf": {"x5t#S256": key}}),
            401,
        ),
        (
            json!({"scope": "data", "aud": "api"}),
            json!({"cnf": {"jkt": key}}),
            401,
        ),
    ] {
        let mut with_active = response.clone();
        with_active["active"] = json!(true);
        let status = match end(strict.clone(), &jwt(token.clone()), &members(with_active)) {
            End::Forwarded(_) => 0,
            End::Refused(status, _) => status,
        };
        assert_eq!(status, expected, "{token} {response}");
    }
}

#[test]
fn a_token_that_is_bound_to_two_keys_is_refused() {
    let key = bff_core::encoding::base64url::encode(&[5; 32]);
    for two in [
        json!({"x5t#S256": key, "jkt": "abc"}),
        json!({"x5t#S256": key, "jwk": {}}),
        json!({"x5t#S256": key, "kid": "1"}),
        json!({"jwk": {}, "jkt": "abc"}),
    ] {
        let claims = json!({"active": true, "cnf": two});
        let token = jwt(json!({"sub": "a"}));
        assert_eq!(
            end(introspect(), &token, &members(claims)),
            End::Refused(502, None),
            "{two}"
        );
        assert_eq!(
            end(introspect(), "opaque", &active(json!({"cnf": two}))),
            End::Refused(502, None),
            "{two}"
        );
        // Without introspection, the token itself says so.
        let mut pass = gateway(json!({"bff_token": null}));
        let effects = pass.ask(1, &bearer(&jwt(json!({"cnf": two}))), NOW);
        assert_eq!(rejection(&effects).0, 401, "{two}");
    }
    // A key in a key set is one key, and an unknown confirmation method is not a second one (RFC 7800, section 3.1).
    for one in [
        json!({"jku": "https://keys", "kid": "1"}),
        json!({"jkt": "abc", "x-vendor": 1}),
    ] {
        let mut gateway = gateway(json!({}));
        let (_, id) = flight(&gateway.ask(1, &valid("GET", "opaque"), NOW)).expect("a callout");
        let end = ends(&gateway.on_server_response(id, &active(json!({"cnf": one})), NOW))
            .pop()
            .expect("an end")
            .1;
        assert!(matches!(end, End::Forwarded(_)), "{one}: the service's own token");
    }
}
