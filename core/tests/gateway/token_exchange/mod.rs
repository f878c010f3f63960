//! Token exchange (RFC 8693): each API gets a token of its own, instead of introspection or after it.

mod authority;
mod flights;
mod refusals;
mod settings;

use bff_core::cookie::purpose::Purpose;
use bff_core::gateway::Gateway;
use bff_core::gateway::authorization_server::{ServerRequest, ServerResponse, Step};
use bff_core::gateway::effect::{Command, Effect};
use bff_core::gateway::notices::Notice;
use bff_core::gateway::single_flight::FlightId;
use bff_core::request::head::RequestHead;
use serde_json::{Value, json};

use crate::support::*;

/// A stage that exchanges without introspection, for cookies.
fn alone(exchange: Value, changes: Value) -> Gateway {
    let settings = json!({"phantom_token": {"introspection_endpoint": null, "token_exchange": exchange_for("orders")}});
    stage(settings, exchange, changes)
}

/// A stage that exchanges after introspection, for cookies and bearer tokens.
fn after_introspection(exchange: Value, changes: Value) -> Gateway {
    let mut settings = json!({"phantom_token": {"token_exchange": exchange_for("orders")}});
    merge(
        &mut settings,
        json!({"phantom_token": {"token_exchange": {"subject_audience": "gateway"}}}),
    );
    settings["bff_token"] = json!({"allow_tokens": true});
    stage(settings, exchange, changes)
}

fn stage(mut settings: Value, exchange: Value, changes: Value) -> Gateway {
    merge(&mut settings, json!({"phantom_token": {"token_exchange": exchange}}));
    merge(&mut settings, json!({ "phantom_token": changes }));
    gateway(settings)
}

/// A request whose session has this access token, for as long as a test needs.
fn of_session(token: &str) -> RequestHead<'static> {
    let cookie = seal_as(Purpose::AccessToken, token, SESSION, u64::MAX);
    head("GET", &[("cookie", &format!("example-at={cookie}"))])
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
    let mut members = json!({"active": true, "aud": "gateway"});
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
    let (step, flight) = callout(&gateway.ask(1, &of_session(token), NOW));
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
    let made = request(gateway.ask(1, &of_session("to+ken"), NOW));
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
        let made = request(gateway.ask(1, &of_session("token"), NOW));
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
        ends(&gateway.ask(3, &valid("GET", "session"), NOW + 289)),
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

    let (_, flight) = callout(&gateway.ask(3, &of_session("other"), NOW));
    let inactive = response(200, "application/json", &[], r#"{"active":false}"#);
    assert_eq!(rejection(&gateway.on_server_response(flight, &inactive, NOW)).0, 401);
}

#[test]
fn introspection_before_an_exchange_asks_for_json_and_needs_no_jwt_in_it() {
    let mut gateway = after_introspection(json!({}), json!({}));
    let made = request(gateway.ask(1, &of_session("opaque"), NOW));
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
    let opaque = || "opaque".to_owned();
    for (cache_seconds, subject, response, kept) in [
        // Not in the last ten seconds of the new token, or in the last tenth of a short one.
        (900, opaque(), with(json!(300), 3000), 290),
        (900, opaque(), with(json!("300"), 3000), 290),
        (900, opaque(), with(json!(300.9), 3000), 290),
        (900, opaque(), with(json!(3000), 200), 190),
        (900, opaque(), with(json!(30), 3000), 27),
        (900, opaque(), with(json!(3000), 3000), 900),
        (900, opaque(), with(Value::Null, 3000), 900),
        (900, opaque(), with(json!(0), 100), 90),
        (60, opaque(), with(json!(3000), 3000), 60),
        // Not longer than the token for which it was exchanged.
        (900, jwt(json!({"exp": NOW + 20})), with(json!(300), 300), 20),
    ] {
        let mut gateway = alone(json!({}), json!({"token_cache_seconds": cache_seconds}));
        assert_eq!(ends(&exchange(&mut gateway, &subject, &response)).len(), 1);
        let again = gateway.ask(2, &of_session(&subject), NOW + kept - 1);
        assert_eq!(ends(&again).len(), 1, "{kept}");
        callout(&gateway.ask(3, &of_session(&subject), NOW + kept));
    }
    let token = jwt(json!({"exp": NOW + 3000}));
    let lasting = answer(&json!({"access_token": token, "token_type": "Bearer"}));
    let active = r#"{"active":true,"aud":"gateway"}"#;
    for (subject, introspected, kept) in [
        (opaque(), is_active(json!({"exp": NOW + 30})), 30),
        (jwt(json!({"exp": NOW + 25})), is_active(json!({"exp": NOW + 30})), 25),
        (jwt(json!({"exp": NOW + 25})), is_active(json!({})), 25),
        (opaque(), response(200, "application/json", &["max-age=10"], active), 10),
    ] {
        let mut gateway = after_introspection(json!({}), json!({}));
        let (_, flight) = callout(&gateway.ask(1, &of_session(&subject), NOW));
        let (_, flight) = callout(&gateway.on_server_response(flight, &introspected, NOW));
        assert_eq!(
            ends(&gateway.on_server_response(flight, &lasting, NOW)),
            [(1, forwarded(&token))]
        );
        assert_eq!(ends(&gateway.ask(2, &of_session(&subject), NOW + kept - 1)).len(), 1);
        callout(&gateway.ask(3, &of_session(&subject), NOW + kept));
    }
}

/// The page can refresh its own token only.
#[test]
fn a_stream_ends_with_the_token_of_the_session_and_not_with_the_exchanged_one() {
    let settings = json!({
        "end_streams": "token",
        "bff_token": {"ended_sessions": {"cluster": "bff_admin"}},
        "phantom_token": {"token_exchange": exchange_for("orders")},
    });
    let mut gateway = gateway(settings);
    let (_, flight) = callout(&gateway.ask(1, &of_session("opaque"), NOW));
    let introspected = is_active(json!({"exp": NOW + 600}));
    let (_, flight) = callout(&gateway.on_server_response(flight, &introspected, NOW));
    let short = answer(&json!({"access_token": "opaque-too", "token_type": "Bearer", "expires_in": 60}));
    assert_eq!(ends(&gateway.on_server_response(flight, &short, NOW)).len(), 1);
    assert!(gateway.ended_streams(NOW + 599, 10).is_empty());
    assert_eq!(gateway.ended_streams(NOW + 600, 10), [1]);
}

#[test]
fn an_introspection_response_that_may_not_be_cached_is_told_once_and_not_with_the_exchange_again() {
    let mut gateway = after_introspection(json!({}), json!({}));
    let active = r#"{"active":true,"aud":"gateway"}"#;
    const RESPONSES: u64 = 20;
    for stream in 1..=RESPONSES {
        let (_, flight) = callout(&gateway.ask(stream, &bearer("opaque"), NOW));
        let introspected = response(200, "application/json", &["no-store"], active);
        let (_, flight) = callout(&gateway.on_server_response(flight, &introspected, NOW));
        gateway.on_server_response(flight, &exchanged(&jwt(json!({}))), NOW);
    }
    let told = gateway.on_tick(NOW).into_iter().filter_map(|effect| match effect {
        Effect::Run(Command::Warn(Notice::NotCached { responses })) => Some(responses),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [RESPONSES]);
}
