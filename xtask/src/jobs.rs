//! Programs that run beside each other. The output of each is collected and shown when it has exited.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use demo_system::{ChildGroup, Signal, files};

use crate::processors::Processors;
use crate::result::Result;
use crate::{command, workspace};

const POLL: Duration = Duration::from_millis(20);
/// How long a job may take to exit after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

/// A program that exits by itself.
pub(crate) struct Job {
    /// Unique among the jobs.
    pub(crate) name: String,
    pub(crate) command: Command,
    pub(crate) company: Company,
}

/// The jobs that may run beside this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Company {
    /// Any others.
    Any,
    /// None: the job measures something, or needs the whole machine.
    None,
}

impl Job {
    pub(crate) fn new(name: impl Into<String>, command: Command) -> Job {
        Job {
            name: name.into(),
            command,
            company: Company::Any,
        }
    }
}

/// While one job waits, or runs its last test, another one continues. While the processors are busy, no more jobs run at
/// once: most test programs run as many of their tests at once as there are processors.
const JOBS_AT_ONCE: usize = 2;
/// The maximum while the processors are idle, because all jobs wait.
const MOST_JOBS_AT_ONCE: usize = 5;

/// Runs all jobs: two at once, more while the processors are idle, and at the end those that run alone. Those that have not
/// run here before come first, then those that took longest in their last run. All run, even if one fails.
///
/// # Errors
/// Jobs have failed, which the error names with their failed tests, one of them cannot be started, or the run was interrupted.
pub(crate) fn run(mut jobs: Vec<Job>) -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    command::set_when_interrupted(&interrupted)?;
    let logs = workspace::target().join("jobs");
    files::create_dir(&logs)?;
    jobs.sort_by_cached_key(|job| {
        let last = last_milliseconds(&log_of(&logs, &job.name)).unwrap_or(u64::MAX);
        (job.company, Reverse(last))
    });
    let count = jobs.len();
    let mut waiting = VecDeque::from(jobs);
    let mut running: Vec<Running> = Vec::new();
    let mut failed = Vec::new();
    let mut processors = Processors::new();
    while !(waiting.is_empty() && running.is_empty()) {
        // Running jobs are stopped when they are dropped.
        if interrupted.load(Ordering::Relaxed) {
            return Err(format!(
                "interrupted while {} of {count} jobs were running or waiting",
                running.len() + waiting.len()
            ));
        }
        let most = match processors.had_room() {
            true => MOST_JOBS_AT_ONCE.min(running.len() + 1).max(JOBS_AT_ONCE),
            false => JOBS_AT_ONCE,
        };
        while waiting.front().is_some_and(|job| may_start(job, &running, most)) {
            running.extend(waiting.pop_front().map(|job| Running::start(job, &logs)).transpose()?);
        }
        let mut ended = running
            .iter_mut()
            .filter_map(|job| Some((job.group.exit_status()?, job)));
        match ended.next() {
            Some((status, job)) => {
                failed.extend(job.report(status));
                let name = job.name.clone();
                running.retain(|job| job.name != name);
            }
            None => std::thread::sleep(POLL),
        }
    }
    match failed.len() {
        0 => {
            command::progress(&format!("all {count} jobs succeeded"));
            Ok(())
        }
        failures => Err(format!(
            "{failures} of {count} jobs failed:\n{}\nsee their output above, or the logs in {}",
            failed.join("\n"),
            logs.display()
        )),
    }
}

/// Whether `job` may start if at most this number of jobs run at once.
fn may_start(job: &Job, running: &[Running], most: usize) -> bool {
    let is_alone = |company| company == Company::None;
    running.is_empty()
        || running.len() < most && !is_alone(job.company) && !running.iter().any(|other| is_alone(other.company))
}

/// The file with the output of a job.
fn log_of(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{}.log", name.replace(['/', ' '], "-")))
}

/// How long the job with this log took in its last run, in milliseconds.
fn last_milliseconds(log: &Path) -> Option<u64> {
    fs::read_to_string(log.with_extension("ms")).ok()?.parse().ok()
}

struct Running {
    name: String,
    company: Company,
    group: ChildGroup,
    log: PathBuf,
    started: Instant,
}

impl Running {
    fn start(job: Job, logs: &Path) -> Result<Running> {
        let Job {
            name,
            mut command,
            company,
        } = job;
        let log = log_of(logs, &name);
        let unwritable = |error: std::io::Error| format!("writing {} failed: {error}", log.display());
        let output = File::create(&log).map_err(unwritable)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(unwritable)?)
            .stderr(output);
        let program = command.get_program().to_string_lossy().into_owned();
        let group = ChildGroup::start(command).map_err(|error| {
            format!("starting {name} failed: {error}: check that {program} exists and is executable")
        })?;
        Ok(Running {
            name,
            company,
            group,
            log,
            started: Instant::now(),
        })
    }

    /// Shows the output. If the job has failed, returns a line about it.
    fn report(&self, status: ExitStatus) -> Option<String> {
        let output = fs::read(&self.log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let elapsed = self.started.elapsed();
        let seconds = elapsed.as_secs_f64();
        // This time only decides on the order of the next run.
        let _ = fs::write(self.log.with_extension("ms"), elapsed.as_millis().to_string());
        let (verdict, how) = match status.success() {
            true => ("succeeded", String::new()),
            false => ("failed", format!(", {status}")),
        };
        command::progress(&format!("{verdict}: {} ({seconds:.1} s{how})", self.name));
        println!("{}", output.trim_matches('\n'));
        if status.success() {
            return None;
        }
        let names = failures(&output);
        let separator = if names.is_empty() { "" } else { ": " };
        Some(format!("    {}{separator}{}", self.name, names.join(", ")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Even after a normal exit: a process that the job left behind would run beside the next jobs.
        self.group.stop(Signal::Terminate, GRACE);
    }
}

/// The failed tests in reports of Rust's and of Node.js's test harness.
fn failures(output: &str) -> Vec<&str> {
    output
        .lines()
        .filter_map(|line| {
            let rust = line
                .strip_prefix("test ")
                .and_then(|rest| rest.strip_suffix(" ... FAILED"));
            let node = || line.strip_prefix("not ok ")?.split_once(" - ").map(|(_, name)| name);
            rust.or_else(node)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Job {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Job::new(name, command)
    }

    #[test]
    fn all_jobs_run_and_those_that_fail_are_named_with_their_tests() {
        let folder = tempfile::tempdir().expect("a folder");
        let last = folder.path().join("last");
        let result = run(vec![
            shell("good", "echo 'test a ... ok'"),
            shell("bad", "echo 'test b::c ... FAILED'; echo 'not ok 3 - a page'; exit 101"),
            shell("worse", "kill -KILL $$"),
            shell("last", &format!("touch {}", last.display())),
        ]);
        let error = result.expect_err("two have failed");
        assert!(error.starts_with("2 of 4 jobs failed:\n"), "{error}");
        assert!(
            error.contains("    bad: b::c, a page") && error.contains("    worse"),
            "{error}"
        );
        assert!(last.is_file());
    }

    #[test]
    fn a_job_without_company_runs_alone_and_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let running = folder.path().join("running");
        let alone = format!("test ! -e {}", running.display());
        let beside = format!("touch {0}; sleep 0.2; rm {0}", running.display());
        let jobs = vec![
            Job {
                company: Company::None,
                ..shell("alone", &alone)
            },
            shell("beside", &beside),
        ];
        assert_eq!(run(jobs), Ok(()));
    }
}
