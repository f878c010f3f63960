//! Programs that a test runs to their end, with a time limit. After it, the program and all processes that it started
//! are killed: a test that hangs would delay all tests after it and report nothing.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use demo_system::ChildGroup;

const POLL: Duration = Duration::from_millis(50);

/// Runs the program in a process group of its own until it exits. Returns its status and output, including standard
/// error. `None` for the status: it was killed after `limit`.
///
/// The output goes to a file: a pipe would stay open as long as any process that the program left behind.
pub fn run(mut command: Command, limit: Duration) -> (Option<ExitStatus>, String) {
    let mut output = tempfile::tempfile().expect("a temporary file");
    let copy = |file: &File| file.try_clone().expect("a second handle");
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdout(copy(&output)).stderr(copy(&output));
    let mut group = ChildGroup::start(command)
        .unwrap_or_else(|error| panic!("starting {program} failed: {error}: check that it is installed"));
    let deadline = Instant::now() + limit;
    let status = loop {
        match group.exit_status() {
            None if Instant::now() < deadline => thread::sleep(POLL),
            status => break status,
        }
    };
    // Even after a normal exit: a process that it left behind would run during the next test.
    group.kill();
    let mut text = Vec::new();
    output.rewind().expect("a file");
    output.read_to_end(&mut text).expect("a file");
    (status, String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_ends_is_told_with_both_streams() {
        let (status, output) = run(shell("echo out; echo err >&2; exit 3"), Duration::from_secs(60));
        assert_eq!(
            (status.and_then(|status| status.code()), output.as_str()),
            (Some(3), "out\nerr\n")
        );
    }

    #[test]
    fn what_does_not_end_is_ended_with_all_that_it_started() {
        let script = "sleep 86397 & echo $!; wait";
        let (status, output) = run(shell(script), Duration::from_secs(3));
        assert_eq!(status, None);
        let started: i32 = output.trim().parse().expect("a process number");
        let is_gone =
            || rustix::process::test_kill_process(rustix::process::Pid::from_raw(started).expect("a number")).is_err();
        // The init process removes it some time later.
        crate::setup::eventually("what it started is gone", || is_gone() || is_zombie(started));
    }

    fn is_zombie(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn what_is_left_behind_does_not_hold_it_up() {
        let (status, output) = run(shell("sleep 86398 & echo done"), Duration::from_secs(60));
        assert!(
            status.is_some_and(|status| status.success()) && output == "done\n",
            "{output}"
        );
    }
}
