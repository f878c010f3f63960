//! One running process: its log, its readiness, its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::component::Component;
use crate::error::Error;
use crate::group::{ChildGroup, Signal};

const POLL: Duration = Duration::from_millis(20);
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longer than the service usually takes to shut down.
const STOPPED_WITHIN: Duration = Duration::from_secs(25);
const TAIL_LINES: usize = 25;

/// A child process. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Process {
    component: Component,
    child: ChildGroup,
    log: PathBuf,
}

impl Process {
    /// Starts the process with both outputs appended to `log`.
    pub(crate) fn start(component: Component, mut command: Command, log: &Path) -> Result<Process, Error> {
        let open = || File::options().create(true).append(true).open(log);
        let outputs = open().and_then(|out| Ok((out, open()?)));
        let (out, err) =
            outputs.map_err(|error| Error::new(format!("opening the log {} failed: {error}", log.display())))?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = ChildGroup::start(command).map_err(|error| {
            Error::new(format!(
                "starting {component} failed: {program}: {error}: check that this program exists and may be executed"
            ))
        })?;
        Ok(Process {
            component,
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until `is_ready`. If the process exits or is not ready in time, the error contains the end of its log.
    pub(crate) fn wait_until(&mut self, is_ready: impl Fn() -> bool, interrupted: &AtomicBool) -> Result<(), Error> {
        let started = Instant::now();
        // Called before the process is examined, so that a response of another process at the same port does not count.
        while let (ready, None) = (is_ready(), self.exited()) {
            if ready {
                return Ok(());
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(Error::new(format!("interrupted while starting {}", self.component)));
            }
            if started.elapsed() > READY_WITHIN {
                let (component, seconds) = (self.component, READY_WITHIN.as_secs());
                return Err(self.failure(&format!("starting {component} timed out after {seconds} s")));
            }
            std::thread::sleep(POLL);
        }
        Err(self
            .death()
            .unwrap_or_else(|| self.failure(&format!("{} exited before it was ready", self.component))))
    }

    /// Why the process has exited, with the end of its log; `None` while it runs.
    pub(crate) fn death(&mut self) -> Option<Error> {
        let status = self.exited()?;
        Some(self.failure(&format!("{} has exited ({status})", self.component)))
    }

    /// Asks the process to exit, and kills it if it does not.
    pub(crate) fn stop(&mut self) {
        self.child.stop(Signal::Terminate, STOPPED_WITHIN);
    }

    /// Waits until the process has exited by itself.
    pub(crate) fn wait_for_end(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        while self.exited().is_none() {
            if started.elapsed() > READY_WITHIN {
                let (component, seconds) = (self.component, READY_WITHIN.as_secs());
                return Err(self.failure(&format!(
                    "waiting for the exit of {component} timed out after {seconds} s"
                )));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Kills the process without giving it a chance to finish anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.exit_status()
    }

    fn failure(&self, what: &str) -> Error {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n    ");
        Error::new(format!("{what}: see the end of {}:\n    {tail}", self.log.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Process, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let process = Process::start(Component::Api, command, &directory.path().join("api.log"));
        (process.expect("sh"), directory)
    }

    #[test]
    fn the_error_of_a_process_that_dies_shows_the_end_of_its_log() {
        let (mut process, _directory) = shell("echo the reason; exit 3");
        let error = process.wait_until(|| false, &AtomicBool::new(false)).expect_err("dead");
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("the reason"), "{text}");
    }

    #[test]
    fn waiting_ends_when_it_is_interrupted() {
        let (mut process, _directory) = shell("sleep 60");
        let error = process
            .wait_until(|| false, &AtomicBool::new(true))
            .expect_err("interrupted");
        assert_eq!(error.to_string(), "interrupted while starting api");
    }

    #[test]
    fn stopping_ends_the_children_of_the_process_too() {
        let (mut process, directory) = shell("sleep 60 & echo $!; wait");
        let log = directory.path().join("api.log");
        let logged = || fs::read_to_string(&log).expect("a log");
        process
            .wait_until(|| logged().ends_with('\n'), &AtomicBool::new(false))
            .expect("ready");
        let child: i32 = logged().trim().parse().expect("a process id");
        process.stop();
        let child = rustix::process::Pid::from_raw(child).expect("a process id");
        let deadline = Instant::now() + Duration::from_secs(10);
        // It stays a zombie until the process that adopted it has waited for it.
        while rustix::process::test_kill_process(child).is_ok() && !is_zombie(child) {
            assert!(Instant::now() < deadline, "the child still runs");
            std::thread::sleep(POLL);
        }
    }

    fn is_zombie(process: rustix::process::Pid) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
        stat.contains(") Z ")
    }
}
