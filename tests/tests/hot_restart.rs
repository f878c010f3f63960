//! Envoy and the filter are replaced while users work: no request fails, and no user is signed out.

use bff_tests::setup::start;
use bff_tests::steady_load::under_load;
use demo_system::Component;

const USERS: usize = 3;

#[test]
fn envoy_is_replaced_by_another_one_and_no_request_fails() {
    let test = start(|options| options.envoy_hot_restart = true);
    let first = test.system.pid(Component::Envoy);
    let answered = under_load(&test.system, USERS, |progress| {
        for _ in 0..2 {
            progress.wait_for_refreshes();
            test.system.replace_envoy().unwrap_or_else(|error| panic!("{error}"));
        }
        progress.wait_for_refreshes();
    });
    assert!(answered > 100, "{answered} requests");
    assert_ne!(test.system.pid(Component::Envoy), first);
}
