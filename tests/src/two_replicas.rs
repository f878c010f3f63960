//! Two replicas of the BFF, and what they share.

use std::net::{SocketAddr, TcpStream};

use demo_system::{Component, Options};

use crate::faulty_authorization_server::FaultyAuthorizationServer;
use crate::http1::send_plain;
use crate::setup::{TestSystem, eventually, start, statistic};
use crate::user_agent::UserAgent;

/// With a second replica, and all that goes to the authorization server counted.
pub fn two_replicas(change: impl FnOnce(&mut Options)) -> (TestSystem, FaultyAuthorizationServer) {
    let mut server = None;
    let test = start(|options| {
        options.without.retain(|component| *component != Component::SecondBff);
        let (counting, address) = FaultyAuthorizationServer::start(options.ports.authorization_server);
        options.dial_authorization_server = Some(address);
        server = Some(counting);
        change(options);
    });
    // A replica that Envoy does not know to be ready yet takes no session, and gets its own when it is: at the very start
    // sessions would move.
    eventually("Envoy knows both replicas to be ready", || {
        statistic(&test.system, "cluster.bff_service.membership_healthy") == 2
    });
    (test, server.expect("started"))
}

/// What they share is in Redis, and a session may go to either.
pub fn with_redis_and_no_affinity(options: &mut Options) {
    options.without.retain(|component| *component != Component::Redis);
    options.session_affinity = false;
}

/// What a replica says of the user's session.
pub fn is_logged_in(user: &UserAgent, replica: SocketAddr) -> bool {
    let answer = send_plain(replica, &user.bff_request("GET", "/bff/session")).expect("an answer");
    answer.json()["isLoggedIn"].as_bool().expect("yes or no")
}

/// What the names of the service's keys in Redis begin with.
pub fn redis_prefix(test: &TestSystem) -> String {
    let mut key = String::new();
    eventually("the replicas share a list", || {
        key = redis(test, "KEYS *:ended-marker");
        key.contains(":ended-marker")
    });
    let key = key.lines().last().expect("a marker");
    key.strip_suffix("ended-marker").expect("a marker").to_owned()
}

/// In UNIX seconds.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

/// Sends a command to Redis and returns what it says to it.
pub fn redis(test: &TestSystem, command: &str) -> String {
    use std::io::{Read, Write};
    let port = test.system.options().ports.redis;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("Redis");
    write!(stream, "{command}\r\nQUIT\r\n").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(!answer.starts_with('-'), "{answer}");
    answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned()
}
