//! Sequences of everything that happens to sessions that may be bound to a device, chosen by seeds, at two replicas with
//! Redis, against a model of what a thief of cookies may do: without the device's key no request passes later than the stated
//! time, nothing revives an ended session, and nobody signs a user out without the user's cookies.
//!
//! Time passes by sealing every cookie again with earlier times, and by changing the times in Redis.

mod world;

use std::fmt::Write;

use bff_tests::cookie_keys;
use bff_tests::device::{Device, bind_sessions};
use bff_tests::http1::Response;
use bff_tests::random::Random;
use bff_tests::rotating_keys::{self, RotatingKeys};
use bff_tests::setup::eventually;
use bff_tests::two_replicas::{two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

use self::world::{Copied, GRACE, PROVISIONAL_ACCESS, REGISTRATION, Ring, World};

const SEQUENCES: u64 = 12;
const STEPS: usize = 30;
/// How long a session lasts if nobody refreshes it, in seconds.
const LAST: u64 = 3000;

impl World<'_, '_> {
    /// A thief acts with one of the copies.
    fn thieve(&mut self, random: &mut Random) {
        if self.copies.is_empty() {
            return;
        }
        let index = random.below(self.copies.len());
        // Another replica learns of the end of a session a moment later.
        let has_ended = self.sessions[self.copies[index].session].has_ended;
        let (now, is_allowed) = (self.now, self.may(&self.copies[index]));
        let copied = &mut self.copies[index];
        match random.below(4) {
            0 => {
                let response = copied.agent.bff("POST", "/bff/refresh");
                if response.status == 204 && !response.all("set-cookie").is_empty() {
                    assert!(is_allowed, "{}: a thief has refreshed", self.history);
                    let session = &mut self.sessions[copied.session];
                    if session.registered_at.is_none() && now >= session.began_at + REGISTRATION {
                        session.is_unbound = true;
                    }
                }
            }
            1 => {
                let response = copied.agent.bff("POST", "/bff/touch");
                assert!(
                    is_allowed || response.status != 200 || has_ended,
                    "{}: a thief is active",
                    self.history
                );
            }
            2 => {
                let mut pretender = Device::pretending_to_be(&self.device);
                let agent = copied.agent.clone();
                let status = pretender.refresh(&mut copied.agent, |request| agent.send(request));
                assert_ne!(status, 200, "{}: a proof without the key", self.history);
            }
            _ => {
                // A logout needs no proof, but cookies of the session.
                let response = copied.agent.clone().bff("POST", "/bff/logout");
                if response.status == 200 {
                    self.sessions[copied.session].has_ended = true;
                }
            }
        }
    }

    /// Somebody without any of the user's cookies tries each request.
    fn annoy(&self) {
        let stranger = UserAgent::new(&self.test.system);
        for path in ["/bff/refresh", "/bff/logout", "/bff/touch"] {
            assert_eq!(stranger.send(&stranger.bff_request("POST", path)).status, 401);
        }
        let pretender = Device::pretending_to_be(&self.device);
        assert_eq!(stranger.send(&pretender.proof(&stranger)).status, 401);
        if let Some(offer) = &self.offer {
            let request = pretender.registration(&stranger, offer).expect("an offer");
            assert_eq!(stranger.send(&request).status, 401);
        }
    }

    /// Whether the service may accept a copy.
    fn may(&self, copied: &Copied) -> bool {
        let session = self.sessions[copied.session];
        !session.has_ended
            && match session.registered_at {
                None => true,
                Some(at) => self.now < copied.proven_until || copied.is_provisional && self.now < at + GRACE,
            }
    }

    /// Whether a gateway may accept a copy.
    fn may_at_gateway(&self, copied: &Copied) -> bool {
        let session = self.sessions[copied.session];
        session.registered_at.is_none()
            || self.now < copied.proven_until
            || copied.is_provisional && self.now < session.began_at + PROVISIONAL_ACCESS
    }

    fn check(&mut self) {
        for copied in &self.copies {
            let agent = &copied.agent;
            let send = |method: &str, path: &str| -> Response { agent.send(&agent.bff_request(method, path)) };
            if !self.may(copied) {
                // Another replica learns of the end of a session a moment later.
                eventually(&format!("{}: a copy is refused", self.history), || {
                    send("GET", "/bff/session").json()["isLoggedIn"] == false
                        && ["/bff/claims", "/bff/userInfo"]
                            .iter()
                            .all(|path| send("GET", path).status == 401)
                });
            }
            if !self.may_at_gateway(copied) {
                for method in ["GET", "POST"] {
                    let response = send(method, "/api/data");
                    assert_eq!(response.status, 401, "{}: a copy reaches the API", self.history);
                }
            }
            let response = send("GET", "/bff/session");
            assert_eq!(response.header("secure-session-registration"), None, "{}", self.history);
        }
        if self.is_signed_in() {
            self.prove();
            let session = self.user.bff("GET", "/bff/session").json();
            assert_eq!(session["isLoggedIn"], true, "{}: the user was signed out", self.history);
            if session["accessTokenExpiresIn"] == 0 {
                self.refresh();
            }
            assert_eq!(self.user.get_data().status, 200, "{}", self.history);
        }
    }

    fn step(&mut self, random: &mut Random) {
        self.follow_clock();
        let session = *self.session();
        let lives = self.now < session.began_at + LAST;
        let what = match random.below(20) {
            0..=2 if self.is_signed_in() => "register",
            3 if self.is_signed_in() => "register twice",
            4..=6 => "refresh",
            7..=9 => "steal",
            10..=12 => "thieve",
            13..=16 if lives => "pass",
            17 if self.is_signed_in() => "sign out",
            18 => "restart",
            // A rotation takes seconds.
            19 if random.below(2) == 0 => "rotate",
            19 => "annoy",
            _ => "sign in",
        };
        let _ = write!(self.history, "{what}");
        match what {
            "register" => self.register(),
            "register twice" => self.register_twice(),
            "refresh" => self.refresh(),
            "steal" => self.steal(),
            "thieve" => self.thieve(random),
            "pass" => {
                let seconds = *random.pick(&[5, 31, 61, 121, 301, 601]);
                let _ = write!(self.history, " {seconds}");
                self.pass(seconds);
            }
            "sign out" => self.sign_out(),
            "restart" => self.restart(random),
            "rotate" => self.rotate(),
            "annoy" => self.annoy(),
            _ => self.sign_in(),
        }
        self.history.push_str(", ");
        self.check();
    }

    fn restart(&self, random: &mut Random) {
        let replica = *random.pick(&[Component::Bff, Component::SecondBff]);
        self.test.system.stop(replica);
        self.test
            .system
            .resume(replica)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn in_any_sequence_copied_cookies_are_useless_after_the_stated_time_and_users_stay_signed_in() {
    let first = cookie_keys::command(&["generate"], "").trim().to_owned();
    let mut volume = None;
    let (test, _server) = two_replicas(|options| {
        with_redis_and_no_affinity(options);
        bind_sessions(options);
        volume = Some(rotating_keys::in_a_file(options, &first));
    });
    let rotating = RotatingKeys::new(&test.system, volume.expect("made"), &first);
    let mut ring = Ring::new(rotating, first);
    for seed in 1..=SEQUENCES {
        let mut random = Random::new(seed);
        let mut world = World::new(&test, &mut ring);
        let _ = write!(world.history, "seed {seed}: ");
        for _ in 0..STEPS {
            world.step(&mut random);
        }
    }
}
