//! The service is replaced by a newer version, and users stay signed in. The service and the filter of the last release refuse
//! what they do not know.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bff_core::cookie::purpose::Purpose;
use bff_tests::client_credentials::set;
use bff_tests::device::{self, Device, bind_sessions};
use bff_tests::http1::{Request, send_plain};
use bff_tests::sealing::Seals;
use bff_tests::setup::{artifacts, eventually, filter_statistic, start_from};
use bff_tests::two_replicas::now;
use bff_tests::user_agent::{AT, UserAgent};
use demo_system::{Artifacts, Component, System};

/// The programs of this release, and a link that stands for either service.
struct Replaceable {
    artifacts: Artifacts,
    program: PathBuf,
    newer: PathBuf,
    older: PathBuf,
    _folder: tempfile::TempDir,
}

/// A program of the last release, by the environment variable that names it.
fn previous(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("missing {variable}: run the tests with `cargo xtask test`"))
        .into()
}

impl Replaceable {
    fn new() -> Self {
        let older = previous("PREVIOUS_BFF_SERVICE");
        let mut artifacts = artifacts();
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("bff-service");
        let newer = std::mem::replace(&mut artifacts.bff_service, program.clone());
        Self {
            artifacts,
            program,
            newer,
            older,
            _folder: folder,
        }
    }

    /// The next start of the service starts this one.
    fn set(&self, service: &Path) {
        // There is no link at first.
        let _ = std::fs::remove_file(&self.program);
        symlink(service, &self.program).expect("a link");
    }

    fn replace(&self, system: &System, service: &Path) {
        system.stop(Component::Bff);
        self.set(service);
        system.resume(Component::Bff).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_last_release_refuses_a_session_that_is_bound_to_a_device_and_this_one_continues_it() {
    let services = Replaceable::new();
    services.set(&services.newer);
    let test = start_from(services.artifacts.clone(), bind_sessions);
    let (provisional, offer) = device::sign_in(&test.system);
    let (mut user, mut device) = (provisional.clone(), Device::default());
    device.bind(&mut user, &offer, |request| provisional.send(request));

    services.replace(&test.system, &services.older);
    for copy in [&user, &provisional] {
        assert_eq!(copy.clone().bff("GET", "/bff/session").json()["isLoggedIn"], false);
        for (method, path) in [
            ("POST", "/bff/refresh"),
            ("GET", "/bff/claims"),
            ("POST", "/bff/logout"),
        ] {
            assert_eq!(copy.clone().bff(method, path).status, 401, "{path}");
        }
    }

    services.replace(&test.system, &services.newer);
    let send = |request: &Request| user.send(request);
    let mut again = user.clone();
    assert_eq!(device.refresh(&mut again, send), 200);
    assert_eq!(again.bff("POST", "/bff/refresh").status, 204);
    assert_eq!(again.get_data().status, 200);
}

#[test]
fn the_filter_of_the_last_release_refuses_a_session_that_is_or_may_be_bound_to_a_device() {
    let mut artifacts = artifacts();
    artifacts.filter = previous("PREVIOUS_FILTER");
    let test = start_from(artifacts, bind_sessions);
    let (provisional, offer) = device::sign_in(&test.system);
    let (mut user, mut device) = (provisional.clone(), Device::default());
    device.bind(&mut user, &offer, |request| provisional.send(request));
    let seals = Seals::of(&test.system, "example");
    for mut copy in [user, provisional] {
        assert_eq!(copy.get_data().status, 401);
        // That filter accepts the same session as an unbound one.
        let sealed = copy.cookies.get_mut(AT).expect("an access token cookie");
        *sealed = seals
            .unbound(Purpose::AccessToken, sealed)
            .expect("a cookie of the system");
        assert_eq!(copy.get_data().status, 200);
    }
}

/// A filter that ignored the end of all sessions would accept them. That of the last release counts a failed poll instead.
#[test]
fn the_filter_of_the_last_release_does_not_ignore_the_end_of_all_sessions() {
    let mut artifacts = artifacts();
    artifacts.filter = previous("PREVIOUS_FILTER");
    let token = "a-token-of-operators-0123456789abcdef";
    let test = start_from(artifacts, |options| {
        set(options, Component::Bff, "BFF_ADMIN_TOKEN", token)
    });
    let user = UserAgent::signed_in(&test.system);
    eventually("the filter polls the list", || {
        filter_statistic(&test.system, "ended_sessions_read") > 0
    });
    // The first polls came before the service listened.
    let failures = filter_statistic(&test.system, "ended_sessions_failures");
    let end = Request::new("POST", "/end-sessions")
        .header("authorization", format!("Bearer {token}"))
        .json(&serde_json::json!({"began_before": now()}));
    assert_eq!(
        send_plain(test.system.bff_admin(), &end).expect("a response").status,
        200
    );
    eventually("the filter reports that it cannot read the list", || {
        filter_statistic(&test.system, "ended_sessions_failures") > failures + 4
    });
    let session = user.clone().bff("GET", "/bff/session").json();
    assert_eq!(session["isLoggedIn"], false, "the service itself refuses the session");
}

#[test]
fn a_session_of_the_last_release_lives_on_in_this_one_until_it_is_signed_out() {
    let services = Replaceable::new();
    services.set(&services.older);
    let test = start_from(services.artifacts.clone(), |_| {});
    let mut users: Vec<UserAgent> = (0..3).map(|_| UserAgent::signed_in(&test.system)).collect();
    // One user has refreshed, one has a login in progress, one has done nothing since.
    assert_eq!(users[0].bff("POST", "/bff/refresh").status, 204);
    let mut pending = UserAgent::new(&test.system);
    let page_url = pending.go_through_login();

    services.replace(&test.system, &services.newer);

    let finished = pending.end_login(&page_url);
    assert_eq!(finished.status, 200, "{}", String::from_utf8_lossy(&finished.body));
    assert_eq!(finished.json()["isLoggedIn"], true);
    for user in &mut users {
        let session = user.bff("GET", "/bff/session").json();
        assert_eq!(
            (&session["isLoggedIn"], &session["csrf"]),
            (&true.into(), &user.csrf.clone().into())
        );
        assert_eq!(user.get_data().status, 200);
        assert_eq!(user.bff("GET", "/bff/claims").status, 200);
        for _ in 0..2 {
            assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
            assert_eq!(user.get_data().status, 200);
        }
        let copy = user.clone();
        assert_eq!(user.bff("POST", "/bff/logout").status, 200);
        let mut copy = copy;
        assert_eq!(copy.bff("GET", "/bff/session").json()["isLoggedIn"], false);
    }
}
