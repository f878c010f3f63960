//! What an entry point or a route requires of the user's authentication (RFC 9470), judged at each request.

use std::sync::Arc;
use std::time::Duration;

use bff_core::gateway::Gateway;
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Command, Decision, Effect};
use bff_core::gateway::rejection::Rejection;
use serde_json::{Value, json};

use crate::attributes::*;
use crate::support::*;

const GOLD: &str = "Bearer realm=\"api\", error=\"insufficient_user_authentication\", \
    error_description=\"The user must authenticate again, or with more factors, for this request\", acr_values=\"gold silver\"";

fn requiring(required: Value) -> Gateway {
    gateway(json!({ "phantom_token": required }))
}

fn rejected(effects: &[Effect]) -> Option<&Rejection> {
    effects.iter().find_map(|effect| match effect {
        Effect::Decide {
            decision: Decision::Reject(rejection),
            ..
        } => Some(rejection),
        _ => None,
    })
}

fn body(effects: &[Effect]) -> Value {
    serde_json::from_str(&rejected(effects).expect("a rejection").body()).unwrap()
}

#[test]
fn a_token_is_sufficient_only_with_one_of_the_required_acr_values() {
    for (acr, is_sufficient) in [
        (json!("gold"), true),
        (json!("silver"), true),
        (json!("bronze"), false),
        (json!(["gold"]), false),
        (json!(null), false),
    ] {
        let mut gateway = gateway(json!({"bff_token": null, "phantom_token": {"required_acr": ["gold", "silver"]}}));
        let (first, second) = both(
            &mut gateway,
            &bearer("token"),
            &NOWHERE,
            &active(json!({"acr": acr, "exp": NOW + 100})),
        );
        assert_eq!(first, second, "from the cache as well");
        match is_sufficient {
            true => assert!(matches!(first, End::Forwarded(_)), "{acr}"),
            false => assert_eq!(first, End::Refused(401, Some(GOLD.to_owned())), "{acr}"),
        }
    }
}

#[test]
fn a_page_learns_from_the_body_what_is_required_and_gets_no_challenge() {
    let mut gateway = requiring(json!({"required_acr": ["gold", "silver"], "max_auth_age": 300}));
    let (_, id) = flight(&gateway.ask(1, &valid("POST", "token"), NOW)).unwrap();
    let weak = active(json!({"acr": "bronze", "auth_time": NOW, "exp": NOW + 100}));
    let first = gateway.on_server_response(id, &weak, NOW);
    for effects in [
        first,
        gateway.ask(2, &valid("POST", "token"), NOW),
        gateway.ask(3, &valid("POST", "token"), NOW),
    ] {
        let rejection = rejected(&effects).unwrap();
        assert_eq!((rejection.code.status(), rejection.challenge()), (401, None));
        let code = "insufficient_user_authentication";
        let message = rejection.code.message();
        let expected = json!({"code": code, "message": message, "acr_values": "gold silver", "max_age": 300});
        assert_eq!(body(&effects), expected);
    }
}

#[test]
fn other_errors_have_neither_member() {
    let mut gateway = requiring(json!({"required_acr": ["gold"], "required_scopes": ["data"], "max_auth_age": 5}));
    let names = |effects: &[Effect]| body(effects).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&gateway.ask(1, &head("GET", &[]), NOW)), ["code", "message"]);
    let (_, id) = flight(&gateway.ask(2, &valid("GET", "token"), NOW)).unwrap();
    let effects = gateway.on_server_response(id, &active(json!({"exp": NOW + 100})), NOW);
    // To authenticate again gives the token no scope.
    assert_eq!(rejected(&effects).unwrap().code.status(), 403);
    assert_eq!(names(&effects), ["code", "message"]);
}

#[test]
fn the_age_of_the_authentication_is_judged_at_each_request_although_the_response_is_cached() {
    let mut gateway = requiring(json!({"max_auth_age": 60}));
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    let claims = json!({"auth_time": NOW - 10, "exp": NOW + 200});
    gateway.on_server_response(id, &active(claims), NOW);
    for (stream, now, is_sufficient) in [
        (2, NOW, true),
        (3, NOW + 50, true),
        (4, NOW + 51, false),
        (5, NOW + 51, false),
    ] {
        let effects = gateway.ask(stream, &valid("GET", "token"), now);
        assert!(flight(&effects).is_none(), "the response is cached");
        assert_eq!(rejected(&effects).is_none(), is_sufficient, "{stream}");
    }
    let details = "the authentication of the user is older than max_auth_age";
    assert_eq!(
        rejection(&gateway.ask(6, &valid("GET", "token"), NOW + 52)),
        (401, details)
    );
}

#[test]
fn a_request_that_waited_is_judged_at_the_time_of_its_decision() {
    let config = configuration(json!({"phantom_token": {"max_auth_age": 60}}));
    let config = Config::parse(config.to_string().as_bytes(), env).unwrap();
    let memory = bff_core::gateway::token_memory::TokenMemory::of_process(config.phantom_token.as_ref().unwrap());
    let [mut one, mut other] =
        [config.clone(), config].map(|config| Gateway::with_memory(config, |_| Arc::clone(&memory)));
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    one.ask(2, &valid("GET", "token"), NOW);
    other.ask(3, &valid("GET", "token"), NOW);
    let claims = active(json!({"auth_time": NOW - 59, "exp": NOW + 200}));
    let effects = one.on_server_response(id, &claims, NOW + 2);
    assert!(
        ends(&effects)
            .iter()
            .all(|(_, end)| matches!(end, End::Refused(401, None)))
    );
    assert_eq!(ends(&effects).len(), 2);
    let outcome = effects.iter().find_map(|effect| match effect {
        Effect::Run(Command::Share { outcome, .. }) => Some(Arc::clone(outcome)),
        _ => None,
    });
    let decided = Vec::from_iter(other.on_outcome(3, &outcome.expect("for the other gateway"), NOW + 2));
    assert_eq!(ends(&decided), [(3, End::Refused(401, None))]);
    // One that finds the response when it would begin an introspection.
    assert!(other.on_request(4, &valid("GET", "another"), &Plain, NOW).is_none());
    let (_, id) = flight(&one.ask(5, &valid("GET", "another"), NOW)).unwrap();
    one.on_server_response(id, &claims, NOW);
    let decided = Vec::from_iter(other.call_out(4, Duration::from_secs(NOW + 2)));
    assert_eq!(ends(&decided), [(4, End::Refused(401, None))]);
}

#[test]
fn what_the_shared_cache_has_is_judged_as_well_and_has_the_claims() {
    let config = configuration(json!({"phantom_token": {"required_acr": ["gold"], "max_auth_age": 60}}));
    let gateway = || Gateway::with_shared_cache(Config::parse(config.to_string().as_bytes(), env).unwrap());
    let mut one = gateway();
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    let claims = json!({"acr": "gold", "auth_time": NOW, "exp": NOW + 200});
    let effects = one.on_server_response(id, &active(claims), NOW);
    let entry = effects.iter().find_map(|effect| match effect {
        Effect::Run(Command::Store(entry)) => Some(entry),
        _ => None,
    });
    let entry = entry.expect("an entry");
    let (chosen, value) = entry.choose([&[], &[]], NOW).unwrap();
    let slot = entry.slots()[chosen];
    for (now, is_sufficient) in [(NOW + 60, true), (NOW + 61, false)] {
        let mut other = gateway();
        assert!(other.on_request(1, &valid("GET", "token"), &Plain, now).is_none());
        let effects = Vec::from_iter(other.on_shared_value(1, slot, &value, now));
        assert_eq!(ends(&effects).len(), 1, "the entry is found");
        assert_eq!(rejected(&effects).is_none(), is_sufficient);
    }
}

#[test]
fn a_time_in_the_future_does_not_count_as_recent() {
    for (ahead, is_sufficient) in [(60, true), (61, false), (1_000_000, false)] {
        let mut gateway = requiring(json!({"max_auth_age": 300}));
        let claims = json!({"auth_time": NOW + ahead, "exp": NOW + 100});
        let (first, _) = both(&mut gateway, &valid("GET", "token"), &NOWHERE, &active(claims));
        assert_eq!(matches!(first, End::Forwarded(_)), is_sufficient, "{ahead}");
    }
}

#[test]
fn a_jwt_of_the_client_is_judged_by_its_own_claims() {
    let mut gateway = gateway(json!({"bff_token": null, "phantom_token": {"required_acr": ["gold", "silver"]}}));
    let good = jwt(json!({"acr": "silver", "exp": NOW + 100}));
    assert!(matches!(
        ends(&gateway.ask(1, &bearer(&good), NOW)).pop(),
        Some((1, End::Forwarded(_)))
    ));
    let weak = jwt(json!({"exp": NOW + 100}));
    let refused = End::Refused(401, Some(GOLD.to_owned()));
    assert_eq!(ends(&gateway.ask(2, &bearer(&weak), NOW)), [(2, refused)]);
}

#[test]
fn the_claims_are_read_from_each_form_of_response_and_those_of_the_response_take_precedence() {
    let members = |members: Value| response(200, "application/json", &[], &members.to_string());
    let jwt_with = |acr: &str| jwt(json!({"acr": acr, "auth_time": 1}));
    let plain = json!({});
    let claims = json!({"response": "claims", "claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]});
    let introspect = json!({"jwt_access_tokens": "introspect"});
    for (stage, token, response, is_sufficient) in [
        (
            &plain,
            "opaque",
            members(json!({"active": true, "jwt": jwt_with("gold")})),
            true,
        ),
        (
            &plain,
            "opaque",
            members(json!({"active": true, "jwt": jwt(json!({})), "acr": "gold"})),
            true,
        ),
        (
            &plain,
            "opaque",
            members(json!({"active": true, "jwt": jwt_with("gold"), "acr": "bronze"})),
            false,
        ),
        (&claims, "opaque", members(json!({"active": true, "acr": "gold"})), true),
        (
            &claims,
            "opaque",
            members(json!({"active": true, "acr": "bronze"})),
            false,
        ),
        (&introspect, &jwt_with("gold"), members(json!({"active": true})), true),
        (
            &introspect,
            &jwt_with("gold"),
            members(json!({"active": true, "acr": "bronze"})),
            false,
        ),
        (
            &introspect,
            &jwt_with("bronze"),
            members(json!({"active": true, "acr": "gold"})),
            true,
        ),
    ] {
        let mut changes = stage.clone();
        changes["required_acr"] = json!(["gold"]);
        let mut gateway = requiring(changes);
        let (_, id) = flight(&gateway.ask(1, &valid("GET", token), NOW)).expect("a callout");
        let effects = gateway.on_server_response(id, &response, NOW);
        let code = rejected(&effects).map(|rejection| rejection.code.code());
        let expected = (!is_sufficient).then_some("insufficient_user_authentication");
        assert_eq!(code, expected, "{stage} {token}");
    }
}

#[test]
fn a_route_adds_to_what_the_entry_point_requires() {
    let entry_point = json!({"route_metadata": "bff_filter", "required_acr": ["gold", "silver"], "max_auth_age": 300});
    let refused = |acr, max_auth_age, claims: Value| {
        let attributes = TestAttributes {
            scopes: Some(""),
            acr,
            max_auth_age,
            ..NOWHERE
        };
        let mut gateway = requiring(entry_point.clone());
        let mut effects = asked(&mut gateway, 1, &valid("GET", "token"), &attributes, NOW);
        if let Some((_, id)) = flight(&effects) {
            effects = gateway.on_server_response(id, &active(claims), NOW);
        }
        let rejection = rejected(&effects)?;
        let body = body(&effects);
        Some((
            rejection.code.status(),
            body["acr_values"].clone(),
            body["max_age"].clone(),
        ))
    };
    let claims = |acr: &str, age: u64| json!({"acr": acr, "auth_time": NOW - age, "exp": NOW + 100});
    let asked_for = |acr_values: &str, max_age: u64| Some((401, json!(acr_values), json!(max_age)));
    assert_eq!(refused(None, None, claims("silver", 300)), None);
    assert_eq!(
        refused(None, None, claims("silver", 301)),
        asked_for("gold silver", 300)
    );
    assert_eq!(refused(Some("gold"), None, claims("silver", 0)), asked_for("gold", 300));
    assert_eq!(refused(Some("gold"), Some("60"), claims("gold", 60)), None);
    assert_eq!(
        refused(None, Some("60"), claims("gold", 61)),
        asked_for("gold silver", 60)
    );
    assert_eq!(
        refused(None, Some("600"), claims("gold", 301)),
        asked_for("gold silver", 300)
    );
    // In the route's order.
    assert_eq!(
        refused(Some("silver gold"), None, claims("", 0)),
        asked_for("silver gold", 300)
    );
    // The claims are also checked if only the route requires them.
    assert_eq!(refused(Some("gold"), None, json!({})), asked_for("gold", 300));
    // Nobody can meet both, and a malformed requirement is not none.
    let closed = Some((500, Value::Null, Value::Null));
    for (acr, max_auth_age) in [
        (Some("bronze"), None),
        (Some(""), None),
        (None, Some("0")),
        (None, Some("\0\0\0\0\0\0\u{8}@")),
    ] {
        assert_eq!(
            refused(acr, max_auth_age, claims("bronze", 0)),
            closed,
            "{acr:?} {max_auth_age:?}"
        );
    }
}

#[test]
fn either_requirement_alone_is_metadata_enough_for_a_route() {
    for (acr, max_auth_age) in [(Some("gold"), None), (None, Some("300"))] {
        let attributes = TestAttributes {
            acr,
            max_auth_age,
            ..NOWHERE
        };
        let mut gateway = requiring(json!({"route_metadata": "bff_filter"}));
        let claims = json!({"acr": "gold", "auth_time": NOW, "exp": NOW + 100});
        let (first, _) = both(&mut gateway, &valid("GET", "token"), &attributes, &active(claims));
        assert!(matches!(first, End::Forwarded(_)));
    }
}
