//! The process of a server.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use demo_system::{ChildGroup, Signal};

/// Java programs take half a minute on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(180);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A program that is started and stopped again and again, with one log.
pub(crate) struct Program {
    log: PathBuf,
    running: Option<ChildGroup>,
}

impl Program {
    pub(crate) fn new(log: PathBuf) -> Program {
        Program { log, running: None }
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(&mut self, mut command: Command, is_ready: impl Fn() -> bool) -> Result<(), String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| format!("starting {name} failed: {error}");
        let open = || File::options().create(true).append(true).open(&self.log);
        command
            .stdin(Stdio::null())
            .stdout(open().map_err(failed)?)
            .stderr(open().map_err(failed)?);
        let mut group = ChildGroup::start(command).map_err(failed)?;
        let started = Instant::now();
        while !is_ready() {
            let ended = group.ended().map(|status| status.to_string());
            let late = (started.elapsed() > READY_WITHIN).then(|| format!("not ready after {READY_WITHIN:?}"));
            if let Some(how) = ended.or(late) {
                group.kill();
                return Err(format!("{name}: {how}: see the end of {}", self.log.display()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.running = Some(group);
        Ok(())
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut group) = self.running.take() {
            group.stop(Signal::Terminate, STOPPED_WITHIN);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}
