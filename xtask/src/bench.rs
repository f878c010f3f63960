//! `cargo xtask bench`: builds what the measurements need, and runs them.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

use demo_system::files;

use crate::result::Result;
use crate::{command, programs, tools, workspace};

const INSTRUCTIONS: &str = "--instructions";

/// With filters: runs only the variants whose names contain one of them, and writes no results. With `--instructions`
/// before them: counts instructions instead of CPU time.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode> {
    let (counts, filters) = match arguments {
        [INSTRUCTIONS, filters @ ..] => (true, filters),
        filters => (false, filters),
    };
    if let Some(flag) = filters.iter().find(|filter| filter.starts_with('-')) {
        return Err(format!(
            "unknown option `{flag}` of bench: the only option is {INSTRUCTIONS}, before the filters"
        ));
    }
    if counts {
        tools::valgrind::find()?;
    }
    let envoy: Vec<OsString> = tools::envoy::find()?;
    let filter = tools::wasm::build()?;
    let noop_filter = tools::wasm::build_noop()?;
    programs::build_packages(
        "building the service and the measurements, optimized (takes a few minutes the first time)",
        &["bff-service", "bff-bench"],
        &["--release"],
    )?;
    if command::find("taskset").is_none() {
        return Err(
            "missing taskset, which binds the measured process to a CPU of its own: install the package util-linux"
                .to_owned(),
        );
    }
    let results = workspace::path("bench/results");
    files::create_dir(&results)?;
    command::progress(match counts {
        true => "counting instructions; under valgrind this takes about fifty times as long",
        false => "measuring; an idle machine gives steady results",
    });
    let mut bench = Command::new("taskset");
    bench
        .args(["-c", "1"])
        .arg(programs::release("bff-bench"))
        .args(arguments)
        .env("BENCH_ENVOY", envoy.join(OsStr::new("\n")))
        .env("BENCH_FILTER", filter)
        .env("BENCH_NOOP_FILTER", noop_filter)
        .env("BENCH_BFF_SERVICE", programs::release("bff-service"))
        .env("BENCH_RESULTS", results);
    match command::status(&mut bench)?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err("the measurements failed: see the message above".to_owned()),
    }
}
