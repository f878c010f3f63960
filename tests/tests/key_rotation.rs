//! Key rotation of the service and the filter while they run: two replicas of the service reload the file, the filter gets
//! a new configuration over Envoy's extension configuration discovery, as in `docs/operations/key-rotation.md`.

use std::net::SocketAddr;

use bff_core::crypto::key_ring::KeyRing;
use bff_tests::cookie_keys;
use bff_tests::device::{self, Device, bind_sessions};
use bff_tests::http1::send_plain;
use bff_tests::mounted_volume::MountedVolume;
use bff_tests::rotating_keys::{self, RotatingKeys};
use bff_tests::setup::{TestSystem, eventually, filter_statistic, start};
use bff_tests::steady_load::{Progress, under_load};
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

const USERS: usize = 3;

/// Two replicas whose keys are in a mounted volume.
fn two_replicas(ring: &str) -> (TestSystem, MountedVolume) {
    let mut volume = None;
    let test = start(|options| {
        options.without.retain(|component| *component != Component::SecondBff);
        bind_sessions(options);
        volume = Some(rotating_keys::in_a_file(options, ring));
    });
    (test, volume.expect("made"))
}

fn admins(test: &TestSystem) -> [SocketAddr; 2] {
    [test.system.bff_admin(), test.system.second_bff().1]
}

fn metrics(admin: SocketAddr) -> String {
    demo_system::get(admin, "/metrics").expect("the metrics").1
}

/// No worker of the service or of the filter opens a cookie that was sealed with a removed key.
fn assert_refused_everywhere(test: &TestSystem, user: &UserAgent) {
    eventually("the filter refuses", || user.get_data().status == 401);
    for _ in 0..20 {
        assert_eq!(user.get_data().status, 401);
    }
    for address in [test.system.bff_addr(), test.system.second_bff().0] {
        for _ in 0..5 {
            let refresh = send_plain(address, &user.bff_request("POST", "/bff/refresh")).expect("a response");
            assert_eq!((refresh.status, refresh.code().as_str()), (401, "unauthorized_request"));
            let session = send_plain(address, &user.bff_request("GET", "/bff/session")).expect("a response");
            assert_eq!(session.json()["isLoggedIn"], false);
        }
    }
}

/// A user whose session is bound to a device.
fn bound(test: &TestSystem) -> (UserAgent, Device) {
    let (provisional, offer) = device::sign_in(&test.system);
    let (mut user, mut device) = (provisional.clone(), Device::default());
    device.bind(&mut user, &offer, |request| provisional.send(request));
    (user, device)
}

/// The browser gets a new proof, and the page uses it.
fn assert_goes_on(user: &mut UserAgent, device: &mut Device) {
    let sender = user.clone();
    assert_eq!(device.refresh(user, |request| sender.send(request)), 200);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(user.get_data().status, 200);
}

/// A ring that is rejected leaves the previous one in force.
fn an_invalid_ring_is_refused_by_both(test: &TestSystem, keys: &mut RotatingKeys<'_>, ring: &str) {
    let invalid = format!("{ring},{}", "00".repeat(32));
    keys.write(&invalid);
    for admin in admins(test) {
        eventually("the service refuses the ring", || {
            metrics(admin).contains("\nbff_reread_refused 1\n")
        });
    }
    assert!(!keys.give_to_filter(&invalid));
    for (component, text) in [
        (Component::Bff, "keys: key 2 is weak (one byte repeated"),
        (Component::SecondBff, "keys: key 2 is weak (one byte repeated"),
        (
            Component::Envoy,
            "bff_token.encryption_key: key 2 is weak (one byte repeated",
        ),
    ] {
        let log = std::fs::read_to_string(test.system.log(component)).expect("the log");
        assert!(log.contains(text), "{component}: {log}");
        assert!(!log.contains(ring), "{component} shows a key");
    }
}

#[test]
fn over_two_rotations_under_load_nobody_is_logged_out_and_a_removed_key_is_refused_at_once() {
    let made = cookie_keys::command(&["generate", "--count", "3"], "");
    let made: Vec<&str> = made.lines().collect();
    let [one, two, three] = made.try_into().expect("three keys");
    let (test, volume) = two_replicas(one);
    let mut keys = RotatingKeys::new(&test.system, volume, one);
    let envoy = test.system.pid(Component::Envoy);
    let (mut bound_user, mut device) = bound(&test);
    let answered = under_load(&test.system, USERS, |progress: &Progress| {
        for (old, new) in [(one, two), (two, three)] {
            progress.wait_for_refreshes();
            let stale = UserAgent::signed_in(&test.system);
            let (stale_bound, mut stale_device) = bound(&test);
            assert_eq!(stale.get_data().status, 200);
            // The new key must open everywhere before it seals anywhere.
            keys.give(&format!("{old},{new}"));
            assert_goes_on(&mut bound_user, &mut device);
            progress.wait_for_refreshes();
            keys.give(&format!("{new},{old}"));
            assert_goes_on(&mut bound_user, &mut device);
            progress.wait_for_refreshes();
            assert_eq!(stale.get_data().status, 200, "the old key still opens");
            an_invalid_ring_is_refused_by_both(&test, &mut keys, new);
            progress.wait_for_refreshes();
            assert_eq!(stale.get_data().status, 200, "a ring that is refused changes nothing");
            // The cookies that the old key has sealed have expired, except those of the user who was away.
            keys.give(new);
            assert_refused_everywhere(&test, &stale);
            assert_refused_everywhere(&test, &stale_bound);
            let mut copy = stale_bound.clone();
            assert_ne!(
                stale_device.refresh(&mut copy, |request| stale_bound.send(request)),
                200
            );
            assert_goes_on(&mut bound_user, &mut device);
            progress.wait_for_refreshes();
        }
    });
    assert!(answered > USERS * 100, "{answered} requests");
    // The filter counts which key the cookies were sealed with.
    let (ring, _) = KeyRing::parse(three, false).expect("a ring");
    let id = ring.key_ids().next().expect("a key");
    eventually("the filter counts", || {
        filter_statistic(&test.system, &format!("cookies_opened_by_{id}")) > 0
    });
    assert_eq!(
        test.system.pid(Component::Envoy),
        envoy,
        "all in one and the same Envoy"
    );
}
