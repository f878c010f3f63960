//! Counts instructions with valgrind's callgrind: those that a program executes in user space, the same on a busy machine as on
//! an idle one. The kernel's share is not included.

use std::cell::Cell;
use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::result::Result;

/// What a measurement counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meter {
    /// CPU time, in microseconds.
    CpuTime,
    /// Instructions in user space, in thousands. The program is about fifty times slower then.
    Instructions,
}

/// Counts the instructions of one program.
pub(crate) struct Counter {
    folder: TempDir,
    counted: Cell<f64>,
}

impl Counter {
    /// Puts valgrind in front of the command, and counts the instructions of the command.
    pub(crate) fn under_valgrind(command: &mut Command) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| format!("creating a temporary folder failed: {error}"))?;
        command.args(["valgrind", "--tool=callgrind", "--quiet"]).arg(format!(
            "--callgrind-out-file={}",
            folder.path().join("counts").display()
        ));
        Ok(Self {
            folder,
            counted: Cell::new(0.0),
        })
    }

    /// The number of instructions since the start of the program.
    ///
    /// # Errors
    /// `vgdb` fails, or the file with the counts cannot be read.
    pub(crate) fn instructions(&self, process: u32) -> Result<f64> {
        // A dump contains the instructions since the previous one.
        let dumped = Command::new("vgdb")
            .args([&format!("--pid={process}"), "dump"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !dumped.is_ok_and(|status| status.success()) {
            return Err(format!(
                "counting instructions failed: `vgdb --pid={process} dump` failed: install valgrind, or see the \
                 output of the program above"
            ));
        }
        let failed = |error| format!("reading the counts in {} failed: {error}", self.folder.path().display());
        let files = fs::read_dir(self.folder.path()).map_err(failed)?;
        for file in files.flatten() {
            let text = fs::read_to_string(file.path()).map_err(failed)?;
            // The file that callgrind creates at the start is empty until the program exits.
            let summary = text.lines().find_map(|line| line.strip_prefix("summary: "));
            if let Some(count) = summary.and_then(|count| count.trim().parse::<f64>().ok()) {
                self.counted.set(self.counted.get() + count);
                fs::remove_file(file.path()).map_err(failed)?;
            }
        }
        Ok(self.counted.get())
    }
}
