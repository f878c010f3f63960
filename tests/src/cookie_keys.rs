//! The service's cookie keys: its command for them, a reload while it runs, and the keys in force.

use std::net::SocketAddr;
use std::process::Command;

use demo_system::{Component, System};
use rustix::process::{Pid, Signal, kill_process};

use crate::setup::{artifacts, eventually};

/// The output of `bff-service keys`, with this ring.
pub fn command(arguments: &[&str], ring: &str) -> String {
    let output = Command::new(artifacts().bff_service)
        .arg("keys")
        .args(arguments)
        .env("BFF_COOKIE_KEYS", ring)
        .output()
        .expect("bff-service");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Asks a replica to reload its files (SIGHUP).
pub fn reload(system: &System, replica: Component) {
    let number = system.pid(replica).expect("it runs");
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process id"), Signal::HUP).expect("sent");
}

/// Waits until the replica with this admin listener has exactly this ring.
pub fn wait_until_in_force(admin: SocketAddr, ring: &str) {
    // The command prints the same for the ring as the service reports.
    let fingerprints = command(&["fingerprint"], ring);
    let mut expected: Vec<String> = Vec::new();
    for line in fingerprints.lines() {
        let (key, does) = line.split_once(' ').expect("a key and what it does");
        expected.push(format!("bff_cookie_keys{{key=\"{key}\",does=\"{does}\"}} 1"));
    }
    eventually("the service has the ring", || {
        let (_, text) = demo_system::get(admin, "/metrics").expect("the metrics");
        let found: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("bff_cookie_keys{"))
            .collect();
        found == expected
    });
}
