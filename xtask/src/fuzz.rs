//! `cargo xtask fuzz`: coverage-guided fuzzing with libFuzzer, on a stable compiler, with flags of cargo-fuzz and
//! without a sanitizer. `fuzz/targets` has a file for each target, `fuzz/corpus` the inputs that are kept.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use demo_system::files;

use crate::compiler::host;
use crate::jobs::Job;
use crate::result::Result;
use crate::tools::apt;
use crate::{command, workspace};

/// How long each target runs as part of `cargo xtask test`.
const SHORT_SECONDS: u32 = 3;
/// How long each target runs without `--seconds`.
const DEFAULT_SECONDS: u32 = 120;

const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
                     -Ccodegen-units=1 --cfg fuzzing";

/// The command line.
pub(crate) struct Flags {
    targets: Vec<String>,
    seconds: u32,
    minimize: bool,
}

impl Flags {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Flags> {
        let mut flags = Flags {
            targets: Vec::new(),
            seconds: DEFAULT_SECONDS,
            minimize: false,
        };
        let all = targets()?;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--minimize" => flags.minimize = true,
                "--seconds" => {
                    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                    flags.seconds =
                        seconds.ok_or("invalid value of --seconds: write a whole number of seconds, such as 60")?;
                }
                target if all.iter().any(|name| name == target) => flags.targets.push(target.to_owned()),
                other => {
                    return Err(format!(
                        "invalid argument `{other}` of fuzz: write --seconds N, --minimize, or targets among {}",
                        all.join(", ")
                    ));
                }
            }
        }
        if flags.targets.is_empty() {
            flags.targets = all;
        }
        Ok(flags)
    }
}

pub(crate) fn run(flags: Flags) -> Result<ExitCode> {
    build()?;
    for target in &flags.targets {
        match flags.minimize {
            true => minimize(target)?,
            false => fuzz(target, flags.seconds)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The job that runs every target for a short time, in a process of its own.
pub(crate) fn short_run() -> Result<Job> {
    let this = std::env::current_exe().map_err(|error| format!("finding the program of xtask failed: {error}"))?;
    let mut fuzz = Command::new(this);
    fuzz.args(["fuzz", "--seconds", &SHORT_SECONDS.to_string()])
        // One processor only: building the targets takes minutes, and tests run beside it.
        .env("CARGO_BUILD_JOBS", "1");
    Ok(Job::new("fuzz targets", fuzz))
}

fn targets() -> Result<Vec<String>> {
    let folder = workspace::path("fuzz/targets");
    let files = std::fs::read_dir(&folder).map_err(|error| format!("reading {} failed: {error}", folder.display()))?;
    let mut names: Vec<String> = files
        .flatten()
        .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn build() -> Result<()> {
    if command::find("c++").is_none() {
        let hint = "missing C++ compiler for libFuzzer: install one, for example with `apt-get install g++`";
        match apt::is_usable() {
            true => apt::install(&["g++"])?,
            false => return Err(hint.to_owned()),
        }
    }
    let mut cargo = command::cargo();
    cargo
        .args(["build", "--release", "--target", &host()?, "--target-dir"])
        .arg(folder())
        .env("RUSTFLAGS", FLAGS)
        .current_dir(workspace::path("fuzz"));
    command::run(
        "building the fuzz targets (takes a few minutes the first time)",
        &mut cargo,
        "see the compiler's message above",
    )
}

/// A folder of its own, since the flags differ.
fn folder() -> PathBuf {
    workspace::target().join("fuzz-build")
}

fn program(target: &str) -> Result<Command> {
    Ok(Command::new(folder().join(host()?).join("release").join(target)))
}

fn kept(target: &str) -> PathBuf {
    workspace::path("fuzz/corpus").join(target)
}

fn found(target: &str) -> Result<PathBuf> {
    let path = workspace::target().join("fuzz-corpus").join(target);
    files::create_dir(&path)?;
    Ok(path)
}

/// libFuzzer writes new inputs to the first folder, and reads both.
fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let findings = workspace::target().join("fuzz-findings").join(target);
    files::create_dir(&findings)?;
    files::create_dir(&kept(target))?;
    let mut fuzz = program(target)?;
    let output = fuzz
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg(found(target)?)
        .arg(kept(target))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| command::not_started(&fuzz, &error))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        command::progress(&format!("fuzzed {target}: {}", summary(&report)));
        return Ok(());
    }
    let end: Vec<&str> = report.lines().rev().take(30).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    Err(format!(
        "fuzzing {target} found a failure: the input is in {}: run it again with:\n    {} FILE\n\
         the end of the output:\n{}",
        findings.display(),
        Path::new(fuzz.get_program()).display(),
        end.join("\n")
    ))
}

/// Executions and coverage in libFuzzer's report.
fn summary(report: &str) -> String {
    let coverage = report
        .lines()
        .rev()
        .find(|line| line.contains(" cov: "))
        .unwrap_or_default();
    let word = |name: &str| {
        let mut words = coverage.split_whitespace();
        words.find(|word| *word == name)?;
        words.next()
    };
    let executions = report
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .unwrap_or("?");
    format!(
        "{} executions, {} edges covered, {} inputs",
        executions.trim(),
        word("cov:").unwrap_or("?"),
        word("corp:").unwrap_or("?")
    )
}

/// Keeps the fewest inputs with the same coverage.
fn minimize(target: &str) -> Result<()> {
    let kept = kept(target);
    let fresh = workspace::target().join("fuzz-merge").join(target);
    let _ = std::fs::remove_dir_all(&fresh);
    files::create_dir(&fresh)?;
    let mut merge = program(target)?;
    merge
        .args(["-merge=1", "-max_len=2048"])
        .arg(&fresh)
        .arg(&kept)
        .arg(found(target)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command::run(
        &format!("minimizing the corpus of {target}"),
        &mut merge,
        "run the command to see why",
    )?;
    let _ = std::fs::remove_dir_all(&kept);
    files::create_dir(&kept)?;
    let failed = |error: std::io::Error| format!("copying {} to {} failed: {error}", fresh.display(), kept.display());
    for file in std::fs::read_dir(&fresh).map_err(failed)?.flatten() {
        std::fs::copy(file.path(), kept.join(file.file_name())).map_err(failed)?;
    }
    Ok(())
}
