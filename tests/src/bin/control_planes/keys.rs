//! Key rotation, in the steps of `docs/deploy/kubernetes.md`.

use std::fs;

use bff_tests::cookie_keys;
use bff_tests::kubernetes::cluster::Cluster;
use bff_tests::user_agent::UserAgent;
use demo_system::Component;

use crate::objects::text;
use crate::report_success;

/// A session outlives the rotation, and a cookie of the old key does not.
pub(crate) fn rotate(cluster: &Cluster) {
    let system = &cluster.test.system;
    let mut user = UserAgent::signed_in(system);
    let of_old_key = user.clone();
    let old = text(&system.cookie_keys_file()).trim().to_owned();
    let new = cookie_keys::command(&["generate"], "").trim().to_owned();
    give(cluster, &format!("{old},{new}"));
    restart_gateway(cluster);
    assert_eq!(user.get_data().status, 200, "both have both keys");
    give(cluster, &format!("{new},{old}"));
    assert_eq!(user.bff("POST", "/bff/refresh").status, 204);
    assert_ne!(user.cookies, of_old_key.cookies);
    assert_eq!(user.get_data().status, 200, "a cookie of the new key");
    assert_eq!(of_old_key.get_data().status, 200, "a cookie of the old key");
    give(cluster, &new);
    restart_gateway(cluster);
    assert_eq!(user.get_data().status, 200, "a cookie of the new key");
    assert_eq!(of_old_key.get_data().status, 401, "a cookie of the removed key");
    report_success("the cookie keys rotate, and the user stays signed in");
}

/// Writes a ring to the file that the service reloads, and from which a new Envoy of the gateway takes it.
fn give(cluster: &Cluster, ring: &str) {
    let system = &cluster.test.system;
    fs::write(system.cookie_keys_file(), ring).expect("written");
    cookie_keys::reload(system, Component::Bff);
    cookie_keys::wait_until_in_force(system.bff_admin(), ring);
}

fn restart_gateway(cluster: &Cluster) {
    let system = &cluster.test.system;
    system.stop(Component::Envoy);
    system.resume(Component::Envoy).expect("Envoy starts");
}
