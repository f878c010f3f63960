//! Sessions that are bound to a device, at two replicas of the service with Redis: concurrent registrations, registrations
//! with other requests in flight, and outages of parts of the system.

use std::net::SocketAddr;
use std::thread;

use bff_core::cookie::purpose::Purpose;
use bff_core::cookie::seal::Binding;
use bff_core::cookie::session_id::SessionId;
use bff_core::encoding::hex;
use bff_tests::client_credentials;
use bff_tests::device::{self, Device, bind_sessions};
use bff_tests::faulty_authorization_server::{Fault, FaultyAuthorizationServer, TOKEN};
use bff_tests::http1::{Request, Response, send_plain};
use bff_tests::scaled;
use bff_tests::sealing::Seals;
use bff_tests::setup::{TestSystem, eventually};
use bff_tests::two_replicas::{is_logged_in, metric, redis, redis_prefix, two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::{AT, AUTH, BOUND, CSRF, UserAgent};
use demo_system::Component;

const RACES: usize = 100;
/// Another number is in the environment variable of this name, such as 200.
const SIGN_INS: usize = 60;
const CALLS: usize = 20;

fn start() -> (TestSystem, FaultyAuthorizationServer) {
    two_replicas(|options| {
        with_redis_and_no_affinity(options);
        bind_sessions(options);
    })
}

fn replicas(test: &TestSystem) -> [SocketAddr; 2] {
    [test.system.bff_addr(), test.system.second_bff().0]
}

/// A user who has signed in, and the response that begins the session.
fn sign_in(test: &TestSystem) -> (UserAgent, Response) {
    device::sign_in(&test.system)
}

fn at(replica: SocketAddr) -> impl Fn(&Request) -> Response {
    move |request| send_plain(replica, request).expect("a response")
}

#[test]
fn of_two_keys_that_are_registered_at_once_at_two_replicas_never_both_are_bound() {
    let (test, _server) = start();
    let replicas = replicas(&test);
    let mut bound_for_a_moment = Vec::new();
    for race in 0..RACES {
        let (user, offer) = sign_in(&test);
        let devices = [Device::default(), Device::default()];
        let responses: Vec<Response> = thread::scope(|scope| {
            let sent: Vec<_> = devices
                .iter()
                .zip(replicas)
                .map(|(device, replica)| {
                    let request = device.registration(&user, &offer).expect("an offer");
                    scope.spawn(move || at(replica)(&request))
                })
                .collect();
            sent.into_iter().map(|sent| sent.join().expect("no panic")).collect()
        });
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        assert!(
            matches!(statuses[..], [200, 401] | [401, 200] | [401, 401]),
            "race {race}: {statuses:?}"
        );
        for (mut device, response) in devices.into_iter().zip(responses) {
            if response.status == 200 {
                let mut user = user.clone();
                device.read(&mut user, &response);
                bound_for_a_moment.push((device, user));
            }
        }
    }
    let repeated = "bff_device_registrations_total{outcome=\"repeated\"}";
    let admins = [test.system.bff_admin(), test.system.second_bff().1];
    let found: u64 = admins.into_iter().map(|admin| metric(admin, repeated)).sum();
    assert_eq!(found, RACES as u64, "each race finds one second key");
    // A second key ends the session also for the first device, at each replica.
    for (mut device, mut user) in bound_for_a_moment {
        for replica in replicas {
            eventually("the session has ended", || !is_logged_in(&user, replica));
            assert_eq!(device.refresh(&mut user, at(replica)), 401);
        }
        eventually("the filter knows of the end", || user.get_data().status == 401);
    }
}

#[test]
fn a_registration_with_everything_in_flight_signs_nobody_out() {
    let (test, _server) = start();
    for sign_in_number in 0..scaled::count("SIGN_INS", SIGN_INS) {
        let (mut user, offer) = sign_in(&test);
        let device = Device::default();
        let registration = device.registration(&user, &offer).expect("an offer");
        let (calls, session, refresh, registered) = thread::scope(|scope| {
            let user = &user;
            let calls: Vec<_> = (0..CALLS)
                .map(|call| {
                    let method = if call % 2 == 0 { "GET" } else { "POST" };
                    scope.spawn(move || user.send(&user.api_request(method)).status)
                })
                .collect();
            let [session, refresh] = [("GET", "/bff/session"), ("POST", "/bff/refresh")]
                .map(|(method, path)| scope.spawn(move || user.send(&user.bff_request(method, path))));
            let registered = scope.spawn(|| user.send(&registration));
            (
                calls
                    .into_iter()
                    .map(|call| call.join().expect("no panic"))
                    .collect::<Vec<_>>(),
                session.join().expect("no panic"),
                refresh.join().expect("no panic"),
                registered.join().expect("no panic"),
            )
        });
        assert_eq!(calls, vec![200; CALLS], "sign-in {sign_in_number}");
        assert_eq!(session.json()["isLoggedIn"], true, "sign-in {sign_in_number}");
        assert_eq!(refresh.status, 204, "sign-in {sign_in_number}: {}", refresh.code());
        assert_eq!(
            registered.status,
            200,
            "sign-in {sign_in_number}: {}",
            registered.code()
        );
        // The responses reach the browser in either order.
        let mut responses = [&session, &refresh, &registered];
        if sign_in_number % 2 == 0 {
            responses.reverse();
        }
        for response in responses {
            user.replace_cookies(response);
        }
        for _ in 0..2 {
            assert_eq!(user.bff("POST", "/bff/refresh").status, 204, "sign-in {sign_in_number}");
            assert_eq!(user.get_data().status, 200, "sign-in {sign_in_number}");
        }
        let copy = user.cookie_header_with(BOUND, None);
        let request = Request::new("GET", "/api/data")
            .header("origin", &user.origin)
            .header("cookie", copy);
        assert_eq!(user.send(&request).status, 401, "sign-in {sign_in_number}: it is bound");
    }
}

#[test]
fn bound_sessions_go_on_without_redis_and_no_new_one_is_bound_until_it_is_back() {
    let (test, _server) = start();
    let [one, other] = replicas(&test);
    let (mut user, offer) = sign_in(&test);
    let mut device = Device::default();
    device.bind(&mut user, &offer, at(one));
    let (provisional, offered) = sign_in(&test);
    test.system.stop(Component::Redis);
    for replica in [one, other] {
        assert_eq!(device.refresh(&mut user, at(replica)), 200);
        assert!(is_logged_in(&user, replica));
    }
    assert_eq!(user.get_data().status, 200);
    // No replica knows whether this session is already bound.
    let late = Device::default();
    let request = late.registration(&provisional, &offered).expect("an offer");
    for replica in [one, other] {
        let response = at(replica)(&request);
        assert_eq!(
            (response.status, response.code().as_str()),
            (503, "refresh_unavailable")
        );
        let response = at(replica)(&provisional.bff_request("GET", "/bff/session"));
        assert_eq!(response.status, 503);
    }
    assert_eq!(provisional.get_data().status, 200);
    eventually("sign-ins offer nothing", || {
        sign_in(&test).1.header("secure-session-registration").is_none()
    });
    test.system
        .resume(Component::Redis)
        .unwrap_or_else(|error| panic!("{error}"));
    eventually("a new session is bound", || {
        let (user, offer) = sign_in(&test);
        let request = Device::default().registration(&user, &offer);
        request.is_some_and(|request| at(one)(&request).status == 200)
    });
    // The session may have been bound before the outage of Redis.
    assert_eq!(at(one)(&request).status, 401);
    assert!(!is_logged_in(&provisional, other));
}

#[test]
fn a_session_that_may_be_bound_outlives_lost_connections_to_redis_and_ends_if_redis_loses_its_data() {
    let (test, _server) = start();
    let (user, offer) = sign_in(&test);
    redis(&test, "CLIENT KILL TYPE normal");
    for replica in replicas(&test) {
        eventually("the replica is connected again", || {
            let response = at(replica)(&user.bff_request("GET", "/bff/session"));
            response.json()["isLoggedIn"] == true
        });
    }
    redis(&test, "FLUSHALL");
    let request = Device::default().registration(&user, &offer).expect("an offer");
    for replica in replicas(&test) {
        assert!(!is_logged_in(&user, replica));
        assert_eq!(at(replica)(&request).status, 401);
        assert_eq!(at(replica)(&user.bff_request("POST", "/bff/refresh")).status, 401);
    }
}

#[test]
fn a_replica_that_is_killed_while_it_registers_a_key_leaves_no_session_that_is_half_bound() {
    let (test, server) = start();
    let [one, other] = replicas(&test);
    let (user, offer) = sign_in(&test);
    let device = Device::default();
    let request = device.registration(&user, &offer).expect("an offer");
    server.set(TOKEN, Fault::Withheld);
    thread::scope(|scope| {
        let lost = scope.spawn(|| send_plain(one, &request));
        eventually("the refresh token has been used", || server.withheld(TOKEN) == 1);
        test.system.kill(Component::Bff);
        assert!(lost.join().expect("no panic").is_err(), "the connection broke");
    });
    server.set(TOKEN, Fault::None);
    // Nothing was decided, so the session is still one that may be bound. Its refresh token may be used up.
    let keys = redis(&test, "KEYS *:device-binding:*");
    let key = keys.lines().last().expect("the start of the session is stored");
    assert!(redis(&test, &format!("GET {key}")).contains("undecided"));
    assert!(is_logged_in(&user, other));
    let response = at(other)(&request);
    assert_eq!(
        (response.status, response.all("set-cookie").len()),
        (401, 0),
        "{}",
        response.code()
    );
    assert!(is_logged_in(&sign_in(&test).0, other));
}

#[test]
fn a_proof_whose_response_is_lost_is_had_from_the_other_replica() {
    let (test, _server) = start();
    let [one, other] = replicas(&test);
    let (mut user, offer) = sign_in(&test);
    let mut device = Device::default();
    device.bind(&mut user, &offer, at(one));
    assert_eq!(device.refresh(&mut user, at(one)), 200);
    // The signed challenge is used, and the browser does not know that.
    let signed = device.proof(&user);
    assert_eq!(at(one)(&signed).status, 200);
    test.system.kill(Component::Bff);
    let response = at(other)(&signed);
    assert_eq!((response.status, response.code().as_str()), (403, "device_challenge"));
    assert_eq!(device.refresh(&mut user, at(other)), 200);
    assert!(is_logged_in(&user, other));
}

/// The list of ended sessions has 10,000 places. Another number is in the environment variable of this name, such as 100000.
const REGISTRATIONS: usize = 1000;
/// At once.
const REGISTERING: usize = 8;

#[test]
fn no_number_of_registrations_revives_a_session_that_has_ended() {
    let registrations = scaled::count("REGISTRATIONS", REGISTRATIONS);
    let (test, server) = two_replicas(|options| {
        with_redis_and_no_affinity(options);
        bind_sessions(options);
        client_credentials::with_administration(options);
    });
    let [one, other] = replicas(&test);
    // One has signed out, the other was signed out by back-channel logout. Somebody has copies of their cookies.
    let copies = [sign_in(&test).0, sign_in(&test).0];
    assert_eq!(copies[0].clone().bff("POST", "/bff/logout").status, 200);
    let end = Request::new("POST", "/admin/end-sessions")
        .header("authorization", format!("Bearer {}", client_credentials::ADMIN_TOKEN))
        .form("username=demouser");
    let response = send_plain(test.system.authorization_server_addr(), &end).expect("a response");
    assert_eq!(response.status, 200);
    let all_have_ended = || {
        copies
            .iter()
            .all(|copy| [one, other].iter().all(|replica| !is_logged_in(copy, *replica)))
    };
    eventually("both sessions have ended", all_have_ended);

    // Registered without refreshes, each for a session of its own.
    server.set(TOKEN, Fault::NonsenseJson);
    let register = Registrations::new(&test);
    let each = registrations / REGISTERING;
    let bound: usize = thread::scope(|scope| {
        let register = &register;
        let run = |replica| scope.spawn(move || (0..each).filter(|_| register.at(replica) == 200).count());
        let runs: Vec<_> = [one, other].into_iter().cycle().take(REGISTERING).map(run).collect();
        runs.into_iter().map(|run| run.join().expect("no panic")).sum()
    });
    assert_eq!(bound, each * REGISTERING);
    assert!(all_have_ended());
    test.system.stop(Component::SecondBff);
    test.system
        .resume(Component::SecondBff)
        .unwrap_or_else(|error| panic!("{error}"));
    eventually("both sessions have ended after a restart too", all_have_ended);
}

/// Registrations in sessions that the test makes up.
struct Registrations<'a> {
    test: &'a TestSystem,
    redis_prefix: String,
    seals: Seals,
    challenges: Seals,
    nobody: UserAgent,
    device: Device,
}

impl<'a> Registrations<'a> {
    fn new(test: &'a TestSystem) -> Self {
        Self {
            test,
            redis_prefix: redis_prefix(test),
            seals: Seals::of(&test.system, "example"),
            challenges: Seals::of(&test.system, "example#challenge"),
            nobody: UserAgent::new(&test.system),
            device: Device::default(),
        }
    }

    /// The status of the response to one.
    fn at(&self, replica: SocketAddr) -> u16 {
        let mut id = [0; 32];
        getrandom::fill(&mut id).expect("random bytes");
        let (id, mut user) = (SessionId(id), self.nobody.clone());
        let key = format!("{}device-binding:{}", self.redis_prefix, hex::encode(&id.parts().0));
        redis(self.test, &format!("SET {key} undecided EX 100"));
        let refresh_token = r#"{"refresh_token":"token","started_at":0,"renewed_by":1}"#;
        for (name, purpose, value) in [
            (AT, Purpose::AccessToken, "token"),
            (CSRF, Purpose::Csrf, "csrf"),
            (AUTH, Purpose::RefreshToken, refresh_token),
        ] {
            let sealed = self.seals.seal_in(Binding::Provisional, purpose, value, id, 100);
            user.cookies.insert(name.to_owned(), sealed);
        }
        let challenge = self.challenges.seal(Purpose::DeviceKey, "", id, 60);
        at(replica)(&self.device.registration_for(&user, &challenge)).status
    }
}
