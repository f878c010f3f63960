//! `end_streams`: which streams are to be reset, and when.

use std::collections::HashMap;
use std::sync::Arc;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::session_id::SessionId;
use bff_core::gateway::Gateway;
use bff_core::gateway::config::Config;
use bff_core::gateway::counters::Counter;
use bff_core::gateway::effect::{Command, Effect};
use bff_core::gateway::newest_tokens::NewestTokens;
use bff_core::session::ended_sessions::{Ended, EndedSessions};
use serde_json::{Value, json};

use crate::support::{Ask, NOW, SESSION, active, bearer, configuration, ends, env, flight, gateway, head, seal_as};

/// Returns the streams that end, which the host then resets.
fn ended(gateway: &mut Gateway, now: u64) -> Vec<u64> {
    let ended = gateway.ended_streams(now, usize::MAX);
    for stream in &ended {
        gateway.on_stream_end(*stream);
    }
    sorted(ended)
}

/// No stream.
const NONE: [u64; 0] = [];
const OTHER: SessionId = SessionId([8; 32]);

/// A configuration whose tokens are not introspected.
fn with_cookies_alone(end_streams: &str) -> Value {
    let ended_sessions = json!({"cluster": "bff_admin"});
    json!({"end_streams": end_streams, "phantom_token": null, "bff_token": {"ended_sessions": ended_sessions}})
}

fn by_cookie(gateway: &mut Gateway, stream: u64, session: SessionId, expires_at: u64, now: u64) {
    let cookie = format!(
        "example-at={}",
        seal_as(Purpose::AccessToken, "a.b.c", session, expires_at)
    );
    let effects = gateway.ask(stream, &head("GET", &[("cookie", &cookie)]), now);
    assert_eq!(ends(&effects).len(), 1);
}

fn end(gateway: &mut Gateway, session: SessionId) {
    let mut list = EndedSessions::new(100, 0);
    list.end(Ended::session(&session), NOW);
    gateway.on_ended_sessions(200, Some(list.to_json("1").as_bytes()));
}

fn sorted(mut streams: Vec<u64>) -> Vec<u64> {
    streams.sort_unstable();
    streams
}

#[test]
fn streams_of_an_ended_session_end_once_and_no_others() {
    for value in ["session", "token"] {
        let mut gateway = gateway(with_cookies_alone(value));
        for (stream, session) in [(1, SESSION), (2, SESSION), (3, OTHER), (4, SESSION)] {
            by_cookie(&mut gateway, stream, session, NOW + 300, NOW);
        }
        gateway.on_stream_end(4);
        assert_eq!(ended(&mut gateway, NOW + 1), NONE);
        end(&mut gateway, SESSION);
        assert_eq!(ended(&mut gateway, NOW + 2), [1, 2]);
        assert_eq!(ended(&mut gateway, NOW + 3), NONE);
        assert_eq!(
            (gateway.open_streams(), gateway.counters().of(Counter::StreamEnded)),
            (1, 2)
        );
    }
}

#[test]
fn no_stream_is_known_without_the_setting() {
    let mut gateway = gateway(with_cookies_alone("never"));
    by_cookie(&mut gateway, 1, SESSION, NOW + 300, NOW);
    assert_eq!(gateway.open_streams(), 0);
    end(&mut gateway, SESSION);
    assert_eq!(ended(&mut gateway, NOW + 4000), NONE);
}

#[test]
fn a_stream_ends_with_the_token_in_its_cookie() {
    let mut gateway = gateway(with_cookies_alone("token"));
    by_cookie(&mut gateway, 1, SESSION, NOW + 10, NOW);
    by_cookie(&mut gateway, 2, SESSION, NOW + 20, NOW);
    assert_eq!(ended(&mut gateway, NOW + 9), NONE);
    assert_eq!(ended(&mut gateway, NOW + 10), [1]);
    assert_eq!(ended(&mut gateway, NOW + 20), [2]);
}

#[test]
fn a_stream_ends_with_its_token_as_introspection_dates_it() {
    let mut gateway = gateway(json!({"end_streams": "token", "bff_token": {
        "allow_tokens": true, "ended_sessions": {"cluster": "bff_admin"}
    }}));
    // A cookie that outlives its token, a bearer token that is introspected, and the same one from the cache.
    let cookie = format!(
        "example-at={}",
        seal_as(Purpose::AccessToken, "one", SESSION, NOW + 300)
    );
    for (stream, head, exp) in [
        (1, head("GET", &[("cookie", &cookie)]), NOW + 10),
        (2, bearer("two"), NOW + 20),
    ] {
        let effects = gateway.ask(stream, &head, NOW);
        let (_, flight) = flight(&effects).unwrap();
        gateway.on_server_response(flight, &active(json!({"exp": exp})), NOW);
    }
    gateway.ask(3, &bearer("two"), NOW + 1);
    assert_eq!(ended(&mut gateway, NOW + 9), NONE);
    assert_eq!(ended(&mut gateway, NOW + 10), [1]);
    assert_eq!(ended(&mut gateway, NOW + 20), [2, 3]);
}

#[test]
fn a_bearer_token_has_no_session_that_could_end() {
    let mut gateway = gateway(json!({"end_streams": "session", "bff_token": {
        "allow_tokens": true, "ended_sessions": {"cluster": "bff_admin"}
    }}));
    let effects = gateway.ask(1, &bearer("token"), NOW);
    let (_, flight) = flight(&effects).unwrap();
    gateway.on_server_response(flight, &active(json!({"exp": NOW + 10})), NOW);
    assert_eq!(gateway.open_streams(), 0);
}

#[test]
fn a_session_without_a_valid_token_keeps_its_streams_for_a_minute() {
    let mut gateway = gateway(with_cookies_alone("session"));
    by_cookie(&mut gateway, 1, SESSION, NOW + 10, NOW);
    by_cookie(&mut gateway, 2, OTHER, NOW + 10, NOW);
    assert_eq!(ended(&mut gateway, NOW + 69), NONE);
    // A newer token, and then the older one again, which another tab may still have.
    by_cookie(&mut gateway, 3, SESSION, NOW + 310, NOW + 9);
    by_cookie(&mut gateway, 4, SESSION, NOW + 10, NOW + 9);
    gateway.on_stream_end(3);
    gateway.on_stream_end(4);
    assert_eq!(ended(&mut gateway, NOW + 70), [2]);
    assert_eq!(ended(&mut gateway, NOW + 369), NONE);
    assert_eq!(ended(&mut gateway, NOW + 370), [1]);
}

/// The native module: one gateway for each thread.
#[test]
fn gateways_that_share_the_newest_tokens_keep_each_others_streams() {
    let newest = Arc::new(NewestTokens::default());
    let [mut one, mut other] = [(); 2].map(|()| {
        let mut gateway = gateway(with_cookies_alone("session"));
        gateway.share_newest_tokens(&newest);
        gateway
    });
    by_cookie(&mut one, 1, SESSION, NOW + 10, NOW);
    by_cookie(&mut other, 2, SESSION, NOW + 310, NOW + 5);
    other.on_stream_end(2);
    assert_eq!(ended(&mut one, NOW + 369), NONE);
    assert_eq!(ended(&mut one, NOW + 370), [1]);
    assert_eq!(newest.sessions(), 0, "nothing is left of a session without streams");
}

/// The data that VMs of one process share.
#[derive(Default)]
struct SharedData(HashMap<String, Vec<u8>>);

impl SharedData {
    /// Runs a tick of a gateway, and stores what it has to store.
    fn tick(&mut self, gateway: &mut Gateway, now: u64) -> usize {
        let effects = gateway.on_tick(now).into_iter();
        let entries = effects.filter_map(|effect| match effect {
            Effect::Run(Command::Store(entry)) => Some(entry),
            _ => None,
        });
        let mut count = 0;
        for entry in entries {
            let slots = entry.slots();
            let values = slots.map(|slot| self.0.get(&slot.name()).cloned().unwrap_or_default());
            let (chosen, value) = entry.choose([&values[0], &values[1]], now).unwrap();
            self.0.insert(slots[chosen].name(), value);
            count += 1;
        }
        count
    }

    /// Returns the streams that end, after a look into this data.
    fn ended(&self, gateway: &mut Gateway, now: u64) -> Vec<u64> {
        for (session, slots) in gateway.doubtful_sessions(now) {
            for slot in slots {
                if let Some(value) = self.0.get(&slot.name()) {
                    gateway.on_shared_newest_token(&session, slot, value, now);
                }
            }
        }
        ended(gateway, now)
    }
}

/// The proxy-wasm module: one VM for each thread.
#[test]
fn gateways_with_shared_data_keep_each_others_streams() {
    let config = |keys: &'static str| {
        let env = |name: &str| {
            if name == "BFF_COOKIE_KEYS" {
                Some(keys.to_owned())
            } else {
                env(name)
            }
        };
        let text = configuration(with_cookies_alone("session")).to_string();
        Gateway::with_shared_cache(Config::parse(text.as_bytes(), env).unwrap())
    };
    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW_FIRST: &str = "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f,\
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const OLD_FIRST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f,\
        303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f";
    const FOREIGN: &str = "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f";
    for (one, other) in [
        (OLD, OLD),
        // In the middle of a key rotation.
        (OLD_FIRST, NEW_FIRST),
        (NEW_FIRST, OLD_FIRST),
    ] {
        let (mut one, mut other) = (config(one), config(other));
        let mut data = SharedData::default();
        by_cookie(&mut one, 1, SESSION, NOW + 10, NOW);
        by_cookie(&mut one, 2, OTHER, NOW + 10, NOW);
        by_cookie(&mut other, 1, SESSION, NOW + 310, NOW + 5);
        other.on_stream_end(1);
        assert_eq!((data.tick(&mut one, NOW + 6), data.tick(&mut other, NOW + 6)), (2, 1));
        assert_eq!(data.tick(&mut other, NOW + 7), 0, "a token is stored once");
        assert_eq!(data.ended(&mut one, NOW + 69), NONE);
        assert_eq!(data.ended(&mut one, NOW + 70), [2]);
        assert_eq!(data.ended(&mut one, NOW + 369), NONE);
        assert_eq!(data.ended(&mut one, NOW + 370), [1]);
    }
    // What somebody without the keys has stored does not count.
    let (mut one, mut stranger) = (config(OLD), config(FOREIGN));
    let mut data = SharedData::default();
    by_cookie(&mut one, 1, SESSION, NOW + 10, NOW);
    data.tick(&mut one, NOW);
    let genuine = data.0.clone();
    let sealer_cookie = format!("example-at={}", sealed_with(FOREIGN, NOW + 310));
    let effects = stranger.ask(1, &head("GET", &[("cookie", &sealer_cookie)]), NOW);
    assert_eq!(ends(&effects).len(), 1);
    assert_eq!(data.tick(&mut stranger, NOW), 1);
    assert_ne!(data.0, genuine);
    assert_eq!(data.ended(&mut one, NOW + 70), [1]);
}

/// An access token cookie of the session that is sealed with these keys.
fn sealed_with(keys: &str, expires_at: u64) -> String {
    use bff_core::cookie::seal::{Content, NONCE_BYTES, Sealer};
    use bff_core::crypto::key_ring::KeyRing;
    let sealer = Sealer::new(KeyRing::parse(keys, false).unwrap().0, "example", false);
    let content = Content {
        value: b"a.b.c",
        session: SESSION,
        began_at: NOW,
        expires_at,
    };
    sealer.seal(Purpose::AccessToken, &content, [5; NONCE_BYTES]).unwrap()
}

#[test]
fn a_stream_that_is_replaced_or_ends_twice_is_counted_once() {
    let newest = Arc::new(NewestTokens::default());
    let mut gateway = gateway(with_cookies_alone("session"));
    gateway.share_newest_tokens(&newest);
    by_cookie(&mut gateway, 1, SESSION, NOW + 10, NOW);
    by_cookie(&mut gateway, 1, OTHER, NOW + 10, NOW);
    assert_eq!((gateway.open_streams(), newest.sessions()), (1, 1));
    gateway.on_stream_end(1);
    gateway.on_stream_end(1);
    assert_eq!((gateway.open_streams(), newest.sessions()), (0, 0));
}

#[test]
fn what_the_gateway_cannot_know_is_refused_at_start() {
    let message = |changes: Value| {
        let text = configuration(changes).to_string();
        Config::parse(text.as_bytes(), env).unwrap_err().to_string()
    };
    for (changes, expected) in [
        (
            json!({"end_streams": "session", "bff_token": null}),
            "needs sessions: add `bff_token`",
        ),
        (json!({"end_streams": "session"}), "add `bff_token.ended_sessions`"),
        (json!({"end_streams": "token"}), "add `bff_token.ended_sessions`"),
        (
            json!({"end_streams": "token", "phantom_token": null, "bff_token": {
                "allow_tokens": true, "ended_sessions": {"cluster": "bff_admin"}
            }}),
            "add `phantom_token`, or remove `bff_token.allow_tokens`",
        ),
    ] {
        let found = message(changes);
        assert!(
            found.starts_with("end_streams: ") && found.contains(expected),
            "{found}"
        );
    }
    assert!(message(json!({"end_streams": "always"})).contains("end_streams"));
}

#[test]
fn a_stream_comes_again_until_the_host_has_reset_it_and_is_counted_once() {
    let mut gateway = gateway(with_cookies_alone("session"));
    by_cookie(&mut gateway, 1, SESSION, NOW + 300, NOW);
    end(&mut gateway, SESSION);
    for now in NOW + 1..NOW + 4 {
        assert_eq!(gateway.ended_streams(now, usize::MAX), [1]);
    }
    gateway.on_stream_end(1);
    assert_eq!(gateway.ended_streams(NOW + 5, usize::MAX), NONE);
    assert_eq!(gateway.counters().of(Counter::StreamEnded), 1);
}

#[test]
fn streams_end_in_portions_and_none_is_forgotten() {
    let mut gateway = gateway(with_cookies_alone("session"));
    for stream in 0..10 {
        by_cookie(&mut gateway, stream, SESSION, NOW + 300, NOW);
    }
    end(&mut gateway, SESSION);
    let portions = [(); 4].map(|()| {
        let portion = gateway.ended_streams(NOW + 1, 4);
        for stream in &portion {
            gateway.on_stream_end(*stream);
        }
        portion
    });
    assert_eq!(portions.each_ref().map(Vec::len), [4, 4, 2, 0]);
    assert_eq!(sorted(portions.concat()), Vec::from_iter(0..10));
}

/// The first request with a newer cookie may be refused, such as for want of a CSRF value.
#[test]
fn a_newer_token_is_shared_once_a_request_with_it_has_been_accepted() {
    let text = configuration(with_cookies_alone("session")).to_string();
    let mut gateway = Gateway::with_shared_cache(Config::parse(text.as_bytes(), env).unwrap());
    let cookie = format!(
        "example-at={}",
        seal_as(Purpose::AccessToken, "a.b.c", SESSION, NOW + 300)
    );
    let mut data = SharedData::default();
    gateway.ask(
        1,
        &head("POST", &[("cookie", &cookie), ("origin", "https://www.example.com")]),
        NOW,
    );
    assert_eq!(data.tick(&mut gateway, NOW), 0);
    for stream in 2..4 {
        by_cookie(&mut gateway, stream, SESSION, NOW + 300, NOW);
    }
    assert_eq!(data.tick(&mut gateway, NOW), 1);
}

/// Two services without Redis know different ended sessions.
#[test]
fn a_list_of_somebody_else_is_checked_even_if_it_has_as_many_changes() {
    let mut gateway = gateway(with_cookies_alone("session"));
    by_cookie(&mut gateway, 1, SESSION, NOW + 300, NOW);
    end(&mut gateway, OTHER);
    assert_eq!(ended(&mut gateway, NOW + 1), NONE);
    let mut list = EndedSessions::new(100, 0);
    list.end(Ended::session(&SESSION), NOW);
    assert_eq!(list.changes(), gateway.ended_sessions().changes());
    gateway.share_ended_sessions(&Arc::new(list));
    assert_eq!(ended(&mut gateway, NOW + 2), [1]);
}
