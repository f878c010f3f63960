//! Requests that schemathesis generates from the API's description, against the running service: none of them causes
//! a server error, and the description has every response.

use std::path::PathBuf;
use std::process::Command;

use bff_tests::setup::{TestSystem, start};
use bff_tests::user_agent::{CSRF_HEADER, UserAgent};

/// The checks of every response.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

fn run(test: &TestSystem, headers: &[(&str, &str)]) {
    let program =
        std::env::var_os("SCHEMATHESIS").expect("missing SCHEMATHESIS: run the tests with `cargo xtask test`");
    let (status, document) = demo_system::get(test.system.bff_admin(), "/openapi.json").expect("the document");
    assert_eq!(status, 200);
    let folder: PathBuf = test.system.directory().join("schemathesis");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("openapi.json");
    std::fs::write(&file, document).expect("written");
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("http://{}", test.system.bff_addr())])
        .args([
            "--checks",
            CHECKS,
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "60",
        ])
        .args([
            "--generation-deterministic",
            "--continue-on-failure",
            "--no-color",
            "--warnings",
            "off",
        ])
        .args(["--suppress-health-check", "all"])
        .current_dir(&folder);
    for (name, value) in headers {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    let output = command.output().expect("schemathesis starts");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        report.contains("generated") && !report.contains(" 0 generated"),
        "nothing was tried: {report}"
    );
    println!("{report}");
}

#[test]
fn a_stranger_finds_no_fault_with_made_up_requests() {
    let test = start(|_| {});
    run(&test, &[]);
    run(&test, &[("Origin", &test.system.www())]);
}

#[test]
fn a_user_finds_no_fault_with_made_up_requests() {
    let test = start(|_| {});
    let user = UserAgent::signed_in(&test.system);
    run(
        &test,
        &[
            ("Origin", &user.origin),
            ("Cookie", &user.cookie_header()),
            (CSRF_HEADER, &user.csrf),
        ],
    );
}
