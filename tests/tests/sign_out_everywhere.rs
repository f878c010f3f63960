//! Users sign out everywhere at two replicas, while their other sessions are refreshed and begin: no earlier session comes
//! back, and sessions that began after a sign-out live.
//!
//! `SIGN_OUTS_EVERYWHERE` is the number of sign-outs, with as many refreshes at the same time, and three times as many logins.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use bff_tests::http1::{Request, send_plain};
use bff_tests::scaled;
use bff_tests::setup::{TestSystem, add_users, eventually};
use bff_tests::two_replicas::{is_logged_in, two_replicas, with_redis_and_no_affinity};
use bff_tests::user_agent::UserAgent;
use serde_json::json;

const USERS: usize = 20;
const DEFAULT_SIGN_OUTS: usize = 120;

/// What happened, for the report.
#[derive(Debug, Default)]
struct Counts {
    sign_outs: AtomicUsize,
    refreshes: AtomicUsize,
    refused_refreshes: AtomicUsize,
    logins: AtomicUsize,
    logins_meanwhile: AtomicUsize,
    refused_logins_meanwhile: AtomicUsize,
}

struct World {
    test: TestSystem,
    replicas: [SocketAddr; 2],
    /// Sessions that began before a sign-out of their user, with the cookies that they had before and after it.
    ended: Mutex<Vec<UserAgent>>,
    counts: Counts,
}

fn everywhere(user: &UserAgent) -> Request {
    user.bff_request("POST", "/bff/logout")
        .json(&json!({"everywhere": true}))
}

impl World {
    fn count(&self, counter: impl Fn(&Counts) -> &AtomicUsize) {
        counter(&self.counts).fetch_add(1, Relaxed);
    }

    /// Another browser of the user, so each session has a grant of its own at the authorization server: the sign-out of one
    /// revokes no tokens of another.
    fn browser_of(&self, name: &str) -> UserAgent {
        UserAgent::of_user(&self.test.system, name)
    }

    fn has_access(&self, user: &UserAgent) -> bool {
        match user.get_data().status {
            200 => true,
            401 => false,
            other => panic!("an API call got HTTP {other}"),
        }
    }

    /// A sign-out everywhere of `mine`, a refresh of `other` at a replica and a login of the same user, all at once. Then two
    /// logins, whose sessions must live. Returns all sessions that may live.
    fn round(&self, name: &str, sessions: Vec<UserAgent>, replica: usize) -> Vec<UserAgent> {
        let (mine, other) = (&sessions[0], &sessions[1]);
        let [first, second] = [replica & 1, (replica >> 1) & 1].map(|index| self.replicas[index]);
        let (refreshed, meanwhile) = thread::scope(|scope| {
            let refresh = scope.spawn(|| {
                let response = send_plain(second, &other.bff_request("POST", "/bff/refresh")).expect("a response");
                match response.status {
                    204 => {
                        let mut refreshed = other.clone();
                        refreshed.replace_cookies(&response);
                        self.count(|counts| &counts.refreshes);
                        Some(refreshed)
                    }
                    401 => {
                        assert_eq!(response.code(), "session_expired");
                        self.count(|counts| &counts.refused_refreshes);
                        None
                    }
                    status => panic!("a refresh got HTTP {status} {}", response.code()),
                }
            });
            let login = scope.spawn(|| {
                let mut user = self.browser_of(name);
                let page_url = user.go_through_login();
                let response = user.end_login(&page_url);
                match response.status {
                    200 => {
                        self.count(|counts| &counts.logins_meanwhile);
                        Some(user)
                    }
                    401 => {
                        assert_eq!(response.code(), "login_required");
                        self.count(|counts| &counts.refused_logins_meanwhile);
                        None
                    }
                    status => panic!("a login got HTTP {status} {}", response.code()),
                }
            });
            let response = send_plain(first, &everywhere(mine)).expect("a response");
            assert_eq!(response.status, 200, "{}", response.code());
            assert_eq!(response.json()["notDone"], json!(["other_tokens", "other_browsers"]));
            self.count(|counts| &counts.sign_outs);
            for session in &sessions {
                assert!(!is_logged_in(session, first), "the replica that ended it knows at once");
            }
            (refresh.join().expect("no panic"), login.join().expect("no panic"))
        });
        let mut alive: Vec<_> = (0..2)
            .map(|_| {
                let mut user = self.browser_of(name);
                user.sign_in();
                self.count(|counts| &counts.logins);
                user
            })
            .collect();
        for session in &alive {
            for replica in self.replicas {
                assert!(
                    is_logged_in(session, replica),
                    "a session that began after the sign-out lives"
                );
            }
            assert!(self.has_access(session));
        }
        self.ended
            .lock()
            .expect("no panic")
            .extend(sessions.into_iter().chain(refreshed));
        // Its login overlapped with the sign-out, so it may live. The next sign-out ends it in any case.
        alive.extend(meanwhile);
        alive
    }
}

#[test]
fn no_session_from_before_a_sign_out_everywhere_comes_back_and_later_ones_live() {
    let sign_outs = scaled::count("SIGN_OUTS_EVERYWHERE", DEFAULT_SIGN_OUTS);
    let (test, _server) = two_replicas(with_redis_and_no_affinity);
    let names: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    add_users(&test.system, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let world = World {
        replicas: [test.system.bff_addr(), test.system.second_bff().0],
        test,
        ended: Mutex::default(),
        counts: Counts::default(),
    };
    let began = std::time::Instant::now();
    thread::scope(|scope| {
        for (number, name) in names.iter().enumerate() {
            let world = &world;
            scope.spawn(move || {
                let mut sessions = vec![world.browser_of(name), world.browser_of(name)];
                sessions.iter_mut().for_each(UserAgent::sign_in);
                for round in 0..sign_outs.div_ceil(USERS) {
                    sessions = world.round(name, sessions, number + round);
                }
                // The sessions of the last round are still valid after all others have signed out.
                for session in &sessions[..2] {
                    assert!(world.has_access(session));
                }
            });
        }
    });
    let ended = world.ended.into_inner().expect("no panic");
    // Replicas and gateways poll.
    for session in &ended {
        for replica in world.replicas {
            eventually("the replica refuses the session", || !is_logged_in(session, replica));
        }
        eventually("the gateway refuses the session", || session.get_data().status == 401);
    }
    for session in &ended {
        for replica in world.replicas {
            let refresh = send_plain(replica, &session.bff_request("POST", "/bff/refresh")).expect("a response");
            assert_eq!((refresh.status, refresh.code().as_str()), (401, "session_expired"));
            assert!(!is_logged_in(session, replica), "it came back");
        }
        assert_eq!(session.get_data().status, 401, "it came back");
    }
    // The harness does not show what macros print in a test that passes.
    let report = format!(
        "{} sessions ended in {:?}: {:?}\n",
        ended.len(),
        began.elapsed(),
        world.counts
    );
    std::io::stderr().write_all(report.as_bytes()).expect("written");
}
