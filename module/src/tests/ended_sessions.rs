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
    polling_and_ending(cluster, "never")
}

fn polling_and_ending(cluster: &str, end_streams: &str) -> String {
    format!(
        r#"{{"end_streams": "{end_streams}", "bff_token": {{"cookie_name_prefix": "example", "encryption_key": {{"inline": "{KEY}"}}, "demo": true,
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
    visit_of(SESSION, worker)
}

fn visit_of(session: SessionId, worker: usize) -> Plan {
    let sealer = Sealer::new(KeyRing::parse(KEY, true).unwrap().0, "example", false);
    let content = Content {
        value: b"token",
        session,
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
        Outcome::Reset(_) | Outcome::Left => panic!("nobody has left"),
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

#[test]
fn open_streams_of_an_ended_session_are_reset_on_each_worker_and_no_others() {
    for version in Version::ALL {
        let cluster = format!("streams-{version:?}");
        let ended = Arc::new(AtomicU64::new(0));
        let has_ended = Arc::clone(&ended);
        let envoy = Envoy::start(version, 2, move |_| match has_ended.load(Ordering::SeqCst) {
            0 => CalloutPlan::Http(AT_ONCE, 200, EndedSessions::new(100, 0).to_json("0")),
            _ => CalloutPlan::Http(AT_ONCE, 200, list()),
        });
        let place = |end_streams: &str| {
            let configuration = polling_and_ending(&cluster, end_streams);
            envoy.configure(&configuration).expect("a configuration")
        };
        let polls_first = place("never");
        envoy.tick(&polls_first);
        let (ending, keeping) = (place("session"), place("never"));
        let open = |place: &Place, session: u8, worker: usize| {
            let session = SessionId([session; 32]);
            let upstream = Upstream::Never;
            envoy.send(
                place,
                Plan {
                    upstream,
                    ..visit_of(session, worker)
                },
            )
        };
        let of_session: Vec<_> = (0..8).map(|number| open(&ending, 7, number % 2)).collect();
        let of_another: Vec<_> = (0..2).map(|worker| open(&ending, 8, worker)).collect();
        let kept = open(&keeping, 7, 0);
        let gone = open(&ending, 7, 1);
        gone.leave(0);
        assert_left(&gone.outcome());
        for place in [&ending, &keeping] {
            envoy.tick(place);
        }
        envoy.wait_until_idle();
        ended.store(1, Ordering::SeqCst);
        // The next configuration polls at once.
        drop(polls_first);
        envoy.wait_until_idle();
        for place in [&ending, &keeping].into_iter().cycle().take(6) {
            envoy.tick(place);
            envoy.wait_until_idle();
        }
        for request in &of_session {
            match request.outcome() {
                Outcome::Reset(details) => assert_eq!(details, "bff:stream_ended"),
                other @ (Outcome::Forwarded(..) | Outcome::Replied(..) | Outcome::Left) => panic!("{other:?}"),
            }
        }
        for request in of_another.iter().chain([&kept]) {
            request.leave(0);
            assert_left(&request.outcome());
        }
        envoy.exit(vec![ending, keeping]);
    }
}
