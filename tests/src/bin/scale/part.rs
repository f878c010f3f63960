//! A process of the deployment: it can be ended and started again, and Linux says what it uses.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use demo_system::{ChildGroup, Signal};

const POLL: Duration = Duration::from_millis(20);
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Longer than a replica takes to drain and to finish its refreshes.
const ENDED_WITHIN: Duration = Duration::from_secs(90);
/// Linux counts CPU time in these for every program, whatever its clock.
const TICKS_PER_SECOND: f64 = 100.0;

type Ready = Box<dyn Fn() -> bool + Send>;
type Launch = Box<dyn Fn() -> Command + Send>;

/// A process that is started by the same command each time.
pub(crate) struct Part {
    /// Its name in the report and of its log.
    pub(crate) name: String,
    launch: Launch,
    is_ready: Ready,
    log: PathBuf,
    process: Option<ChildGroup>,
    /// CPU time of the processes before this one, in seconds.
    used_before: f64,
    /// The largest resident set that was seen, in KiB.
    peak_kib: u64,
}

impl Part {
    /// Starts it, without waiting. Its output goes to a log in `folder`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start(
        name: String,
        folder: &std::path::Path,
        launch: Launch,
        is_ready: Ready,
    ) -> Result<Self, String> {
        let mut part = Self {
            log: folder.join(format!("{name}.log")),
            name,
            launch,
            is_ready,
            process: None,
            used_before: 0.0,
            peak_kib: 0,
        };
        part.start_again()?;
        Ok(part)
    }

    /// Starts it after its end, without waiting.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        let open = || File::options().create(true).append(true).open(&self.log);
        let failed = |error: std::io::Error| format!("starting {} failed: {error}", self.name);
        let mut command = (self.launch)();
        command
            .stdin(Stdio::null())
            .stdout(open().map_err(failed)?)
            .stderr(open().map_err(failed)?);
        self.process = Some(ChildGroup::start(command).map_err(failed)?);
        Ok(())
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It has exited, or is not ready within two minutes.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while !(self.is_ready)() {
            let has_ended = self
                .process
                .as_mut()
                .is_none_or(|process| process.exit_status().is_some());
            if has_ended || begun.elapsed() > READY_WITHIN {
                let (name, log) = (&self.name, self.log.display());
                return Err(match has_ended {
                    true => format!("{name} has exited: see {log}"),
                    false => format!(
                        "starting {name} timed out after {} s: see {log}",
                        READY_WITHIN.as_secs()
                    ),
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends SIGTERM, waits until the process has exited, and returns how long that took.
    pub(crate) fn terminate(&mut self) -> Duration {
        let begun = Instant::now();
        if let Some(mut process) = self.take() {
            process.stop(Signal::Terminate, ENDED_WITHIN);
        }
        begun.elapsed()
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.take() {
            process.kill();
        }
    }

    /// CPU time of all its processes so far, in seconds.
    pub(crate) fn cpu_seconds(&mut self) -> f64 {
        self.update_peak();
        self.used_before + self.process.as_ref().map_or(0.0, |process| cpu_seconds(process.id()))
    }

    /// The largest resident set that was seen, in MiB.
    pub(crate) fn peak_mib(&mut self) -> f64 {
        self.update_peak();
        self.peak_kib as f64 / 1024.0
    }

    fn update_peak(&mut self) {
        if let Some(process) = &self.process {
            self.peak_kib = self.peak_kib.max(peak_kib(process.id()));
        }
    }

    fn take(&mut self) -> Option<ChildGroup> {
        self.used_before = self.cpu_seconds();
        self.process.take()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill();
    }
}

/// User and system time of a process with those of its threads that have ended, in seconds.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
    let times = fields.split(' ').skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// CPU time of this process, in seconds.
pub(crate) fn own_cpu_seconds() -> f64 {
    cpu_seconds(std::process::id())
}
