//! Clients that send or read slowly stop nobody: in each of the shipped configurations, a user signs in and calls the API
//! while a thousand of them hold connections at each place. And their connections end after a while.

use std::time::Instant;

use bff_tests::http1::{Client, Request};
use bff_tests::setup::{eventually, rewrite_envoy, statistic};
use bff_tests::shipped::{Shipped, start_with};
use bff_tests::slow_clients::{STREAMS, Slow, SlowClients, SlowConnection, Target, allow_files};
use bff_tests::user_agent::UserAgent;
use demo_system::System;
use serde_json::{Value, json};

/// The number of clients of each kind, at each place.
const CLIENTS: usize = 1000;

/// The places of slow clients in a configuration: the hosts that it has. Holding a connection at the API needs a user's
/// cookies.
fn places(shipped: Shipped, system: &System, user: &UserAgent) -> Vec<Target> {
    let place = |host, upload, download: &str| Target {
        host,
        upload,
        download: download.to_owned(),
        headers: Vec::new(),
    };
    let mut api = place("api", "/api/upload", "/api/download");
    api.headers = [
        ("origin", user.origin.clone()),
        ("cookie", user.cookie_header()),
        ("x-example-csrf", user.csrf.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let mut places = vec![place("api", "/bff/login/end", "/bff/session"), api];
    if matches!(shipped, Shipped::Envoy) {
        places.push(place("www", "/", &script(system)));
        places.push(place("login", "/oauth/v2/oauth-token", "/oauth/v2/oauth-authorize"));
    }
    places
}

/// The path of the page's script.
fn script(system: &System) -> String {
    let page = Client::new(system)
        .send("www", &Request::new("GET", "/"))
        .expect("the page");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let (_, rest) = text.split_once("src=\"").expect("a script");
    rest.split('"').next().expect("its path").to_owned()
}

/// All durations after which Envoy ends connections of slow clients.
const DURATIONS: [&str; 7] = [
    "listener_filters_timeout",
    "transport_socket_connect_timeout",
    "request_headers_timeout",
    "request_timeout",
    "stream_idle_timeout",
    "idle_timeout",
    "max_stream_duration",
];

/// Changes these durations, and the timeouts of routes.
fn change_durations(value: &mut Value, change: &impl Fn(f64) -> f64) {
    match value {
        Value::Object(fields) => {
            let is_route = fields.contains_key("cluster") && !fields.contains_key("uri");
            for (name, field) in fields {
                let seconds = field.as_str().and_then(|text| text.strip_suffix('s')?.parse().ok());
                match seconds {
                    Some(seconds) if DURATIONS.contains(&name.as_str()) || is_route && name == "timeout" => {
                        *field = json!(format!("{:.3}s", change(seconds)));
                    }
                    _ => change_durations(field, change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change_durations(item, change)),
        _ => {}
    }
}

/// Everything that a user does, with the responses as without slow clients.
fn signs_in_and_calls_the_api(shipped: Shipped, system: &System) {
    if matches!(shipped, Shipped::Envoy) {
        let path = script(system);
        assert_eq!(
            Client::new(system)
                .send("www", &Request::new("GET", &path))
                .expect("the script")
                .status,
            200
        );
    }
    let mut user = UserAgent::signed_in(system);
    assert_eq!(user.bff("GET", "/bff/session").status, 200);
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.send(&user.api_request("POST")).status, 200);
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    // A new access token: it causes an introspection.
    assert_eq!(user.get_data().status, 200);
    assert_eq!(user.bff("POST", "/bff/logout").status, 200);
}

fn slow_clients_stop_nobody(shipped: Shipped) {
    allow_files(16 * 1024);
    let test = start_with(shipped);
    let system = &test.system;
    // One hour: only the limits on numbers remain against slow clients.
    rewrite_envoy(system, |configuration| change_durations(configuration, &|_| 3600.0));
    let slow_user = UserAgent::signed_in(system);
    let places = places(shipped, system, &slow_user);
    let clients = SlowClients::new(system);
    let begun = Instant::now();
    signs_in_and_calls_the_api(shipped, system);
    println!("{shipped:?}: nobody slow: {:.2} s", begun.elapsed().as_secs_f64());
    for slow in Slow::ALL {
        let begun = Instant::now();
        let mut held: Vec<(&Target, SlowConnection)> = Vec::new();
        for _ in 0..CLIENTS {
            for place in &places {
                // At the API the streams belong to no session: the API itself limits those of its users.
                let stranger = Target {
                    headers: Vec::new(),
                    ..place.clone()
                };
                let target = if slow == Slow::Streams { &stranger } else { place };
                if slow == Slow::Streams && place.download.starts_with("/api/") {
                    continue;
                }
                held.push((place, clients.open(slow, target).expect("a connection")));
            }
        }
        let opened = begun.elapsed();
        if slow == Slow::Streams {
            let streams = u64::from(STREAMS) * held.len() as u64;
            eventually("all streams are there", || active_requests(system) >= streams);
        }
        let begun = Instant::now();
        signs_in_and_calls_the_api(shipped, system);
        println!(
            "{shipped:?}: {} held, {slow:?}: {:.2} s (opened in {:.2} s)",
            held.len(),
            begun.elapsed().as_secs_f64(),
            opened.as_secs_f64()
        );
        for (place, connection) in &mut held {
            if let Err(what) = connection.is_held() {
                panic!("{slow:?} at {} {}: {what}", place.host, place.upload);
            }
        }
        drop(held);
        eventually("all of them have gone", || active_connections(system) < 50);
    }
}

/// The sum over all connection managers.
fn active_requests(system: &System) -> u64 {
    sum(system, "downstream_rq_active")
}

fn active_connections(system: &System) -> u64 {
    statistic(
        system,
        &format!(
            "listener.127.0.0.1_{}.downstream_cx_active",
            system.public_addr().port()
        ),
    )
}

fn sum(system: &System, name: &str) -> u64 {
    let (_, text) =
        demo_system::get(system.envoy_admin(), &format!("/stats?filter=^http\\..*\\.{name}$")).expect("Envoy's admin");
    text.lines()
        .filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok())
        .sum()
}

#[test]
fn a_thousand_slow_clients_of_each_kind_at_each_host_stop_nobody_at_envoy() {
    slow_clients_stop_nobody(Shipped::Envoy);
}

#[test]
fn a_thousand_slow_clients_of_each_kind_at_each_host_stop_nobody_behind_istio() {
    slow_clients_stop_nobody(Shipped::Istio);
}

#[test]
fn a_thousand_slow_clients_of_each_kind_at_each_host_stop_nobody_behind_envoy_gateway() {
    slow_clients_stop_nobody(Shipped::Gateway);
}

/// Each of the durations is configured. They are a tenth of the shipped ones, to wait for less, but none is so
/// short that a busy machine would be taken for a slow client.
fn slow_clients_are_let_go(shipped: Shipped) {
    let test = start_with(shipped);
    let system = &test.system;
    rewrite_envoy(system, |configuration| {
        change_durations(configuration, &|seconds| seconds / 10.0)
    });
    let user = UserAgent::signed_in(system);
    let clients = SlowClients::new(system);
    let mut held = Vec::new();
    for place in places(shipped, system, &user) {
        for slow in Slow::ALL {
            held.push((slow, place.clone(), clients.open(slow, &place).expect("a connection")));
        }
    }
    for (slow, place, connection) in &mut held {
        if let Err(what) = connection.wait_for_its_end() {
            panic!("{slow:?} at {} {}: {what}", place.host, place.upload);
        }
    }
    assert_eq!(user.get_data().status, 200);
}

#[test]
fn clients_that_stay_slow_are_let_go_by_envoy() {
    slow_clients_are_let_go(Shipped::Envoy);
}

#[test]
fn clients_that_stay_slow_are_let_go_behind_istio() {
    slow_clients_are_let_go(Shipped::Istio);
}

#[test]
fn clients_that_stay_slow_are_let_go_behind_envoy_gateway() {
    slow_clients_are_let_go(Shipped::Gateway);
}
