//! Lines that somebody enters at the terminal.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::{isatty, tcgetpgrp};

/// Whether a line was entered since the last call. It never waits, and takes nothing from a terminal that belongs to another
/// program at the moment, such as the shell that has put this one into the background.
pub(crate) fn is_line_entered() -> bool {
    let stdin = stdin();
    if !isatty(stdin) || tcgetpgrp(stdin).is_ok_and(|foreground| foreground != getpgrp()) {
        return false;
    }
    let mut descriptors = [PollFd::new(&stdin, PollFlags::IN)];
    let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
    if !poll(&mut descriptors, Some(&no_time)).is_ok_and(|ready| ready > 0) {
        return false;
    }
    // The terminal has a whole line, or after Ctrl-D nothing.
    let mut line = [0; 1024];
    rustix::io::read(stdin, &mut line).is_ok_and(|length| length > 0)
}
