//! Flights of two callouts: introspection, then the exchange.

use std::time::Duration;

use bff_core::gateway::config::Config;
use bff_core::gateway::token_memory::TokenMemory;
use serde_json::json;

use super::*;

#[test]
fn whoever_takes_over_after_introspection_exchanges_and_does_not_introspect_again() {
    let mut gateway = after_introspection(json!({}), json!({}));
    let token = jwt(json!({}));
    let (_, first) = callout(&gateway.ask(1, &of_session("opaque"), NOW));
    gateway.ask(2, &of_session("opaque"), NOW);
    gateway.ask(3, &of_session("opaque"), NOW);
    let (_, second) = callout(&gateway.on_server_response(first, &is_active(json!({})), NOW));
    assert!(
        gateway.on_server_response(first, &is_active(json!({})), NOW).is_empty(),
        "a late response"
    );
    assert_eq!(gateway.on_stream_end(1), Some(2));
    let (step, third) = callout(&gateway.take_over(2, NOW));
    assert_eq!((step, third.leader()), (Step::Exchange, Some(2)));
    assert_eq!(second.leader(), Some(1));
    assert_eq!(gateway.on_stream_end(2), Some(3));
    let (step, fourth) = callout(&gateway.repeat_lost());
    assert_eq!(
        (step, fourth.leader()),
        (Step::Exchange, None),
        "on behalf of no request"
    );
    let ended = gateway.on_server_response(fourth, &exchanged(&token), NOW);
    assert_eq!(ends(&ended), [(3, forwarded(&token))]);
    assert_eq!(gateway.in_flight(), 0);
}

/// Two gateways with one memory: request 1 of the first one led and has waited for too long, request 2 of the other one waits.
/// Returns the leader's callout, too, which goes on until its thread has carried out the decision.
fn after_the_deadline_of_a_leader() -> (Gateway, Gateway, FlightId) {
    let [mut one, mut other]: [Gateway; 2] =
        gateways_with_one_memory(2, json!({"phantom_token": {"token_exchange": exchange_for("orders")}}))
            .try_into()
            .ok()
            .unwrap();
    let (_, first) = callout(&one.ask(1, &of_session("opaque"), NOW));
    other.ask(2, &of_session("opaque"), NOW + 3);
    let decided = one.on_deadlines(Duration::from_secs(NOW + 5));
    assert_eq!(ends(&decided), [(1, End::Refused(504, None))]);
    (one, other, first)
}

#[test]
fn a_response_for_a_leader_that_has_left_is_not_lost_to_whoever_takes_over() {
    let (mut one, mut other, first) = after_the_deadline_of_a_leader();
    let late = one.on_server_response(first, &is_active(json!({})), NOW + 5);
    assert!(late.is_empty(), "no callout for a request that has ended");
    let (step, second) = callout(&other.take_over(2, NOW + 5));
    assert_eq!(
        (step, second.leader()),
        (Step::Exchange, Some(2)),
        "what the late response said is known"
    );
    let token = jwt(json!({}));
    assert_eq!(
        ends(&other.on_server_response(second, &exchanged(&token), NOW + 5)),
        [(2, forwarded(&token))]
    );
}

#[test]
fn a_late_response_does_not_change_the_step_of_whoever_has_taken_over() {
    let (mut one, mut other, first) = after_the_deadline_of_a_leader();
    let (step, second) = callout(&other.take_over(2, NOW + 5));
    assert_eq!(step, Step::Introspection);
    let late = one.on_server_response(first, &is_active(json!({})), NOW + 5);
    assert!(late.is_empty());
    let (step, third) = callout(&other.on_server_response(second, &is_active(json!({})), NOW + 5));
    assert_eq!((step, third.leader()), (Step::Exchange, Some(2)));
    let token = jwt(json!({}));
    assert_eq!(
        ends(&other.on_server_response(third, &exchanged(&token), NOW + 5)),
        [(2, forwarded(&token))]
    );
}

#[test]
fn two_steps_have_the_time_limit_twice() {
    for (mut gateway, milliseconds) in [
        (alone(json!({}), json!({"timeout_ms": 1000})), 1400),
        (after_introspection(json!({}), json!({"timeout_ms": 1000})), 2400),
    ] {
        callout(&gateway.ask(1, &of_session("opaque"), NOW));
        let at = |milliseconds| Duration::from_secs(NOW) + Duration::from_millis(milliseconds);
        assert!(gateway.on_deadlines(at(milliseconds - 1)).is_empty());
        assert_eq!(
            ends(&gateway.on_deadlines(at(milliseconds))),
            [(1, End::Refused(504, None))]
        );
    }
}

#[test]
fn with_a_new_client_secret_the_whole_flight_begins_again() {
    let settings = |secret: &str| {
        let settings = json!({
            "phantom_token": {
                "token_exchange": exchange_for("orders"),
                "client_secret": {"env": null, "inline": secret},
            },
        });
        Config::parse(configuration(settings).to_string().as_bytes(), env).unwrap()
    };
    let mut gateway = Gateway::new(settings("previous"));
    let (_, flight) = callout(&gateway.ask(1, &of_session("opaque"), NOW));
    gateway.replace_secrets(settings("next"), TokenMemory::of_stage);
    let effects = gateway.on_server_response(flight, &is_active(json!({})), NOW);
    assert!(
        matches!(effects[..], [Effect::Run(Command::TakeOver { stream: 1 })]),
        "no token that the next client obtains is for those who have the previous secret"
    );
    let (step, flight) = callout(&gateway.take_over(1, NOW));
    assert_eq!(step, Step::Introspection);
    let (_, flight) = callout(&gateway.on_server_response(flight, &is_active(json!({})), NOW));
    let token = jwt(json!({}));
    assert_eq!(
        ends(&gateway.on_server_response(flight, &exchanged(&token), NOW)),
        [(1, forwarded(&token))]
    );
}

#[test]
fn both_callouts_are_of_the_trace_of_the_request() {
    let traced = head("GET", &[("authorization", "Bearer opaque"), ("x-request-id", "one")]);
    let mut gateway = after_introspection(json!({}), json!({}));
    let effects = gateway.ask(1, &traced, NOW);
    let (_, flight) = callout(&effects);
    let is_traced = |request: ServerRequest| {
        let mut headers = request.headers.iter();
        headers.any(|(name, value)| *name == "x-request-id" && value.as_str() == "one")
    };
    assert!(is_traced(request(effects)));
    assert!(is_traced(request(gateway.on_server_response(
        flight,
        &is_active(json!({})),
        NOW
    ))));
}
