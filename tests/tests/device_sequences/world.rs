//! The user, the user's device, the sessions, the copies of cookies, and time.

use std::time::{Duration, Instant};

use bff_core::cookie::purpose::Purpose;
use bff_tests::cookie_keys;
use bff_tests::device::Device;
use bff_tests::http1::Response;
use bff_tests::rotating_keys::RotatingKeys;
use bff_tests::sealing::Seals;
use bff_tests::setup::TestSystem;
use bff_tests::two_replicas::redis;
use bff_tests::user_agent::{AT, AUTH, BOUND, CSRF, ID, KEY, UserAgent};

/// What the documents say, in seconds.
pub(crate) const REGISTRATION: u64 = 60;
pub(crate) const PROVISIONAL_ACCESS: u64 = 120;
pub(crate) const GRACE: u64 = 30;
pub(crate) const PROOF: u64 = 600;
/// How long a step may take, in seconds: so near to a limit, the model expects nothing.
pub(crate) const MARGIN: u64 = 15;

const COOKIES: [(&str, Purpose); 6] = [
    (AT, Purpose::AccessToken),
    (AUTH, Purpose::RefreshToken),
    (ID, Purpose::IdToken),
    (CSRF, Purpose::Csrf),
    (BOUND, Purpose::DeviceBinding),
    (KEY, Purpose::DeviceKey),
];

/// What is true of a session.
#[derive(Clone, Copy, Default)]
pub(crate) struct Session {
    pub(crate) began_at: u64,
    pub(crate) registered_at: Option<u64>,
    pub(crate) is_unbound: bool,
    pub(crate) has_ended: bool,
}

/// Cookies that somebody has copied.
pub(crate) struct Copied {
    pub(crate) agent: UserAgent,
    pub(crate) session: usize,
    /// Until when the proof among them is valid.
    pub(crate) proven_until: u64,
    pub(crate) is_provisional: bool,
}

/// The cookie keys of the system.
pub(crate) struct Ring<'a> {
    rotating: RotatingKeys<'a>,
    /// The newest first.
    keys: Vec<String>,
}

impl<'a> Ring<'a> {
    pub(crate) fn new(rotating: RotatingKeys<'a>, first: String) -> Self {
        let keys = vec![first];
        Self { rotating, keys }
    }

    /// Puts a new key first. Those that sealed cookies before stay: the user may have been away for long.
    fn rotate(&mut self) {
        let new = cookie_keys::command(&["generate"], "").trim().to_owned();
        // It must open everywhere before it seals anywhere.
        self.keys.push(new.clone());
        self.rotating.give(&self.keys.join(","));
        self.keys.pop();
        self.keys.insert(0, new);
        self.rotating.give(&self.keys.join(","));
    }

    fn seals(&self) -> Seals {
        Seals::with(&self.keys.join(","), "example")
    }
}

pub(crate) struct World<'a, 'k> {
    pub(crate) test: &'a TestSystem,
    pub(crate) ring: &'a mut Ring<'k>,
    pub(crate) seals: Seals,
    /// In seconds since the start of the sequence. Real time passes too.
    pub(crate) now: u64,
    /// The time up to which `now` includes real time.
    pub(crate) clock: Instant,
    pub(crate) user: UserAgent,
    pub(crate) device: Device,
    /// The response that began the session, while a key may be registered for the session.
    pub(crate) offer: Option<Response>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) proven_until: u64,
    pub(crate) copies: Vec<Copied>,
    pub(crate) history: String,
}

impl<'a, 'k> World<'a, 'k> {
    pub(crate) fn new(test: &'a TestSystem, ring: &'a mut Ring<'k>) -> Self {
        let mut world = Self {
            test,
            seals: ring.seals(),
            ring,
            now: 0,
            clock: Instant::now(),
            user: UserAgent::new(&test.system),
            device: Device::default(),
            offer: None,
            sessions: Vec::new(),
            proven_until: 0,
            copies: Vec::new(),
            history: String::new(),
        };
        world.sign_in();
        world
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        self.sessions.last_mut().expect("a session")
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.sessions.last().is_some_and(|session| !session.has_ended)
    }

    pub(crate) fn sign_in(&mut self) {
        // The browser of the user is a new one: the authorization server asks for the password.
        let mut fresh = UserAgent::new(&self.test.system);
        fresh.cookies.clone_from(&self.user.cookies);
        fresh.csrf.clone_from(&self.user.csrf);
        let page_url = fresh.go_through_login();
        let offer = fresh.end_login(&page_url);
        assert_eq!(offer.status, 200, "{}", self.history);
        let now = self.now;
        if let Some(session) = self.sessions.last_mut()
            && !session.is_unbound
        {
            // Nobody can bind that session or get a proof for it any more.
            session.registered_at.get_or_insert(now);
        }
        self.user = fresh;
        self.device = Device::default();
        self.offer = Some(offer);
        self.sessions.push(Session {
            began_at: self.now,
            ..Session::default()
        });
    }

    pub(crate) fn register(&mut self) {
        let (now, Some(offer)) = (self.now, self.offer.take()) else {
            return;
        };
        let session = *self.session();
        if session.has_ended || session.is_unbound || now + MARGIN >= session.began_at + REGISTRATION {
            return;
        }
        let request = self.device.registration(&self.user, &offer).expect("an offer");
        let response = self.user.send(&request);
        assert_eq!(response.status, 200, "{}: {}", self.history, response.code());
        self.device.read(&mut self.user, &response);
        self.session().registered_at = Some(now);
        self.proven_until = now + PROOF;
    }

    /// Somebody has the offer too, and registers another key.
    pub(crate) fn register_twice(&mut self) {
        let Some(offer) = self.offer.clone() else { return };
        let thief = self.user.clone();
        self.register();
        if self.session().registered_at.is_some() && self.is_signed_in() {
            let response = thief.send(&Device::default().registration(&thief, &offer).expect("an offer"));
            assert_eq!(response.status, 401, "{}", self.history);
            self.session().has_ended = true;
        }
    }

    /// The browser gets a new proof if it needs one.
    pub(crate) fn prove(&mut self) {
        if self.session().registered_at.is_none() || self.now + MARGIN < self.proven_until {
            return;
        }
        let user = self.user.clone();
        let status = self.device.refresh(&mut self.user, |request| user.send(request));
        if self.is_signed_in() {
            assert_eq!(status, 200, "{}", self.history);
            self.proven_until = self.now + PROOF;
        }
    }

    pub(crate) fn refresh(&mut self) {
        self.prove();
        let response = self.user.bff("POST", "/bff/refresh");
        if !self.is_signed_in() {
            return;
        }
        assert_eq!(response.status, 204, "{}: {}", self.history, response.code());
        self.note_refresh();
    }

    /// A refresh after the first minute decides that a session is not bound.
    pub(crate) fn note_refresh(&mut self) {
        let now = self.now;
        let session = self.session();
        if session.registered_at.is_none() && now >= session.began_at + REGISTRATION {
            session.is_unbound = true;
        }
    }

    pub(crate) fn rotate(&mut self) {
        self.ring.rotate();
        self.seals = self.ring.seals();
    }

    pub(crate) fn sign_out(&mut self) {
        self.user.bff("POST", "/bff/logout");
        self.session().has_ended = true;
    }

    pub(crate) fn steal(&mut self) {
        if !self.is_signed_in() {
            return;
        }
        let session = *self.session();
        let is_bound = session.registered_at.is_some();
        self.copies.push(Copied {
            agent: self.user.clone(),
            session: self.sessions.len() - 1,
            proven_until: if is_bound { self.proven_until } else { 0 },
            is_provisional: !is_bound && !session.is_unbound,
        });
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        let jars = self.copies.iter_mut().map(|copied| &mut copied.agent);
        for agent in jars.chain([&mut self.user]) {
            for (name, purpose) in COOKIES {
                if let Some(value) = agent.cookies.get_mut(name)
                    && let Some(aged) = self.seals.aged(purpose, value, seconds)
                {
                    *value = aged;
                }
            }
        }
        self.device.forget_challenge();
        let keys = redis(self.test, "KEYS *:device-binding:*");
        for key in keys.lines().filter(|line| line.contains(":device-binding:")) {
            let value = redis(self.test, &format!("GET {key}"));
            let decision = value.lines().nth(1).unwrap_or_default();
            if let Some((at, thumbprint)) = decision.split_once(' ') {
                let at: u64 = at.parse().expect("a time");
                redis(
                    self.test,
                    &format!("SET {key} \"{} {thumbprint}\" KEEPTTL", at - seconds),
                );
            }
        }
    }

    /// Adds the real time that has passed, in whole seconds.
    pub(crate) fn follow_clock(&mut self) {
        let seconds = self.clock.elapsed().as_secs();
        self.clock += Duration::from_secs(seconds);
        self.now += seconds;
    }
}
