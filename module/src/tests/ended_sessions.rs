//! The list of ended sessions: one configuration polls it for all with the same source.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::{Content, NONCE_BYTES, Sealer};
use bff_core::cookie::session_id::SessionId;
use bff_core::crypto::key_ring::KeyRing;
use bff_core::session::ended_sessions::{Ended, EndedSessions};

use super::*;
use crate::abi::simulation::{Envoy, Place, Version};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SESSION: SessionId = SessionId([7; 32]);

fn polling(cluster: &str) -> String {
    format!(
        r#"{{"bff_token": {{"cookie_name_prefix": "example", "encryption_key": {{"inline": "{KEY}"}}, "demo": true,
            "trusted_web_origins": ["https://www.example.com"], "cookie_hardening": "none",
            "ended_sessions": {{"cluster": "{cluster}", "poll_seconds": 3600}}}}}}"#
    )
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// A request with the cookie of the session.
fn visit(worker: usize) -> Plan {
    let sealer = Sealer::new(KeyRing::parse(KEY, true).unwrap().0, "example", false);
    let content = Content {
        value: b"token",
        session: SESSION,
        began_at: now() - 10,
        expires_at: now() + 3000,
    };
    let sealed = sealer.seal(Purpose::AccessToken, &content, [3; NONCE_BYTES]).unwrap();
    let cookie = format!("example-at={sealed}");
    let lines = [
        (":method", "GET"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cookie", cookie.as_str()),
    ];
    Plan {
        head: Head::of(&lines),
        ..plan(worker, "")
    }
}

/// The list, with the session.
fn list() -> String {
    let mut list = EndedSessions::new(100, 0);
    list.end(Ended::session(&SESSION), now());
    list.to_json("1")
}

fn is_refused(envoy: &Envoy, place: &Place, worker: usize) -> bool {
    match envoy.send(place, visit(worker)).outcome() {
        Outcome::Replied(status, ..) => {
            assert_eq!(status, 401);
            true
        }
        Outcome::Forwarded(_, response) => {
            assert_eq!(response.get("cache-control"), Some("private"));
            false
        }
        Outcome::Left => panic!("nobody has left"),
    }
}

#[test]
fn one_configuration_polls_for_all_and_the_next_one_when_it_has_ended() {
    for version in Version::ALL {
        let cluster = format!("admin-{version:?}");
        let polls = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicU64::new(0));
        let (count, has_ended) = (Arc::clone(&polls), Arc::clone(&ended));
        let envoy = Envoy::start(version, 2, move |callout| {
            assert!(callout.cluster.starts_with("admin-"));
            count.fetch_add(1, Ordering::SeqCst);
            match has_ended.load(Ordering::SeqCst) {
                0 => CalloutPlan::Http(AT_ONCE, 200, EndedSessions::new(100, 0).to_json("0")),
                _ => CalloutPlan::Http(AT_ONCE, 200, list()),
            }
        });
        let mut places: Vec<_> = (0..3)
            .map(|_| envoy.configure(&polling(&cluster)).expect("a configuration"))
            .collect();
        for place in places.iter().cycle().take(30) {
            envoy.tick(place);
        }
        envoy.wait_until_idle();
        assert_eq!(polls.load(Ordering::SeqCst), 1);
        assert!(places.iter().all(|place| !is_refused(&envoy, place, 0)));
        // The one that polls ends. Another one polls at once, and all others have its list.
        ended.store(1, Ordering::SeqCst);
        drop(places.remove(0));
        envoy.wait_until_idle();
        for place in places.iter().cycle().take(4) {
            envoy.tick(place);
            envoy.wait_until_idle();
        }
        assert_eq!(polls.load(Ordering::SeqCst), 2);
        for place in &places {
            assert!(is_refused(&envoy, place, 0) && is_refused(&envoy, place, 1));
        }
        // A new one has the list before its first tick.
        let new = envoy.configure(&polling(&cluster)).expect("a configuration");
        assert!(is_refused(&envoy, &new, 0));
        places.push(new);
        envoy.exit(places);
    }
}
