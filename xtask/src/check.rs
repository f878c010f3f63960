//! `cargo xtask check`: the checks for every change, which need no program except Rust's own and git.

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::result::Result;
use crate::{binaries, command, jobs, workspace};

pub(crate) fn run() -> Result<ExitCode> {
    let begun = Instant::now();
    let cargo = |arguments: &[&str]| {
        let mut cargo = command::cargo();
        cargo.args(arguments).current_dir(workspace::root());
        cargo
    };
    let format = "run `cargo fmt --all` and `cargo fmt --manifest-path fuzz/Cargo.toml`";
    let mut fuzz = cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]);
    step(
        "checking the formatting",
        &mut cargo(&["fmt", "--all", "--check"]),
        format,
    )?;
    step("checking the formatting of the fuzz targets", &mut fuzz, format)?;
    step(
        "running clippy",
        &mut cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
        "correct all errors and warnings above",
    )?;
    let building = Instant::now();
    let tests = binaries::build()?;
    report_time("building the tests", building);
    let testing = Instant::now();
    let mut jobs = binaries::without_programs(tests)?;
    jobs.push(binaries::examples(&[]));
    jobs::run(jobs)?;
    report_time("running the tests", testing);
    report_time("all checks", begun);
    Ok(ExitCode::SUCCESS)
}

fn step(name: &str, command: &mut Command, hint: &str) -> Result<()> {
    let begun = Instant::now();
    command::run(name, command, hint)?;
    report_time(name, begun);
    Ok(())
}

fn report_time(what: &str, begun: Instant) {
    command::progress(&format!("finished {what} in {:.1} s", begun.elapsed().as_secs_f64()));
}
