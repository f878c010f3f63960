//! What clients without a session can fill has its own bound.

use serde_json::json;

use crate::support::*;

#[test]
fn made_up_bearer_tokens_push_no_good_answer_out() {
    let mut gateway =
        gateway(json!({"bff_token": {"allow_tokens": true}, "phantom_token": {"token_cache_entries": 50}}));
    let (_, id) = flight(&gateway.ask(1, &bearer("active"), NOW)).expect("a callout");
    gateway.on_server_response(id, &active(json!({"exp": NOW + 300})), NOW);
    for number in 0..60 {
        let (_, id) = flight(&gateway.ask(2, &bearer(&format!("made-up-{number}")), NOW)).expect("a callout");
        gateway.on_server_response(id, &response(204, "", &[], ""), NOW);
    }
    assert!(
        flight(&gateway.ask(3, &bearer("active"), NOW)).is_none(),
        "the active token is not introspected again"
    );
    assert!(gateway.cached_responses() <= 51, "{}", gateway.cached_responses());
}

#[test]
fn cookies_that_do_not_open_and_expired_ones_take_no_room() {
    let mut gateway = gateway(json!({}));
    let valid = at("token");
    gateway.ask(1, &head("GET", &[("cookie", &valid)]), NOW);
    assert_eq!(gateway.cached_cookies(), 1);
    for position in 20..120 {
        let mut changed = valid.clone().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(refused(&mut gateway, &head("GET", &[("cookie", &changed)])), Some(401));
    }
    assert_eq!(gateway.cached_cookies(), 1);
}

#[test]
fn a_flight_ends_with_the_requests_that_wait_for_it() {
    let mut gateway = gateway(json!({"bff_token": null}));
    for stream in 0..500 {
        gateway.ask(stream, &bearer(&format!("made-up-{stream}")), NOW);
    }
    assert_eq!(gateway.in_flight(), 500, "as many as requests wait, which Envoy bounds");
    for stream in 0..500 {
        gateway.on_stream_end(stream);
    }
    assert_eq!(gateway.in_flight(), 0);
}
