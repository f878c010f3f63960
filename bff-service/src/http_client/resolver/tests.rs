//! When a lookup sends a query, and when it uses cached addresses.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const FIRST: [u8; 4] = [192, 0, 2, 1];
const SECOND: [u8; 4] = [192, 0, 2, 2];

fn address(octets: [u8; 4]) -> Vec<SocketAddr> {
    vec![(octets, 443).into()]
}

/// Expires the cached addresses, so that the next lookup sends a query.
fn after_a_while(names: &Names) {
    for name in names.known().values_mut() {
        name.settled = None;
    }
}

#[tokio::test]
async fn names_below_localhost_are_loopback() {
    for host in [
        "localhost",
        "login.example.localhost",
        "LOGIN.Example.LocalHost",
        "login.example.localhost.",
    ] {
        let addresses = lookup(host, 8443).await.unwrap();
        assert!(!addresses.is_empty(), "{host}");
        assert!(
            addresses
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 8443),
            "{host}"
        );
    }
}

#[test]
fn names_that_only_look_like_localhost_are_not() {
    for host in ["localhost.example.com", "notlocalhost", "example.com", "", "."] {
        assert!(!is_localhost(host), "{host}");
    }
}

#[tokio::test]
async fn an_address_is_no_question() {
    let names = Names::new(|name| panic!("sent a query for {name}"));
    for (host, ip) in [
        ("[::1]", IpAddr::from(Ipv6Addr::LOCALHOST)),
        ("192.0.2.1", FIRST.into()),
    ] {
        assert_eq!(names.lookup(host, 443).await.unwrap(), [SocketAddr::new(ip, 443)]);
    }
}

#[tokio::test]
async fn what_was_answered_a_moment_ago_is_not_asked_again_unless_nobody_was_there() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let names = Names::new(|_| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(vec![FIRST.into()]),
        _ => Ok(vec![SECOND.into()]),
    });
    // Time stands still, so these lookups happen within a moment.
    tokio::time::pause();
    for _ in 0..3 {
        assert_eq!(names.lookup("as.example.com", 443).await.unwrap(), address(FIRST));
    }
    names.doubt("as.example.com");
    assert_eq!(names.lookup("as.example.com", 443).await.unwrap(), address(SECOND));
    tokio::time::advance(FRESH).await;
    assert_eq!(names.lookup("as.example.com", 443).await.unwrap(), address(SECOND));
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_question_that_is_lost_or_refused_leaves_what_was_known_and_costs_nobody_a_login() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static LOST: Mutex<()> = Mutex::new(());
    let names = Names::new(|_| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(vec![FIRST.into()]),
        1 => Err(io::Error::other("try again")),
        2 => {
            drop(LOST.lock());
            Ok(vec![SECOND.into()])
        }
        _ => Ok(vec![SECOND.into()]),
    });
    assert_eq!(names.lookup("as.example.com", 443).await.unwrap(), address(FIRST));
    after_a_while(&names);
    assert_eq!(
        names.lookup("as.example.com", 443).await.unwrap(),
        address(FIRST),
        "refused"
    );
    after_a_while(&names);
    let lost = LOST.lock();
    for _ in 0..3 {
        assert_eq!(
            names.lookup("as.example.com", 443).await.unwrap(),
            address(FIRST),
            "lost"
        );
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 3, "one query at a time");
    drop(lost);
    while names.known().values().any(|name| name.query.is_some()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        names.lookup("as.example.com", 443).await.unwrap(),
        address(SECOND),
        "late response"
    );
}

#[tokio::test]
async fn a_name_of_which_nothing_is_known_is_an_error_with_its_reason_and_asked_again_by_the_next() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let names = Names::new(|_| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Err(io::Error::other("no such name")),
        1 => Ok(Vec::new()),
        2 => panic!("the query panics"),
        _ => Ok(vec![FIRST.into()]),
    });
    let look_up = async || {
        names
            .lookup("as.example.com", 443)
            .await
            .map_err(|error| error.to_string())
    };
    assert_eq!(look_up().await.unwrap_err(), "no such name");
    assert_eq!(look_up().await.unwrap_err(), "no address");
    assert_eq!(look_up().await.unwrap_err(), "the DNS query was aborted");
    assert_eq!(look_up().await.unwrap(), address(FIRST));
}

#[tokio::test]
async fn a_localhost_name_whose_question_is_lost_is_loopback() {
    static LOST: Mutex<()> = Mutex::new(());
    let names = Names::new(|_| {
        drop(LOST.lock());
        Ok(vec![FIRST.into()])
    });
    let lost = LOST.lock();
    let addresses = names.lookup("login.example.localhost", 443).await.unwrap();
    assert_eq!(addresses.first(), Some(&SocketAddr::from(([127, 0, 0, 1], 443))));
    drop(lost);
}

#[tokio::test]
async fn what_is_known_is_used_for_five_minutes_at_most() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let names = Names::new(|_| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(vec![FIRST.into()]),
        _ => Err(io::Error::other("no such name")),
    });
    tokio::time::pause();
    assert_eq!(names.lookup("as.example.com", 443).await.unwrap(), address(FIRST));
    tokio::time::advance(STALE - Duration::from_secs(1)).await;
    assert_eq!(names.lookup("as.example.com", 443).await.unwrap(), address(FIRST));
    tokio::time::advance(FRESH).await;
    assert!(names.lookup("as.example.com", 443).await.is_err());
}

#[tokio::test]
async fn names_that_nobody_configured_do_not_use_up_memory() {
    let names = Names::new(|_| Ok(vec![FIRST.into()]));
    for number in 0..3 * MAX_NAMES {
        names.lookup(&format!("{number}.example.com"), 443).await.unwrap();
        assert!(names.known().len() <= MAX_NAMES);
    }
}
