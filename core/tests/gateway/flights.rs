//! Single flight: one introspection for any number of requests, and none of them waits for ever.

use bff_core::gateway::effect::Effect;
use serde_json::json;

use crate::support::*;

fn forwarded(claims: &serde_json::Value) -> End {
    End::Forwarded(format!("Bearer {}", jwt(claims.clone())))
}

#[test]
fn concurrent_requests_for_one_token_share_one_callout() {
    let mut gateway = gateway(json!({}));
    let (leader, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    assert_eq!(leader, Some(1));
    for stream in 2..=5 {
        assert!(flight(&gateway.ask(stream, &valid("POST", "token"), NOW)).is_none());
    }
    let claims = json!({"sub": "a"});
    let woken = ends(&gateway.on_server_response(id, &active(claims.clone()), NOW));
    assert_eq!(
        woken.iter().map(|(stream, _)| *stream).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert!(woken.iter().all(|(_, end)| *end == forwarded(&claims)));
    assert_eq!(gateway.in_flight(), 0);
}

#[test]
fn two_users_never_get_each_others_token_in_whatever_order_answers_come() {
    let mut gateway = gateway(json!({}));
    let (_, first) = flight(&gateway.ask(1, &valid("GET", "one"), NOW)).unwrap();
    let (_, second) = flight(&gateway.ask(2, &valid("GET", "two"), NOW)).unwrap();
    let (one, two) = (json!({"sub": "one"}), json!({"sub": "two"}));
    assert_eq!(
        ends(&gateway.on_server_response(second, &active(two.clone()), NOW)),
        [(2, forwarded(&two))]
    );
    assert_eq!(
        ends(&gateway.on_server_response(first, &active(one.clone()), NOW)),
        [(1, forwarded(&one))]
    );
}

#[test]
fn a_failure_ends_every_waiting_request() {
    let mut gateway = gateway(json!({}));
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    gateway.ask(2, &valid("GET", "token"), NOW);
    let ended = ends(&gateway.on_server_response(
        id,
        &bff_core::gateway::authorization_server::ServerResponse::Failed,
        NOW,
    ));
    assert_eq!(ended, [(1, End::Refused(502, None)), (2, End::Refused(502, None))]);
    assert!(
        flight(&gateway.ask(3, &valid("GET", "token"), NOW)).is_some(),
        "the next one tries again"
    );
}

#[test]
fn when_the_leader_leaves_the_callout_is_made_again_on_nobodys_behalf() {
    let mut gateway = gateway(json!({}));
    gateway.ask(1, &valid("GET", "token"), NOW);
    gateway.ask(2, &valid("GET", "token"), NOW);
    assert_eq!(
        gateway.on_stream_end(1),
        Some(2),
        "the callout is to be made again soon"
    );
    // A request that comes in between waits too.
    assert!(flight(&gateway.ask(3, &valid("GET", "token"), NOW)).is_none());
    let (behalf, id) = flight(&gateway.repeat_lost()).unwrap();
    assert_eq!(behalf, None);
    assert!(gateway.repeat_lost().is_empty(), "once is enough");
    let claims = json!({"sub": "a"});
    assert_eq!(
        ends(&gateway.on_server_response(id, &active(claims.clone()), NOW)),
        [(2, forwarded(&claims)), (3, forwarded(&claims))]
    );
}

#[test]
fn when_the_leader_leaves_one_of_those_who_wait_can_take_over_and_after_it_the_next() {
    let mut gateway = gateway(json!({}));
    for stream in 1..=4 {
        gateway.ask(stream, &valid("GET", "token"), NOW);
    }
    assert!(gateway.take_over(2, NOW).is_empty(), "the callout is in progress");
    assert_eq!(gateway.on_stream_end(1), Some(2));
    // The one that was to take over leaves before it does.
    assert_eq!(gateway.on_stream_end(2), Some(3));
    let (behalf, lost) = flight(&gateway.take_over(3, NOW)).unwrap();
    assert_eq!(behalf, Some(3));
    assert!(
        gateway.take_over(4, NOW).is_empty() && gateway.repeat_lost().is_empty(),
        "once is enough"
    );
    // The one that has taken over leaves with the callout.
    assert_eq!(gateway.on_stream_end(3), Some(4));
    let (behalf, _) = flight(&gateway.take_over(4, NOW)).unwrap();
    assert_eq!(behalf, Some(4));
    let claims = json!({"sub": "a"});
    assert_eq!(
        ends(&gateway.on_server_response(lost, &active(claims.clone()), NOW)),
        [(4, forwarded(&claims))],
        "it is the same flight"
    );
    assert!(gateway.take_over(4, NOW).is_empty() && gateway.take_over(9, NOW).is_empty());
}

#[test]
fn when_everybody_leaves_nothing_is_left() {
    let mut gateway = gateway(json!({}));
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    gateway.ask(2, &valid("GET", "token"), NOW);
    assert_eq!(gateway.on_stream_end(2), None);
    assert_eq!(gateway.on_stream_end(1), None);
    assert_eq!(gateway.in_flight(), 0);
    assert!(gateway.repeat_lost().is_empty());
    assert!(
        gateway.on_server_response(id, &active(json!({})), NOW).is_empty(),
        "a response that comes all the same is nobody's"
    );
}

#[test]
fn a_follower_that_leaves_is_not_woken() {
    let mut gateway = gateway(json!({}));
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).unwrap();
    gateway.ask(2, &valid("GET", "token"), NOW);
    assert_eq!(gateway.on_stream_end(2), None);
    let claims = json!({});
    assert_eq!(
        ends(&gateway.on_server_response(id, &active(claims.clone()), NOW)),
        [(1, forwarded(&claims))]
    );
}

#[test]
fn a_callout_is_of_the_trace_of_the_request_that_it_was_made_for_and_of_no_other() {
    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let said = |effects: &[Effect]| {
        let request = introspection_request(effects);
        let headers = request.expect("a callout").headers.iter();
        let traced = headers.filter(|(name, _)| ["traceparent", "tracestate", "x-request-id"].contains(name));
        traced
            .map(|(name, value)| (*name, value.to_string()))
            .collect::<Vec<_>>()
    };
    let with = |lines: &[(&str, &str)]| {
        let cookies = format!("{}; {}", at("token"), csrf());
        head("GET", &[&[("cookie", cookies.as_str())], lines].concat())
    };
    let traced = with(&[("traceparent", TRACEPARENT), ("x-request-id", "one")]);
    let mut gateway = crate::support::gateway(json!({}));
    let begun = gateway.ask(1, &traced, NOW);
    let expected = [("traceparent", TRACEPARENT), ("x-request-id", "one")];
    assert_eq!(said(&begun), expected.map(|(name, value)| (name, value.to_owned())));
    gateway.ask(2, &with(&[("x-request-id", "two")]), NOW);
    assert_eq!(
        gateway.on_stream_end(1),
        Some(2),
        "the callout is to be made again soon"
    );
    assert_eq!(said(&gateway.repeat_lost()), [], "made again, it is of no request");

    let mut untraced = crate::support::gateway(json!({}));
    assert_eq!(said(&untraced.ask(1, &with(&[("traceparent", "no trace")]), NOW)), []);
}
