//! Notices to the operator, and counters, when the filter does not fit its environment.

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Content, NONCE_BYTES, Sealer};
use bff_core::crypto::key_ring::KeyRing;
use bff_core::gateway::Gateway;
use bff_core::gateway::counters::Counter;
use bff_core::gateway::effect::{Command, Effect};
use bff_core::gateway::notices::Notice;
use serde_json::json;

use crate::support::*;

fn notices(gateway: &mut Gateway, now: u64) -> Vec<Notice> {
    let effects = gateway.on_tick(now).into_iter();
    let notices = effects.filter_map(|effect| match effect {
        Effect::Run(Command::Warn(notice)) => Some(notice),
        _ => None,
    });
    notices.collect()
}

#[test]
fn a_cookie_of_a_key_that_the_filter_does_not_have_is_refused_counted_and_its_key_named() {
    let (ring, _) = KeyRing::parse(&"0123456789abcdef".repeat(4), false).unwrap();
    let new = ring.key_ids().next().unwrap();
    let content = Content {
        value: b"token",
        session: SESSION,
        began_at: NOW,
        expires_at: NOW + 300,
    };
    let sealed = |purpose| {
        let sealer = Sealer::new(ring.clone(), "example", false);
        sealer.seal(purpose, &content, [3; NONCE_BYTES]).unwrap()
    };
    let cookies = format!(
        "example-at={}; example-csrf={}",
        sealed(Purpose::AccessToken),
        sealed(Purpose::Csrf)
    );
    let mut gateway = gateway(json!({}));
    for method in ["GET", "POST"] {
        let request = head(
            method,
            &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &cookies)],
        );
        assert_eq!(refused(&mut gateway, &request), Some(401), "{method}");
    }
    assert_eq!(
        gateway.counters().of(Counter::CookieOfUnknownKey),
        2,
        "requests, not cookies"
    );
    let told = notices(&mut gateway, NOW);
    let [Notice::UnknownKey { key, requests, ring }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((*key, *requests, ring.len()), (new, 2, 1));
    assert_eq!(notices(&mut gateway, NOW), []);

    // Malformed, altered and expired values do not count as sealed with an unknown key.
    let expired = seal_as(Purpose::AccessToken, "token", SESSION, NOW);
    for cookie in [
        "example-at=x",
        &format!("{}A", at("token")),
        &format!("example-at={expired}"),
    ] {
        assert_eq!(
            refused(&mut gateway, &head("GET", &[("cookie", cookie)])),
            Some(401),
            "{cookie}"
        );
    }
    assert_eq!(gateway.counters().of(Counter::CookieOfUnknownKey), 2);

    // Several of one name that cannot be decrypted are told of like one.
    let twice = format!("example-at={0}; example-at={0}", sealed(Purpose::AccessToken));
    assert_eq!(refused(&mut gateway, &head("GET", &[("cookie", &twice)])), Some(401));
    assert_eq!(gateway.counters().of(Counter::CookieOfUnknownKey), 3);

    // A forwarded request counts neither itself nor the next refused one.
    let beside = format!("{}; example-csrf={}; {}", at("token"), sealed(Purpose::Csrf), csrf());
    let request = head(
        "POST",
        &[("origin", ORIGIN), ("x-example-csrf", CSRF), ("cookie", &beside)],
    );
    assert_eq!(refused(&mut gateway, &request), None);
    assert_eq!(refused(&mut gateway, &head("GET", &[])), Some(401));
    assert_eq!(gateway.counters().of(Counter::CookieOfUnknownKey), 3);
}

#[test]
fn an_active_token_that_has_expired_by_this_clock_is_refused_and_the_difference_is_told_and_counted() {
    let mut gateway = gateway(json!({}));
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "token"), NOW)).expect("a callout");
    let (status, why) = rejection(&gateway.on_server_response(id, &active(json!({"exp": NOW - 75})), NOW));
    assert_eq!(status, 401);
    assert!(why.contains("has expired by this clock"), "{why}");
    assert_eq!(
        rejection(&gateway.ask(2, &valid("GET", "token"), NOW)),
        (status, why),
        "remembered"
    );
    assert_eq!(gateway.counters().of(Counter::ClocksDiffer), 1);
    assert_eq!(notices(&mut gateway, NOW), [Notice::ClocksDiffer { seconds: 75 }]);
}

#[test]
fn inactive_answers_for_tokens_out_of_our_own_cookies_are_counted_and_told_of() {
    let inactive = || response(200, "application/json", &[], &json!({"active": false}).to_string());
    let mut gateway = gateway(json!({"bff_token": {"allow_tokens": true}}));
    for (stream, user) in (1..).zip(["one", "two", "three"]) {
        let (_, id) = flight(&gateway.ask(stream, &valid("GET", user), NOW)).expect("a callout");
        gateway.on_server_response(id, &inactive(), NOW);
    }
    // The inactive result is cached, and the request still refused.
    assert_eq!(refused(&mut gateway, &valid("GET", "one")), Some(401));
    // A bearer token from a client does not count.
    let (_, id) = flight(&gateway.ask(9, &bearer("made-up"), NOW)).expect("a callout");
    gateway.on_server_response(id, &inactive(), NOW);
    assert_eq!(refused(&mut gateway, &bearer("made-up")), Some(401));
    assert_eq!(gateway.counters().of(Counter::SessionTokenInactive), 4);
    assert_eq!(gateway.counters().cookies_opened(), 4);
    let expected = Notice::SessionTokensInactive {
        inactive: 4,
        requests: 4,
        client_id: "api-gateway-client".to_owned(),
    };
    assert_eq!(notices(&mut gateway, NOW), [expected]);
}

#[test]
fn nobody_is_told_of_a_few_inactive_tokens_among_many_good_ones() {
    let mut gateway = gateway(json!({}));
    let (_, id) = flight(&gateway.ask(1, &valid("GET", "active"), NOW)).expect("a callout");
    gateway.on_server_response(id, &active(json!({})), NOW);
    for _ in 0..10 {
        gateway.ask(2, &valid("GET", "active"), NOW);
    }
    for (stream, user) in (3..).zip(["one", "two", "three", "four"]) {
        let (_, id) = flight(&gateway.ask(stream, &valid("GET", user), NOW)).expect("a callout");
        gateway.on_server_response(id, &response(204, "", &[], ""), NOW);
    }
    assert_eq!(notices(&mut gateway, NOW), []);
    assert_eq!(gateway.counters().of(Counter::SessionTokenInactive), 4);
}

/// An authorization server that sends `no-cache` with every response, as some do, is as slow as one without a cache.
#[test]
fn responses_that_forbid_caching_are_told_unless_no_cache_is_wanted() {
    let told = |count: usize, cache_control: &str, changes: serde_json::Value| {
        let mut gateway = gateway(changes);
        let response = response(
            200,
            "application/jwt",
            &[cache_control],
            &jwt(json!({"exp": NOW + 300})),
        );
        for number in 0..count {
            let request = valid("GET", &format!("token-{number}"));
            let (_, id) = flight(&gateway.ask(1, &request, NOW)).expect("a callout");
            gateway.on_server_response(id, &response, NOW);
        }
        notices(&mut gateway, NOW)
    };
    assert_eq!(told(3, "no-cache", json!({})), [Notice::NotCached { responses: 3 }]);
    assert_eq!(
        told(2, "no-cache", json!({})),
        [],
        "a server may have reasons now and then"
    );
    assert_eq!(told(3, "private, max-age=60", json!({})), []);
    for wanted in [json!({"ignore_cache_control": true}), json!({"token_cache_seconds": 0})] {
        assert_eq!(told(3, "no-cache", json!({"phantom_token": wanted})), []);
    }
}
