//! Users who work while something happens to the system.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use demo_system::System;

use crate::http1::{Connection, Request, Response};
use crate::setup::eventually;
use crate::user_agent::UserAgent;

/// The progress.
#[derive(Default)]
pub struct Progress {
    has_ended: AtomicBool,
    answered: AtomicUsize,
    rounds: Mutex<Vec<usize>>,
    failures: Mutex<Vec<String>>,
}

impl Progress {
    /// The number of requests with the expected response.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until every user has completed a whole round of requests. Then all cookies of all users are new.
    pub fn wait_for_refreshes(&self) {
        let rounds = || self.rounds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = rounds();
        eventually("every user has refreshed", || {
            let failures = self.failures();
            assert!(failures.is_empty(), "{failures:#?}");
            rounds().iter().zip(&before).all(|(now, before)| *now >= before + 2)
        });
    }

    /// Unexpected responses.
    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, what: &str, result: std::io::Result<Response>, expected: u16) -> Option<Response> {
        let failure = match result {
            Ok(response) if response.status == expected => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Some(response);
            }
            Ok(response) => format!(
                "{what}: HTTP {} {}",
                response.status,
                String::from_utf8_lossy(&response.body)
            ),
            Err(error) => format!("{what}: {error}"),
        };
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(failure);
        None
    }
}

/// Signs users in and lets them work until `during` returns. Then all their requests must have succeeded, and
/// all of them must still be signed in. Returns the number of their requests.
pub fn under_load(system: &System, users: usize, during: impl FnOnce(&Progress)) -> usize {
    let users: Vec<UserAgent> = (0..users).map(|_| UserAgent::signed_in(system)).collect();
    let progress = Progress {
        rounds: Mutex::new(vec![0; users.len()]),
        ..Progress::default()
    };
    thread::scope(|scope| {
        for (number, user) in users.into_iter().enumerate() {
            let progress = &progress;
            scope.spawn(move || work(number, user, progress));
        }
        let stop = Stop(&progress.has_ended);
        during(&progress);
        drop(stop);
    });
    let failures = progress.failures();
    assert!(failures.is_empty(), "{} requests failed: {failures:#?}", failures.len());
    progress.answered()
}

/// The users stop when this is dropped, even after a failed expectation.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Requests data on separate connections and on one that stays open, and the session, and refreshes in two tabs at once.
fn work(number: usize, mut user: UserAgent, progress: &Progress) {
    let mut open = None;
    while !progress.has_ended.load(Ordering::Relaxed) {
        let get = user.api_request("GET");
        progress.note("GET data", user.client.send("api", &get), 200);
        let post = user.api_request("POST").json(&serde_json::json!({"item": "a thing"}));
        progress.note("POST data", user.client.send("api", &post), 200);
        for _ in 0..3 {
            progress.note(
                "GET data on an open connection",
                send_on_open(&user, &mut open, &get),
                200,
            );
        }
        let session = user.client.send("api", &user.bff_request("GET", "/bff/session"));
        if let Some(session) = progress.note("session", session, 200)
            && session.json()["isLoggedIn"] != true
        {
            let failures = &progress.failures;
            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.push(format!("session: the user is not signed in: {}", session.json()));
        }
        let refresh = user.bff_request("POST", "/bff/refresh");
        let tab = || user.client.send("api", &refresh);
        let responses =
            thread::scope(|scope| [scope.spawn(tab), scope.spawn(tab)].map(|tab| tab.join().expect("no panic")));
        for response in responses {
            if let Some(response) = progress.note("refresh", response, 204) {
                user.replace_cookies(&response);
            }
        }
        let mut rounds = progress.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rounds) = rounds.get_mut(number) {
            *rounds += 1;
        }
    }
}

/// Sends on a connection that stays open as long as the server allows.
fn send_on_open(user: &UserAgent, open: &mut Option<Connection>, request: &Request) -> std::io::Result<Response> {
    let mut stream = match open.take() {
        Some(stream) => stream,
        None => user.client.connect("api")?,
    };
    let response = user.client.send_on(&mut stream, "api", request)?;
    if !response.all("connection").contains(&"close") {
        *open = Some(stream);
    }
    Ok(response)
}
