//! A child process with all processes that it starts.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::spawner;

const POLL: Duration = Duration::from_millis(20);

/// A child in a process group of its own: Ctrl-C at the terminal does not reach it, and a signal to the group reaches all
/// processes that it has started. On Linux it dies with this process.
#[derive(Debug)]
pub struct ChildGroup {
    child: Child,
}

/// The signals that can be sent to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM: a request to exit.
    Terminate,
    /// SIGKILL.
    Kill,
}

impl ChildGroup {
    /// Starts `command` in a group of its own.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn start(command: Command) -> io::Result<ChildGroup> {
        spawner::spawn(command).map(|child| ChildGroup { child })
    }

    /// The child's process id, which is also the group's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's exit status; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks the group to exit, waits at most this time until the child has exited, and kills what is left of the group.
    pub fn stop(&mut self, request: Signal, within: Duration) {
        self.signal(request);
        let asked = Instant::now();
        while self.exit_status().is_none() && asked.elapsed() < within {
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    /// Kills the group without giving it a chance to finish anything.
    pub fn kill(&mut self) {
        self.signal(Signal::Kill);
        // An error means that the child has been waited for already.
        let _ = self.child.wait();
    }

    /// Sends a signal to the child and to all processes that it has started.
    #[cfg(unix)]
    pub fn signal(&mut self, signal: Signal) {
        let signal = match signal {
            Signal::Interrupt => rustix::process::Signal::INT,
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        let group = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // Fails if the group is empty, which is the wanted state.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Kills the child: this platform has no process groups.
    #[cfg(not(unix))]
    pub fn signal(&mut self, _: Signal) {
        let _ = self.child.kill();
    }
}
