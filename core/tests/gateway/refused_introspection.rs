//! Introspection responses that say nothing about the token: errors, and tokens that are not introspected.

use bff_core::gateway::Gateway;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::counters::Counter;
use serde_json::{Value, json};

use crate::support::*;

/// Returns how a bearer token is refused whose introspection has this response.
fn answered(changes: Value, response: &ServerResponse) -> (Gateway, (u16, &'static str)) {
    let mut gateway = gateway(changes);
    let (_, flight) = flight(&gateway.ask(1, &bearer("made.up.token"), NOW)).expect("a callout");
    let rejection = rejection(&gateway.on_server_response(flight, response, NOW));
    (gateway, rejection)
}

fn bearer_only() -> Value {
    json!({"bff_token": null})
}

fn oauth_error(status: u16, error: &str) -> ServerResponse {
    response(
        status,
        "application/json; charset=utf-8",
        &["no-store"],
        &json!({"error": error, "error_description": "because"}).to_string(),
    )
}

#[test]
fn a_token_that_the_server_cannot_introspect_is_inactive_refused_with_401_and_remembered_briefly() {
    for error in ["unsupported_token_type", "invalid_token"] {
        let (mut gateway, (status, _)) = answered(bearer_only(), &oauth_error(400, error));
        assert_eq!(status, 401, "{error}");
        assert_eq!(gateway.counters().of(Counter::IntrospectionFailed), 0, "{error}");
        let again = gateway.ask(2, &bearer("made.up.token"), NOW + 4);
        assert_eq!((rejection(&again).0, flight(&again)), (401, None), "{error}");
        let later = gateway.ask(3, &bearer("made.up.token"), NOW + 5);
        assert!(flight(&later).is_some(), "{error}: asked again after five seconds");
    }
}

#[test]
fn any_other_400_may_be_our_own_fault_and_is_502_with_the_status_in_its_reason() {
    for other in [
        oauth_error(400, "invalid_request"),
        oauth_error(400, "invalid_client"),
        oauth_error(400, "INVALID_TOKEN"),
        response(400, "text/html", &[], "<html>invalid_token</html>"),
        response(400, "application/json", &[], "{\"error\":[\"invalid_token\"]}"),
        response(400, "application/json", &[], ""),
    ] {
        let (gateway, (status, why)) = answered(bearer_only(), &other);
        assert_eq!(status, 502);
        assert!(why.contains("introspection") && why.contains("HTTP 400"), "{why}");
        assert_eq!(gateway.counters().of(Counter::IntrospectionFailed), 1);
    }
    // The error codes mean this only with status 400.
    for status in [401, 403, 404, 500, 503] {
        let (_, refused) = answered(bearer_only(), &oauth_error(status, "invalid_token"));
        assert_eq!(refused.0, 502, "{status}");
    }
}

#[test]
fn a_token_with_alg_none_is_refused_and_nobody_is_asked() {
    let encode = |text: &str| bff_core::encoding::base64url::encode(text.as_bytes());
    for header in [r#"{"alg":"none"}"#, r#"{"typ":"at+jwt","alg":"NoNe"}"#] {
        for signature in ["", "c2ln"] {
            let token = format!("{}.{}.{signature}", encode(header), encode(r#"{"sub":"admin"}"#));
            for mode in ["pass", "introspect"] {
                let mut gateway = gateway(json!({"bff_token": null, "phantom_token": {"jwt_access_tokens": mode}}));
                let effects = gateway.ask(1, &bearer(&token), NOW);
                assert_eq!((rejection(&effects).0, flight(&effects)), (401, None), "{token} {mode}");
            }
            // From a cookie too.
            let mut gateway = gateway(json!({}));
            let effects = gateway.ask(1, &valid("GET", &token), NOW);
            assert_eq!((rejection(&effects).0, flight(&effects)), (401, None), "{token}");
        }
    }
    // A token that only resembles one is opaque.
    for token in [
        encode(r#"{"alg":"none"}"#),
        format!("{}.x", encode(r#"{"alg":"none"}"#)),
        "none.none.none".to_owned(),
    ] {
        let mut gateway = gateway(bearer_only());
        assert!(flight(&gateway.ask(1, &bearer(&token), NOW)).is_some(), "{token}");
    }
}

#[test]
fn a_reason_names_introspection_and_the_status_and_there_is_a_bounded_number_of_them() {
    let mut reasons = std::collections::BTreeSet::new();
    for status in 0..=u16::from(u8::MAX) * 4 {
        if [200, 204].contains(&status) {
            continue;
        }
        let (_, (refused, why)) = answered(
            bearer_only(),
            &response(status, "text/plain", &[], "no healthy upstream"),
        );
        assert_eq!(refused, if status == 504 { 504 } else { 502 });
        assert!(why.starts_with("introspection"), "{status}: {why}");
        reasons.insert(why);
    }
    assert!(reasons.len() < 80, "{}", reasons.len());
    for (status, words) in [
        (302, "HTTP 302"),
        (400, "HTTP 400"),
        (
            401,
            "HTTP 401: check client_id, client_secret and client_authentication",
        ),
        (
            403,
            "HTTP 403: the authorization server does not let this client introspect",
        ),
        (404, "HTTP 404"),
        (429, "HTTP 429"),
        (500, "HTTP 500"),
        (502, "HTTP 502"),
        (503, "HTTP 503, which Envoy also answers if it cannot reach"),
        (504, "no response within timeout_ms, or HTTP 504"),
        (418, "HTTP 4xx"),
        (0, "the response has no HTTP status"),
    ] {
        let (_, (_, why)) = answered(
            json!({"bff_token": null, "phantom_token": {"client_secret": {"env": null, "inline": "plain"}}}),
            &response(status, "", &[], ""),
        );
        assert!(why.contains(words), "{status}: {why}");
    }
    let (_, (_, why)) = answered(bearer_only(), &ServerResponse::Failed);
    assert!(why.starts_with("introspection failed: the connection"), "{why}");
}
