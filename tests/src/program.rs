//! The process of a server.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use demo_system::{ChildGroup, Signal};

/// Java programs take half a minute on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(180);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A running program. Dropping it asks it to exit, and waits for its end.
pub struct Program {
    running: ChildGroup,
}

impl Program {
    /// Starts it, with its output at the end of a log, and waits until it is ready.
    ///
    /// # Errors
    /// The log cannot be opened, or the program cannot be started, exits, or is not ready within three minutes.
    pub fn start(log: &Path, mut command: Command, is_ready: impl Fn() -> bool) -> Result<Program, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let open = || {
            let file = File::options().create(true).append(true).open(log);
            file.map_err(|error| format!("opening the log {} failed: {error}", log.display()))
        };
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let mut group = ChildGroup::start(command)
            .map_err(|error| format!("starting {name} failed: {error}: check that it exists and is executable"))?;
        let started = Instant::now();
        while !is_ready() {
            let ended = group
                .exit_status()
                .map(|status| format!("failed: it exited ({status})"));
            let late =
                (started.elapsed() > READY_WITHIN).then(|| format!("timed out after {} s", READY_WITHIN.as_secs()));
            if let Some(how) = ended.or(late) {
                group.kill();
                return Err(format!("starting {name} {how}: see the end of {}", log.display()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Program { running: group })
    }
}

/// Whether a program responds to GET at this path with HTTP 200.
pub fn is_up(address: SocketAddr, path: &str) -> bool {
    demo_system::get(address, path).is_ok_and(|(status, _)| status == 200)
}

impl Drop for Program {
    fn drop(&mut self) {
        self.running.stop(Signal::Terminate, STOPPED_WITHIN);
    }
}
