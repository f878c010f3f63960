//! The service is replaced by a newer version, and users stay signed in.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use bff_tests::setup::{artifacts, start_from};
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

#[test]
fn a_session_of_the_last_release_lives_on_in_this_one_until_it_is_signed_out() {
    let newer = artifacts();
    let older = std::env::var_os("PREVIOUS_BFF_SERVICE")
        .expect("missing PREVIOUS_BFF_SERVICE: run the tests with `cargo xtask test`");
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("bff-service");
    symlink(PathBuf::from(older), &program).expect("a link");
    let mut artifacts = newer.clone();
    artifacts.bff_service = program.clone();
    let test = start_from(artifacts, |_| {});
    let mut users: Vec<UserAgent> = (0..3).map(|_| UserAgent::signed_in(&test.system)).collect();
    // One user has refreshed, one has a login in progress, one has done nothing since.
    assert_eq!(users[0].bff("POST", "/bff/refresh").status, 204);
    let mut pending = UserAgent::new(&test.system);
    let page_url = pending.go_through_login();

    test.system.stop(Component::Bff);
    std::fs::remove_file(&program).expect("removed");
    symlink(&newer.bff_service, &program).expect("a link");
    test.system
        .resume(Component::Bff)
        .unwrap_or_else(|error| panic!("{error}"));

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
