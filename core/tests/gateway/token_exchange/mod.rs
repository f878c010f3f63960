//! Token exchange (RFC 8693): each API gets a token of its own, instead of introspection or after it.

mod flights;
mod refusals;
mod settings;

use bff_core::encoding::base64url;
use bff_core::gateway::Gateway;
use bff_core::gateway::authorization_server::{ServerRequest, ServerResponse, Step};
use bff_core::gateway::effect::{Command, Effect};
use bff_core::gateway::single_flight::FlightId;
use serde_json::{Value, json};

use crate::support::*;

/// A stage that exchanges without introspection.
fn alone(exchange: Value, changes: Value) -> Gateway {
    stage(exchange, changes, true)
}

/// A stage that exchanges after introspection.
fn after_introspection(exchange: Value, changes: Value) -> Gateway {
    stage(exchange, changes, false)
}

fn stage(exchange: Value, changes: Value, is_alone: bool) -> Gateway {
    let mut phantom_token = json!({"token_exchange": exchange_for("orders")});
    if is_alone {
        phantom_token["introspection_endpoint"] = Value::Null;
    }
    let mut settings = json!({"bff_token": {"allow_tokens": true}, "phantom_token": phantom_token});
    merge(&mut settings, json!({"phantom_token": {"token_exchange": exchange}}));
    merge(&mut settings, json!({"phantom_token": changes}));
    gateway(settings)
}

fn callout(effects: &[Effect]) -> (Step, FlightId) {
    let mut found = effects.iter().filter_map(|effect| match effect {
        Effect::Run(Command::CallOut { flight, request }) => Some((request.step, *flight)),
        _ => None,
    });
    let callout = found.next().expect("a callout");
    assert!(found.next().is_none() && ends(effects).is_empty());
    callout
}

fn request(effects: Vec<Effect>) -> ServerRequest {
    let mut requests = effects.into_iter().filter_map(|effect| match effect {
        Effect::Run(Command::CallOut { request, .. }) => Some(request),
        _ => None,
    });
    requests.next().expect("a callout")
}

fn body(request: &ServerRequest) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

/// The response of introspection before an exchange.
fn is_active(claims: Value) -> ServerResponse {
    let mut members = json!({"active": true});
    merge(&mut members, claims);
    response(200, "application/json", &[], &members.to_string())
}

fn answer(members: &Value) -> ServerResponse {
    response(
        200,
        "application/json;charset=UTF-8",
        &["no-store"],
        &members.to_string(),
    )
}

fn oauth_error(status: u16, error: &str) -> ServerResponse {
    response(
        status,
        "application/json",
        &["no-store"],
        &json!({"error": error}).to_string(),
    )
}

fn forwarded(token: &str) -> End {
    End::Forwarded(format!("Bearer {token}"))
}

/// Sends a request for which the exchange has this response. Returns how it ends.
fn exchange(gateway: &mut Gateway, token: &str, response: &ServerResponse) -> Vec<Effect> {
    let (step, flight) = callout(&gateway.ask(1, &bearer(token), NOW));
    assert_eq!(step, Step::Exchange);
    gateway.on_server_response(flight, response, NOW)
}

/// As before, after introspection with these claims.
fn introspect_and_exchange(gateway: &mut Gateway, claims: Value, response: &ServerResponse) -> Vec<Effect> {
    let (step, flight) = callout(&gateway.ask(1, &bearer("opaque"), NOW));
    assert_eq!(step, Step::Introspection);
    let (step, flight) = callout(&gateway.on_server_response(flight, &is_active(claims), NOW));
    assert_eq!(step, Step::Exchange);
    gateway.on_server_response(flight, response, NOW)
}

const URNS: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";

#[test]
fn the_request_has_the_token_its_type_and_what_it_is_exchanged_for() {
    let mut gateway = alone(
        json!({"resource": "https://api.example.com/orders", "scopes": ["read", "write:all"]}),
        json!({}),
    );
    let made = request(gateway.ask(1, &bearer("to+ken"), NOW));
    let header = |name: &str| {
        made.headers
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header(":path"), Some("/oauth/v2/oauth-token"));
    assert_eq!(header(":authority"), Some("login.example.com"));
    assert_eq!(header("accept"), Some("application/json"));
    assert!(header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert_eq!(
        body(&made),
        format!(
            "{URNS}&subject_token=to%2Bken&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &audience=orders&resource=https%3A%2F%2Fapi.example.com%2Forders&scope=read%20write%3Aall"
        )
    );
    for (requested, expected) in [
        (
            "jwt",
            Some("&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&"),
        ),
        ("unspecified", None),
    ] {
        let mut gateway = alone(json!({"requested_token_type": requested}), json!({}));
        let made = request(gateway.ask(1, &bearer("token"), NOW));
        assert_eq!(body(&made).contains("requested_token_type"), expected.is_some());
        assert!(expected.is_none_or(|expected| body(&made).contains(expected)));
        assert!(!body(&made).contains("resource=") && !body(&made).contains("scope="));
    }
}

#[test]
fn the_api_gets_the_exchanged_token_and_the_server_is_asked_once() {
    let mut gateway = alone(json!({}), json!({}));
    let (_, flight) = callout(&gateway.ask(1, &valid("GET", "session"), NOW));
    assert!(gateway.ask(2, &valid("POST", "session"), NOW).is_empty());
    let token = jwt(json!({"aud": "orders"}));
    let ended = ends(&gateway.on_server_response(flight, &exchanged(&token), NOW));
    assert_eq!(ended, [(1, forwarded(&token)), (2, forwarded(&token))]);
    assert_eq!(
        ends(&gateway.ask(3, &valid("GET", "session"), NOW + 299)),
        [(3, forwarded(&token))]
    );
}

#[test]
fn an_active_token_is_exchanged_after_introspection_and_an_inactive_one_is_not() {
    let mut gateway = after_introspection(json!({}), json!({}));
    let token = jwt(json!({"aud": "orders"}));
    let effects = introspect_and_exchange(&mut gateway, json!({"sub": "a"}), &exchanged(&token));
    assert_eq!(ends(&effects), [(1, forwarded(&token))]);
    assert_eq!(
        ends(&gateway.ask(2, &bearer("opaque"), NOW + 1)),
        [(2, forwarded(&token))]
    );

    let (_, flight) = callout(&gateway.ask(3, &bearer("other"), NOW));
    let inactive = response(200, "application/json", &[], r#"{"active":false}"#);
    assert_eq!(rejection(&gateway.on_server_response(flight, &inactive, NOW)).0, 401);
}

#[test]
fn introspection_before_an_exchange_asks_for_json_and_needs_no_jwt_in_it() {
    let mut gateway = after_introspection(json!({}), json!({}));
    let made = request(gateway.ask(1, &bearer("opaque"), NOW));
    assert!(
        made.headers
            .iter()
            .any(|(name, value)| *name == "accept" && value.as_str() == "application/json")
    );
    assert_eq!(body(&made), "token_type_hint=access_token&token=opaque");
}

#[test]
fn a_jwt_is_exchanged_like_any_other_token() {
    let (subject, token) = (jwt(json!({"aud": "everything"})), jwt(json!({"aud": "orders"})));
    let mut gateway = alone(json!({}), json!({}));
    assert_eq!(
        ends(&exchange(&mut gateway, &subject, &exchanged(&token))),
        [(1, forwarded(&token))]
    );
}

#[test]
fn a_token_is_kept_as_long_as_the_shortest_of_its_bounds_and_cache_control_is_none() {
    let within = |exp: u64| json!({"aud": "orders", "exp": NOW + exp});
    let with = |expires_in: Value, exp: u64| {
        answer(&json!({"access_token": jwt(within(exp)), "token_type": "Bearer", "expires_in": expires_in}))
    };
    for (cache_seconds, subject, response, kept) in [
        (900, "opaque".to_owned(), with(json!(300), 3000), 300),
        (900, "opaque".to_owned(), with(json!("300"), 3000), 300),
        (900, "opaque".to_owned(), with(json!(3000), 200), 200),
        (900, "opaque".to_owned(), with(json!(3000), 3000), 900),
        (900, "opaque".to_owned(), with(Value::Null, 3000), 900),
        (900, "opaque".to_owned(), with(json!(0), 100), 100),
        (900, "opaque".to_owned(), with(json!("soon"), 100), 100),
        (60, "opaque".to_owned(), with(json!(3000), 3000), 60),
        // Not longer than the token for which it was exchanged.
        (900, jwt(json!({"exp": NOW + 20})), with(json!(300), 300), 20),
    ] {
        let mut gateway = alone(json!({}), json!({"token_cache_seconds": cache_seconds}));
        assert_eq!(ends(&exchange(&mut gateway, &subject, &response)).len(), 1);
        assert_eq!(
            ends(&gateway.ask(2, &bearer(&subject), NOW + kept - 1)).len(),
            1,
            "{kept}"
        );
        callout(&gateway.ask(3, &bearer(&subject), NOW + kept));
    }
    let token = jwt(json!({"exp": NOW + 3000}));
    let lasting = answer(&json!({"access_token": token, "token_type": "Bearer"}));
    for (introspected, kept) in [
        (is_active(json!({"exp": NOW + 30})), 30),
        (
            response(200, "application/json", &["max-age=10"], r#"{"active":true}"#),
            10,
        ),
    ] {
        let mut gateway = after_introspection(json!({}), json!({}));
        let (_, flight) = callout(&gateway.ask(1, &bearer("opaque"), NOW));
        let (_, flight) = callout(&gateway.on_server_response(flight, &introspected, NOW));
        assert_eq!(
            ends(&gateway.on_server_response(flight, &lasting, NOW)),
            [(1, forwarded(&token))]
        );
        assert_eq!(ends(&gateway.ask(2, &bearer("opaque"), NOW + kept - 1)).len(), 1);
        callout(&gateway.ask(3, &bearer("opaque"), NOW + kept));
    }
}

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
        (of(json!({"aud": "billing", "scope": "write"}), json!({})), Some(401)),
        (of(json!({"scope": "write"}), json!({})), Some(401)),
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
    let mut gateway = alone(json!({}), json!({}));
    assert_eq!(
        ends(&exchange(&mut gateway, "opaque", &exchanged(&token))),
        [(1, forwarded(&token))]
    );
    let mut gateway = alone(json!({}), json!({}));
    assert_eq!(
        rejection(&exchange(&mut gateway, &jwt(bound.clone()), &exchanged(&free))).0,
        401
    );
    let mut gateway = after_introspection(json!({}), json!({}));
    assert_eq!(
        rejection(&introspect_and_exchange(&mut gateway, bound, &exchanged(&free))).0,
        401
    );
    let mut gateway = alone(json!({}), json!({"require_certificate_binding": true}));
    assert_eq!(
        rejection(&exchange(&mut gateway, "opaque", &exchanged(&token))).0,
        401,
        "nothing is known of it"
    );
}

#[test]
fn what_the_session_says_of_the_users_authentication_counts_before_what_the_exchanged_token_says() {
    let strong = json!({"required_acr": ["gold"]});
    for (introspected, claims, is_sufficient) in [
        // Keycloak writes the lowest level into every exchanged token.
        (json!({"acr": "gold"}), json!({"acr": "password"}), true),
        (json!({"acr": "password"}), json!({"acr": "gold"}), false),
        (json!({}), json!({"acr": "gold"}), true),
        (json!({}), json!({}), false),
    ] {
        let mut gateway = after_introspection(json!({}), strong.clone());
        let effects = introspect_and_exchange(&mut gateway, introspected.clone(), &exchanged(&jwt(claims)));
        let is_forwarded = matches!(ends(&effects)[..], [(1, End::Forwarded(_))]);
        assert_eq!(is_forwarded, is_sufficient, "{introspected}");
    }
}
