//! The workspace's tests in Rust: built once, then run as programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::jobs::{Company, Job};
use crate::result::Result;
use crate::{command, workspace};

/// Tests of the whole system need programs: Envoy, Node.js, a browser and others. They are all tests in this folder except
/// those named below. `cargo xtask check` runs the rest, `cargo xtask test` all.
const SYSTEM_TESTS: &str = "tests/tests/";
/// The exceptions, each with those of its tests that need a program after all.
const WITHOUT_PROGRAMS: [(&str, &[&str]); 7] = [
    ("tests/tests/chart.rs", &[]),
    ("tests/tests/compose_file.rs", &[]),
    ("tests/tests/documentation.rs", &[]),
    ("tests/tests/reference/main.rs", &[]),
    (
        "tests/tests/refresh_protocol/main.rs",
        &["the_scripts_do_in_a_real_redis"],
    ),
    ("tests/tests/structure/main.rs", &[]),
    ("tests/tests/wording.rs", &[]),
];

/// Tests that wait most of their time, for timeouts and for periodic events: more of them run at once than the machine
/// has processors.
const WAITING: [&str; 3] = [
    "bff-service/tests/api/main.rs",
    "tests/tests/streams.rs",
    "tests/tests/tracing.rs",
];
const WAITING_TESTS_PER_PROCESSOR: usize = 4;
/// Tests that load the whole machine and measure memory or time.
const ALONE: [&str; 1] = ["tests/tests/endurance.rs"];

/// Tests of what only the native module has.
const OF_THE_NATIVE_MODULE: [&str; 2] = ["tests/tests/discovered_secrets.rs", "tests/tests/labelled_metrics.rs"];

/// Tests of the filter in Envoy, which run with the native module too. Those of the service, of wasm itself, and of
/// deployments have nothing to do with it.
const OF_THE_FILTER: [&str; 24] = [
    "tests/tests/api_through_envoy.rs",
    "tests/tests/bytes.rs",
    "tests/tests/concurrency.rs",
    "tests/tests/end_sessions.rs",
    "tests/tests/ended_streams.rs",
    "tests/tests/entry_points.rs",
    "tests/tests/faults.rs",
    "tests/tests/hostile_traffic.rs",
    "tests/tests/hot_restart.rs",
    "tests/tests/introspection_forms.rs",
    "tests/tests/key_rotation.rs",
    "tests/tests/metrics.rs",
    "tests/tests/native_and_module.rs",
    "tests/tests/protocols.rs",
    "tests/tests/reconfiguration.rs",
    "tests/tests/refusals.rs",
    "tests/tests/route_requirements.rs",
    "tests/tests/secrets.rs",
    "tests/tests/shared_caches.rs",
    "tests/tests/streams.rs",
    "tests/tests/token_exchange.rs",
    "tests/tests/tracing.rs",
    "tests/tests/two_users.rs",
    "tests/tests/workers.rs",
];

/// The variable that limits how many tests Rust's test harness runs at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// A test program.
pub(crate) struct Binary {
    /// The file of its root module, such as `tests/tests/browser.rs`.
    pub(crate) name: String,
    program: PathBuf,
    /// Its package's folder.
    folder: PathBuf,
}

/// Builds all test programs.
pub(crate) fn build() -> Result<Vec<Binary>> {
    let mut cargo = command::cargo();
    cargo
        .args(["test", "--workspace", "--no-run", "--quiet"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace::root());
    let messages = command::run_for_output("building the tests", &mut cargo, "see the compiler's message above")?;
    let mut binaries: Vec<Binary> = messages.lines().filter_map(binary).collect();
    binaries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(binaries)
}

/// The test program in one of cargo's messages.
fn binary(message: &str) -> Option<Binary> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = |value: &Value| value.as_str().map(PathBuf::from);
    if message["profile"]["test"] != Value::Bool(true) {
        return None;
    }
    let source = path(&message["target"]["src_path"])?;
    let name = source.strip_prefix(workspace::root()).unwrap_or(&source);
    Some(Binary {
        name: name.display().to_string(),
        program: path(&message["executable"])?,
        folder: path(&message["manifest_path"])?.parent().map(Path::to_owned)?,
    })
}

impl Binary {
    /// Whether its tests run with the proxy-wasm module, if they run with a module at all.
    pub(crate) fn is_for_proxy_wasm(&self) -> bool {
        !OF_THE_NATIVE_MODULE.contains(&self.name.as_str())
    }

    /// Whether its tests run with the native module.
    pub(crate) fn is_for_native(&self) -> bool {
        OF_THE_FILTER.contains(&self.name.as_str()) || !self.is_for_proxy_wasm()
    }

    /// The names of its tests, without those that are ignored unless somebody requests them.
    ///
    /// # Errors
    /// The program does not list its tests.
    pub(crate) fn tests(&self) -> Result<Vec<String>> {
        let ignored = self.list(&["--ignored"])?;
        let mut tests = self.list(&[])?;
        tests.retain(|test| !ignored.contains(test));
        Ok(tests)
    }

    fn list(&self, which: &[&str]) -> Result<Vec<String>> {
        let mut list = Command::new(&self.program);
        list.args(["--list", "--format", "terse"])
            .args(which)
            .current_dir(&self.folder);
        let listed = command::run_for_output(
            &format!("listing the tests of {}", self.name),
            &mut list,
            "build them again",
        )?;
        let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }

    /// The job that runs its tests, as `cargo test` does. `arguments` are those after cargo's `--`.
    pub(crate) fn job(&self, arguments: &[&str]) -> Job {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .current_dir(&self.folder);
        if WAITING.contains(&self.name.as_str()) && std::env::var_os(THREADS).is_none() {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            command.env(THREADS, (WAITING_TESTS_PER_PROCESSOR * processors).to_string());
        }
        let company = match ALONE.contains(&self.name.as_str()) {
            true => Company::None,
            false => Company::Any,
        };
        Job {
            company,
            ..Job::new(self.name.clone(), command)
        }
    }
}

/// The jobs that run the tests that need no program.
///
/// # Errors
/// A file in the list is not that of a test program.
pub(crate) fn without_programs(mut binaries: Vec<Binary>) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for (name, others) in WITHOUT_PROGRAMS {
        let found = binaries.iter().position(|binary| binary.name == name);
        let found = found.ok_or_else(|| format!("missing tests {name}: correct the list in xtask/src/binaries.rs"))?;
        let skipped: Vec<&str> = others.iter().flat_map(|test| ["--skip", test]).collect();
        jobs.push(binaries.swap_remove(found).job(&skipped));
    }
    let units = binaries
        .into_iter()
        .filter(|binary| !binary.name.starts_with(SYSTEM_TESTS));
    jobs.extend(units.map(|binary| binary.job(&[])));
    Ok(jobs)
}

/// The job that runs the examples in doc comments.
pub(crate) fn examples(arguments: &[&str]) -> Job {
    let mut cargo = command::cargo();
    cargo
        .args(["test", "--workspace", "--doc", "--quiet", "--no-fail-fast", "--"])
        .args(arguments)
        .current_dir(workspace::root());
    Job::new("examples in doc comments", cargo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_are_named_are_there() {
        let without_programs = WITHOUT_PROGRAMS.map(|(name, _)| name);
        for name in without_programs
            .iter()
            .chain(&WAITING)
            .chain(&ALONE)
            .chain(&OF_THE_FILTER)
            .chain(&OF_THE_NATIVE_MODULE)
        {
            assert!(
                workspace::path(name).is_file(),
                "missing tests {name}: correct the lists in xtask/src/binaries.rs"
            );
        }
    }
}
