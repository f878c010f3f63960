//! Gateways with one memory: one introspection serves the requests of all of them.

use std::sync::Arc;
use std::time::Duration;

use bff_core::cookie::purpose::Purpose;
use bff_core::gateway::Gateway;
use bff_core::gateway::attributes::StreamId;
use bff_core::gateway::authorization_server::ServerResponse;
use bff_core::gateway::config::Config;
use bff_core::gateway::effect::{Command, Effect};
use bff_core::gateway::token_memory::TokenMemory;
use bff_core::gateway::token_state::TokenOutcome;
use bff_core::session::ended_sessions::{Ended, EndedSessions};
use serde_json::json;

use crate::support::*;

fn two() -> [Gateway; 2] {
    gateways_with_one_memory(2, json!({})).try_into().ok().unwrap()
}

/// Returns the outcomes that are for requests of other gateways.
fn shared(effects: &[Effect]) -> Vec<(StreamId, Arc<TokenOutcome>)> {
    let shared = |effect: &Effect| match effect {
        Effect::Run(Command::Share { stream, outcome }) => Some((*stream, Arc::clone(outcome))),
        _ => None,
    };
    effects.iter().filter_map(shared).collect()
}

fn forwarded(claims: &serde_json::Value) -> End {
    End::Forwarded(format!("Bearer {}", jwt(claims.clone())))
}

#[test]
fn a_token_is_introspected_once_for_all_gateways() {
    let [mut one, mut other] = two();
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    assert!(flight(&other.ask(2, &valid("GET", "token"), NOW)).is_none());
    let claims = json!({"sub": "a", "exp": NOW + 100});
    let effects = one.on_server_response(id, &active(claims.clone()), NOW);
    assert_eq!(ends(&effects), [(1, forwarded(&claims))]);
    let [(stream, outcome)] = shared(&effects).try_into().unwrap();
    assert_eq!(stream, 2);
    let decided = other.on_outcome(2, &outcome, NOW);
    assert_eq!(ends(&Vec::from_iter(decided)), [(2, forwarded(&claims))]);
    assert!(other.on_outcome(2, &outcome, NOW).is_none(), "once");
    // Later requests find it too, at each gateway.
    for (gateway, stream) in [(&mut one, 3), (&mut other, 4)] {
        assert_eq!(
            ends(&gateway.ask(stream, &valid("GET", "token"), NOW)),
            [(stream, forwarded(&claims))]
        );
    }
}

#[test]
fn a_token_that_becomes_known_between_lookup_and_introspection_is_not_introspected() {
    let [mut one, mut other] = two();
    let request = valid("GET", "token");
    assert!(other.on_request(2, &request, &Plain, NOW).is_none());
    let (_, id) = flight(&one.ask(1, &request, NOW)).unwrap();
    let claims = json!({"sub": "a", "exp": NOW + 100});
    one.on_server_response(id, &active(claims.clone()), NOW);
    let effect = other.call_out(2, Duration::from_secs(NOW));
    assert_eq!(ends(&Vec::from_iter(effect)), [(2, forwarded(&claims))]);
}

#[test]
fn each_entry_point_asks_for_its_own_requirements() {
    let config = |changes| Config::parse(configuration(changes).to_string().as_bytes(), env).unwrap();
    let (free, strict) = (
        config(json!({})),
        config(json!({"phantom_token": {"required_scopes": ["admin"]}})),
    );
    let stage = |config: &Config| config.phantom_token.clone().unwrap();
    assert_eq!(stage(&free).id(), stage(&strict).id());
    let memory = TokenMemory::of_process(&stage(&free));
    let [mut free, mut strict] = [free, strict].map(|config| Gateway::with_memory(config, |_| Arc::clone(&memory)));
    let (_, id) = flight(&free.ask(1, &valid("GET", "token"), NOW)).unwrap();
    strict.ask(2, &valid("GET", "token"), NOW);
    let claims = json!({"sub": "a", "scope": "data", "exp": NOW + 100});
    let effects = free.on_server_response(id, &active(claims.clone()), NOW);
    assert_eq!(ends(&effects), [(1, forwarded(&claims))]);
    let [(_, outcome)] = shared(&effects).try_into().unwrap();
    let refused = || End::Refused(403, None);
    assert_eq!(
        ends(&Vec::from_iter(strict.on_outcome(2, &outcome, NOW))),
        [(2, refused())]
    );
    assert_eq!(ends(&strict.ask(3, &valid("GET", "token"), NOW)), [(3, refused())]);
}

#[test]
fn when_a_leader_leaves_a_request_of_another_gateway_takes_over() {
    let [mut one, mut other] = two();
    let (_, lost) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    other.ask(2, &valid("GET", "token"), NOW);
    one.ask(3, &valid("GET", "token"), NOW);
    assert_eq!(one.on_stream_end(1), Some(2));
    let (behalf, _) = flight(&other.take_over(2, NOW)).unwrap();
    assert_eq!(behalf, Some(2));
    let claims = json!({"sub": "a"});
    let effects = other.on_server_response(lost, &active(claims.clone()), NOW);
    assert_eq!(ends(&effects), [(2, forwarded(&claims))], "the same flight");
    let [(stream, outcome)] = shared(&effects).try_into().unwrap();
    assert_eq!(stream, 3);
    assert_eq!(
        ends(&Vec::from_iter(one.on_outcome(3, &outcome, NOW))),
        [(3, forwarded(&claims))]
    );
}

#[test]
fn a_session_that_ended_while_its_request_waited_is_refused() {
    let [mut one, mut other] = two();
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    other.ask(2, &valid("GET", "token"), NOW);
    let mut list = EndedSessions::new(4, 0);
    list.end(Ended::Session(SESSION.0[..16].try_into().unwrap()), NOW + 1);
    let list = Arc::new(list);
    one.share_ended_sessions(&list);
    other.share_ended_sessions(&list);
    let effects = one.on_server_response(id, &active(json!({"sub": "a", "exp": NOW + 100})), NOW);
    assert_eq!(ends(&effects), [(1, End::Refused(401, None))]);
    let [(_, outcome)] = shared(&effects).try_into().unwrap();
    assert_eq!(
        ends(&Vec::from_iter(other.on_outcome(2, &outcome, NOW))),
        [(2, End::Refused(401, None))]
    );
}

#[test]
fn inactive_tokens_are_known_to_those_who_asked_and_evict_no_active_one() {
    let [mut one, mut other] = gateways_with_one_memory(2, json!({"phantom_token": {"token_cache_entries": 1}}))
        .try_into()
        .ok()
        .unwrap();
    let (_, id) = flight(&one.ask(1, &valid("GET", "active"), NOW)).unwrap();
    one.on_server_response(id, &active(json!({"sub": "a", "exp": NOW + 100})), NOW);
    for stream in 2..100 {
        let token = format!("made-up-{stream}");
        let (_, id) = flight(&one.ask(stream, &valid("GET", &token), NOW)).unwrap();
        one.on_server_response(id, &response(204, "", &[], ""), NOW);
    }
    assert!(flight(&other.ask(100, &valid("GET", "active"), NOW)).is_none());
    // A follower learns it too.
    let (_, id) = flight(&one.ask(101, &valid("GET", "inactive"), NOW)).unwrap();
    other.ask(102, &valid("GET", "inactive"), NOW);
    let effects = one.on_server_response(id, &response(204, "", &[], ""), NOW);
    let [(_, outcome)] = shared(&effects).try_into().unwrap();
    other.on_outcome(102, &outcome, NOW);
    assert!(flight(&other.ask(103, &valid("GET", "inactive"), NOW)).is_none());
}

#[test]
fn a_request_that_waits_for_too_long_is_answered_and_its_flight_goes_on() {
    let [mut one, mut other] = two();
    let at = |ms: u64| Duration::from_millis(NOW * 1000 + ms);
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    other.ask(2, &valid("GET", "token"), NOW);
    // The default of timeout_ms is 2000.
    assert!(other.on_deadlines(at(2399)).is_empty());
    assert_eq!(ends(&other.on_deadlines(at(2400))), [(2, End::Refused(504, None))]);
    assert!(other.on_deadlines(at(9999)).is_empty(), "once");
    let effects = one.on_server_response(id, &active(json!({"sub": "a", "exp": NOW + 100})), NOW + 3);
    assert_eq!(ends(&effects).len(), 1);
    assert!(shared(&effects).is_empty());
}

#[test]
fn a_leader_that_waits_for_too_long_hands_over() {
    let [mut one, mut other] = two();
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    other.ask(2, &valid("GET", "token"), NOW + 1);
    let effects = one.on_deadlines(Duration::from_secs(NOW + 3));
    assert_eq!(ends(&effects), [(1, End::Refused(504, None))]);
    let told = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Run(Command::TakeOver { stream: 2 })));
    assert!(told, "the other one is told");
    let behalf = flight(&other.take_over(2, NOW)).map(|(behalf, _)| behalf);
    assert_eq!(behalf, Some(Some(2)));
    assert_eq!(
        ends(&other.on_server_response(id, &ServerResponse::Failed, NOW + 3)),
        [(2, End::Refused(502, None))]
    );
}

#[test]
fn a_response_in_the_shared_data_of_a_host_serves_other_virtual_machines() {
    let config = Config::parse(configuration(json!({})).to_string().as_bytes(), env).unwrap();
    let [mut one, mut other] = [config.clone(), config].map(Gateway::with_shared_cache);
    let (_, id) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    let claims = json!({"sub": "a", "exp": NOW + 100});
    let effects = one.on_server_response(id, &active(claims.clone()), NOW);
    let stored = effects.iter().find_map(|effect| match effect {
        Effect::Run(Command::Store(entry)) => Some(entry),
        _ => None,
    });
    let entry = stored.expect("an entry");
    let (chosen, value) = entry.choose([&[], &[]], NOW).unwrap();

    let request = head(
        "GET",
        &[(
            "cookie",
            &format!(
                "example-at={}",
                seal_as(Purpose::AccessToken, "token", SESSION, NOW + 300)
            ),
        )],
    );
    assert!(other.on_request(2, &request, &Plain, NOW).is_none());
    let slots = other.shared_slots(2).expect("a request that waits");
    assert_eq!(slots, entry.slots());
    assert!(other.on_shared_value(2, slots[chosen], b"made up", NOW).is_none());
    let decided = other.on_shared_value(2, slots[chosen], &value, NOW);
    assert_eq!(ends(&Vec::from_iter(decided)), [(2, forwarded(&claims))]);
    // From now on, it is in the gateway's own memory.
    assert_eq!(ends(&other.ask(3, &request, NOW)), [(3, forwarded(&claims))]);
    // An inactive token is stored nowhere.
    let (_, id) = flight(&one.ask(4, &valid("GET", "inactive"), NOW)).unwrap();
    let effects = one.on_server_response(id, &response(204, "", &[], ""), NOW);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Run(Command::Store(_))))
    );
}

#[test]
fn a_client_secret_that_is_replaced_while_requests_wait_is_used_for_their_next_introspection_and_for_no_earlier_memory()
{
    let config = |secret: &str| {
        let changes = json!({"phantom_token": {"client_secret": {"env": null, "inline": secret}}});
        Config::parse(configuration(changes).to_string().as_bytes(), |name| {
            (name == "BFF_COOKIE_KEYS").then(|| env(name)).flatten()
        })
        .unwrap()
    };
    let (old, new) = (config("the old secret"), config("the new secret"));
    let memory = |config: &Config| TokenMemory::of_process(config.phantom_token.as_ref().unwrap());
    let (old_memory, new_memory) = (memory(&old), memory(&new));
    let gateway = || Gateway::with_memory(old.clone(), |_| Arc::clone(&old_memory));
    let [mut one, mut other] = [gateway(), gateway()];
    let (_, first) = flight(&one.ask(1, &valid("GET", "token"), NOW)).unwrap();
    one.ask(2, &valid("GET", "token"), NOW);
    other.ask(3, &valid("GET", "other"), NOW);
    for gateway in [&mut one, &mut other] {
        gateway.replace_secrets(new.clone(), |_| Arc::clone(&new_memory));
    }
    // What was begun with the previous secret serves those who wait for it.
    let claims = json!({"sub": "a", "exp": NOW + 100});
    let ended = ends(&one.on_server_response(first, &active(claims.clone()), NOW));
    assert_eq!(ended, [(1, forwarded(&claims)), (2, forwarded(&claims))]);
    assert!(
        flight(&one.ask(4, &valid("GET", "token"), NOW)).is_some(),
        "no response of the previous secret"
    );
    // What is begun again is begun with the new secret, and is known only where that one is.
    let mut third = gateway();
    third.ask(5, &valid("GET", "other"), NOW);
    assert_eq!(other.on_stream_end(3), Some(5));
    third.replace_secrets(new.clone(), |_| Arc::clone(&new_memory));
    let (behalf, again) = flight(&third.take_over(5, NOW)).unwrap();
    assert_eq!(behalf, Some(5));
    let ended = ends(&third.on_server_response(again, &active(claims.clone()), NOW));
    assert_eq!(ended, [(5, forwarded(&claims))]);
    let mut old_gateway = gateway();
    assert!(flight(&old_gateway.ask(6, &valid("GET", "other"), NOW)).is_some());
    let mut new_gateway = Gateway::with_memory(new, |_| Arc::clone(&new_memory));
    assert!(flight(&new_gateway.ask(7, &valid("GET", "other"), NOW)).is_none());
}
