//! Measured programs: each is bound to a CPU when it starts, and Linux reports what it uses.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::counter::{Counter, Meter};
use crate::result::Result;

/// Long enough for programs whose instructions are counted.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// A running program. It is killed when this value is dropped.
pub(crate) struct Program {
    child: Child,
    counter: Option<Counter>,
}

impl Program {
    /// Starts it on these CPUs (as `taskset` writes them).
    pub(crate) fn start(
        meter: Meter,
        cpus: &str,
        program: &[std::ffi::OsString],
        change: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", cpus]);
        let counter = match meter {
            Meter::CpuTime => None,
            Meter::Instructions => Some(Counter::under_valgrind(&mut command)?),
        };
        command.args(program);
        change(&mut command);
        let child = command
            .spawn()
            .map_err(|error| format!("starting taskset failed: {error}: install util-linux"))?;
        Ok(Self { child, counter })
    }

    /// The use of all threads so far: microseconds of CPU time, or thousands of instructions.
    pub(crate) fn used(&self) -> Result<f64> {
        match &self.counter {
            None => Ok(self.cpu_time().as_secs_f64() * 1e6),
            Some(counter) => Ok(counter.instructions(self.child.id())? / 1e3),
        }
    }

    fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let nanoseconds = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Memory in RAM, in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until `is_ready` returns true, and returns how long that took.
    pub(crate) fn wait_until(&mut self, what: &str, mut is_ready: impl FnMut() -> bool) -> Result<Duration> {
        let started = Instant::now();
        while !is_ready() {
            self.check(what, started)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(started.elapsed())
    }

    /// Waits until a server of the program responds with HTTP 200 to `path`. The servers of this thread respond while this
    /// waits.
    pub(crate) async fn wait_until_ready(&mut self, what: &str, port: u16, path: &'static str) -> Result<()> {
        let started = Instant::now();
        loop {
            let ready = tokio::task::spawn_blocking(move || is_ready(port, path));
            if ready.await.unwrap_or(false) {
                return Ok(());
            }
            self.check(what, started)?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the wait if the program has exited, or is not ready in time.
    fn check(&mut self, what: &str, started: Instant) -> Result<()> {
        if !self.is_running() {
            return Err(format!("starting {what} failed: it exited: see its output above"));
        }
        if started.elapsed() > READY_WITHIN {
            let seconds = READY_WITHIN.as_secs();
            return Err(format!(
                "starting {what} timed out after {seconds} s: see its output above"
            ));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a server at the port responds with HTTP 200 to `path`.
pub(crate) fn is_ready(port: u16, path: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut response = String::new();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut response).is_ok()
        && response.starts_with("HTTP/1.1 200")
}
