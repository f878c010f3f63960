//! With an invalid configuration, Envoy does not start, and its log names the field.

use std::fs;
use std::process::Command;

use bff_tests::setup::{TestSystem, start};
use demo_system::Artifacts;

/// Validates the system's own `envoy.yaml` with one text replaced, and some variables unset. Returns whether it is valid,
/// and Envoy's output.
fn validate(test: &TestSystem, from: &str, to: &str, unset: &[&str]) -> (bool, String) {
    let artifacts = Artifacts::from_env().unwrap_or_else(|error| panic!("{error}"));
    let directory = test.system.directory();
    let original = fs::read_to_string(directory.join("envoy.yaml")).expect("the rendered configuration");
    assert!(original.contains(from), "`{from}` is not in envoy.yaml");
    let changed = directory.join("changed.yaml");
    fs::write(&changed, original.replace(from, to)).expect("written");
    let (program, arguments) = artifacts.envoy.split_first().expect("Envoy");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["--mode", "validate", "--log-level", "warning", "-c"])
        .arg(changed);
    let secrets = fs::read_to_string(directory.join("envoy.env")).expect("the secrets");
    for (name, value) in secrets.lines().filter_map(|line| line.split_once('=')) {
        command.env_remove(name);
        if !unset.contains(&name) {
            command.env(name, value.trim_matches('\''));
        }
    }
    let output = command.output().expect("Envoy starts");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_configuration_that_cannot_be_run_is_refused_by_its_field() {
    let test = start(|options| options.filter_timeout_ms = 2000);
    let (is_valid, log) = validate(&test, "\"timeout_ms\": 2000", "\"timeout_ms\": 2001", &[]);
    assert!(is_valid, "{log}");
    for (from, to, unset, field) in [
        (
            "\"timeout_ms\": 2000",
            "\"timeout_ms\": 0",
            &[][..],
            "phantom_token.timeout_ms",
        ),
        (
            "\"timeout_ms\": 2000",
            "\"timeout\": 2000",
            &[],
            "phantom_token.timeout: unknown field",
        ),
        ("\"bff_token\"", "\"bff_tokens\"", &[], "bff_tokens: unknown field"),
        (
            "\"env\": \"BFF_COOKIE_KEYS\"",
            "\"inline\": \"short\"",
            &[],
            "bff_token.encryption_key",
        ),
        (
            "\"timeout_ms\": 2000",
            "\"timeout_ms\": 2001",
            &["BFF_COOKIE_KEYS"],
            "bff_token.encryption_key: the environment variable BFF_COOKIE_KEYS",
        ),
        (
            "\"timeout_ms\": 2000",
            "\"timeout_ms\": 2001",
            &["GATEWAY_CLIENT_SECRET"],
            "phantom_token.client_secret: the environment variable GATEWAY_CLIENT_SECRET",
        ),
    ] {
        let (is_valid, log) = validate(&test, from, to, unset);
        assert!(!is_valid, "accepted: {to}");
        assert!(
            log.contains("bff: invalid configuration: ") && log.contains(field),
            "{field}: {log}"
        );
    }
}
