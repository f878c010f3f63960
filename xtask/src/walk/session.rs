//! A reader at a terminal: runs the blocks of one document, one after the other, each from the repository's root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use demo_system::{ChildGroup, Signal};

use super::blocks::{Block, Way};
use crate::result::Result;

const POLL: Duration = Duration::from_millis(200);
/// How long a block may take, or take to print its text: a clean clone builds everything.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(90 * 60);
/// How long a program may take to exit after Ctrl-C.
const GRACE: Duration = Duration::from_secs(30);

/// What keeps running while a document is walked through.
pub(crate) struct Session<'a> {
    /// The clone.
    root: &'a Path,
    /// The folder for the output of blocks that are not run to their end.
    logs: PathBuf,
    /// Set by Ctrl-C.
    interrupted: &'a AtomicBool,
    background: Vec<Program>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(root: &'a Path, logs: &Path, interrupted: &'a AtomicBool) -> Session<'a> {
        Session {
            root,
            logs: logs.to_owned(),
            interrupted,
            background: Vec::new(),
        }
    }

    /// Runs a block according to its mark.
    pub(crate) fn walk(&mut self, block: &Block) -> Result<()> {
        if let Some(ended) = self.background.iter_mut().find_map(Program::failure) {
            return Err(format!("a program of an earlier block failed: it {ended}"));
        }
        match &block.way {
            Way::Run => self.run(&block.script),
            Way::Until(text) => self.start(block, text).map(drop),
            Way::Background(text) => {
                let program = self.start(block, text)?;
                self.background.push(program);
                Ok(())
            }
        }
    }

    fn run(&self, script: &str) -> Result<()> {
        let mut program = Program::start(self.command(script), None)?;
        let status = self.wait(|| program.has_succeeded())?;
        match status {
            Some(true) => Ok(()),
            Some(false) => Err("the block failed: see its output above".to_owned()),
            None => Err(format!(
                "the block timed out after {} minutes: see its output above",
                BLOCK_TIMEOUT.as_secs() / 60
            )),
        }
    }

    fn start(&self, block: &Block, text: &str) -> Result<Program> {
        let log = self.logs.join(format!("line-{}.log", block.line));
        let output = File::create(&log).map_err(|error| format!("writing {} failed: {error}", log.display()))?;
        let errors = output
            .try_clone()
            .map_err(|error| format!("writing {} failed: {error}", log.display()))?;
        let mut command = self.command(&block.script);
        command.stdout(output).stderr(errors);
        let mut program = Program::start(command, Some(log.clone()))?;
        let seen = self.wait(|| match fs::read_to_string(&log) {
            Ok(output) if output.contains(text) => Some(Ok(())),
            _ => program.failure().map(Err),
        })?;
        match seen {
            Some(Ok(())) => Ok(program),
            Some(Err(ended)) => Err(format!("the block did not print `{text}`: it {ended}")),
            None => Err(format!(
                "waiting for `{text}` in the output of the block timed out after {} minutes: {}",
                BLOCK_TIMEOUT.as_secs() / 60,
                program.end_of_log()
            )),
        }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.root)
            .stdin(Stdio::null());
        // Variables that cargo sets for the programs that it runs do not exist in a reader's terminal.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        command
    }

    /// Calls `ask` until it returns a value, which it must do within [`BLOCK_TIMEOUT`]. `None`: it did not.
    fn wait<T>(&self, mut ask: impl FnMut() -> Option<T>) -> Result<Option<T>> {
        let begin = Instant::now();
        while begin.elapsed() < BLOCK_TIMEOUT {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err("the block was interrupted".to_owned());
            }
            if let Some(value) = ask() {
                return Ok(Some(value));
            }
            std::thread::sleep(POLL);
        }
        Ok(None)
    }
}

/// A running block. Dropping it sends Ctrl-C, and a stronger signal if that is not enough.
struct Program {
    group: ChildGroup,
    log: Option<PathBuf>,
}

impl Program {
    fn start(command: Command, log: Option<PathBuf>) -> Result<Program> {
        let group =
            ChildGroup::start(command).map_err(|error| format!("starting bash failed: {error}: install bash"))?;
        Ok(Program { group, log })
    }

    /// Whether it has succeeded; `None` while it runs.
    fn has_succeeded(&mut self) -> Option<bool> {
        self.group.exit_status().map(|status| status.success())
    }

    /// The exit status and the end of the output, in a sentence; `None` while it runs.
    fn failure(&mut self) -> Option<String> {
        let status = self.group.exit_status()?;
        Some(format!("exited ({status}): {}", self.end_of_log()))
    }

    /// The end of the output, after the advice to see it and the name of its file.
    fn end_of_log(&self) -> String {
        let log = self.log.clone().unwrap_or_default();
        let output = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("see the end of {}:\n{end}", log.display())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.group.stop(Signal::Interrupt, GRACE);
    }
}
