//! Starts child processes so that, on Linux, none outlives this process.
//!
//! On Linux the kernel sends a signal to a child when its parent dies (`PR_SET_PDEATHSIG`). The parent is the *thread* that
//! started it: a test's own thread ends with the test, while many tests may share a system. So one thread that
//! lives as long as the process starts all of them.

use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts `command` in a process group of its own, so that Ctrl-C at a terminal does not reach it directly: this process
/// stops its children in their order.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    prepare(&mut command);
    let (result, child) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts processes has ended");
    sender()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, result))
        .map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

fn sender() -> &'static Mutex<mpsc::Sender<Job>> {
    static SENDER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    SENDER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, result) in jobs {
                // Sending fails only while the process exits.
                let _ = result.send(command.spawn());
            }
        });
        Mutex::new(sender)
    })
}

fn prepare(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(target_os = "linux")]
    die_with_parent(command);
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "std has no safe way to call prctl in the child before exec")]
fn die_with_parent(command: &mut Command) {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
    let parent = Some(getpid());
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // If the parent died before the call above, the kernel sends no signal.
        match getppid() == parent {
            true => Ok(()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    // SAFETY: the closure only makes system calls. It neither allocates nor locks, which the child of a process with
    // several threads must not do.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(command, before_exec);
    }
}
