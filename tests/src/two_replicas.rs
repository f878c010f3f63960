//! Two replicas of the service, and their shared state.

use std::net::{SocketAddr, TcpStream};

use demo_system::{Component, Options};

use crate::faulty_authorization_server::FaultyAuthorizationServer;
use crate::http1::send_plain;
use crate::setup::{TestSystem, eventually, start, statistic};
use crate::user_agent::UserAgent;

/// Adds a second replica, and a proxy that counts all requests to the authorization server.
pub fn two_replicas(change: impl FnOnce(&mut Options)) -> (TestSystem, FaultyAuthorizationServer) {
    let mut server = None;
    let test = start(|options| {
        options.without.retain(|component| *component != Component::SecondBff);
        let (counting, address) = FaultyAuthorizationServer::start(options.ports.authorization_server);
        options.dial_authorization_server = Some(address);
        server = Some(counting);
        change(options);
    });
    // Envoy sends no session to a replica that is not yet ready, and sends its sessions back when it is: at startup,
    // sessions would move.
    eventually("both replicas are ready for Envoy", || {
        statistic(&test.system, "cluster.bff_service.membership_healthy") == 2
    });
    (test, server.expect("started"))
}

/// Adds Redis for the shared state, and lets a session go to either replica.
pub fn with_redis_and_no_affinity(options: &mut Options) {
    options.without.retain(|component| *component != Component::Redis);
    options.session_affinity = false;
}

/// Whether a replica says that the user is signed in.
pub fn is_logged_in(user: &UserAgent, replica: SocketAddr) -> bool {
    let response = send_plain(replica, &user.bff_request("GET", "/bff/session")).expect("a response");
    response.json()["isLoggedIn"].as_bool().expect("a Boolean")
}

/// The prefix of the service's keys in Redis.
pub fn redis_prefix(test: &TestSystem) -> String {
    let mut key = String::new();
    eventually("the replicas share a list", || {
        key = redis(test, "KEYS *:ended-marker");
        key.contains(":ended-marker")
    });
    let key = key.lines().last().expect("a marker");
    key.strip_suffix("ended-marker").expect("a marker").to_owned()
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

/// Sends a command to Redis and returns its response.
pub fn redis(test: &TestSystem, command: &str) -> String {
    use std::io::{Read, Write};
    let port = test.system.options().ports.redis;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("Redis");
    write!(stream, "{command}\r\nQUIT\r\n").expect("written");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    assert!(!response.starts_with('-'), "`{command}` in Redis failed: {response}");
    response.strip_suffix("+OK\r\n").unwrap_or(&response).to_owned()
}

/// The value of a metric at this admin address; 0 if there is none.
pub fn metric(admin: SocketAddr, series: &str) -> u64 {
    let text = demo_system::get(admin, "/metrics").expect("the metrics").1;
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |count| count.trim().parse().expect("a number"))
}
