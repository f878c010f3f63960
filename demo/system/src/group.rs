//! A child process with all that it starts.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::spawner;

const POLL: Duration = Duration::from_millis(20);

/// A child in a process group of its own: Ctrl-C at the terminal does not reach it, while what is sent to it reaches all that it
/// has started. On Linux it dies with this process.
#[derive(Debug)]
pub struct ChildGroup {
    child: Child,
}

/// What can be sent to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// As Ctrl-C does.
    Interrupt,
    /// A request to end.
    Terminate,
    /// The end.
    Kill,
}

impl ChildGroup {
    /// Starts it.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn start(command: Command) -> io::Result<ChildGroup> {
        spawner::spawn(command).map(|child| ChildGroup { child })
    }

    /// The child's process id, which is the group's as well.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the child has ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks all of the group to end, and ends it when the child has not within this time.
    pub fn stop(&mut self, request: Signal, within: Duration) {
        self.signal(request);
        let asked = Instant::now();
        while self.ended().is_none() && asked.elapsed() < within {
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    /// Ends all of the group without giving it a chance to finish anything.
    pub fn kill(&mut self) {
        self.signal(Signal::Kill);
        // An error means that it has been waited for already.
        let _ = self.child.wait();
    }

    /// Sends a signal to the child and to all that it has started.
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
            // Fails where nothing of the group is left, which is what was wanted.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Ends the child: there are no groups here.
    #[cfg(not(unix))]
    pub fn signal(&mut self, _: Signal) {
        let _ = self.child.kill();
    }
}
