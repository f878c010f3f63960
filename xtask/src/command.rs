//! Runs other programs, with a progress line before and a helpful error after.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::result::Result;

/// Prints one line on the terminal.
pub(crate) fn progress(line: &str) {
    eprintln!("==> {line}");
}

/// Prints a warning: what is left out or replaced, and what to do about it.
pub(crate) fn warn(message: &str) {
    eprintln!("warning: {message}");
}

/// Runs a step that must succeed. The error contains the command and ends with `hint`: what to do, without a full stop.
pub(crate) fn run(step: &str, command: &mut Command, hint: &str) -> Result<()> {
    progress(step);
    let result = command.status();
    check(step, command, hint, result)
}

fn check(step: &str, command: &Command, hint: &str, result: io::Result<ExitStatus>) -> Result<()> {
    match result {
        Ok(status) if status.success() => Ok(()),
        result => {
            let how = result.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(format!("{step} failed: `{}`: {how}: {hint}", shown(command)))
        }
    }
}

/// Like [`run`], for a program whose standard output is the result.
pub(crate) fn run_for_output(step: &str, command: &mut Command, hint: &str) -> Result<String> {
    progress(step);
    let mut text = String::new();
    let result = command.stdout(Stdio::piped()).spawn().and_then(|mut child| {
        if let Some(output) = &mut child.stdout {
            output.read_to_string(&mut text)?;
        }
        child.wait()
    });
    check(step, command, hint, result).map(|()| text)
}

/// Runs a program whose exit status is the result.
pub(crate) fn run_for_status(command: &mut Command) -> Result<ExitStatus> {
    command.status().map_err(|error| not_started(command, &error))
}

/// The error of a program that cannot be started.
pub(crate) fn not_started(command: &Command, error: &io::Error) -> String {
    let program = command.get_program().to_string_lossy();
    format!(
        "starting `{}` failed: {error}: check that {program} exists and is executable",
        shown(command)
    )
}

/// The standard output of a program, without surrounding white space; `None` if the program fails.
pub(crate) fn read_output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Finds a program by its name on PATH, or by its path.
pub(crate) fn find(name: impl AsRef<Path>) -> Option<PathBuf> {
    let name = name.as_ref();
    if name.components().count() > 1 {
        return std::path::absolute(name).ok().filter(|path| is_executable(path));
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

/// The program that an environment variable names, if it is set.
///
/// # Errors
/// The variable does not name an executable file.
pub(crate) fn named_by(variable: &str) -> Result<Option<PathBuf>> {
    match std::env::var_os(variable).filter(|program| !program.is_empty()) {
        None => Ok(None),
        Some(program) => find(&program).map(Some).ok_or_else(|| {
            format!(
                "invalid {variable}: {} is not an executable file: write the path of a program",
                program.to_string_lossy()
            )
        }),
    }
}

/// The program that an environment variable names, or else the one that `find` returns.
///
/// # Errors
/// `missing` if there is none, or the variable does not name an executable file.
pub(crate) fn named_or_found(variable: &str, find: impl FnOnce() -> Option<PathBuf>, missing: &str) -> Result<PathBuf> {
    match named_by(variable)? {
        Some(program) => Ok(program),
        None => find().ok_or_else(|| missing.to_owned()),
    }
}

fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    let has_mode =
        |metadata: &std::fs::Metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let has_mode = |_: &std::fs::Metadata| true;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && has_mode(&metadata))
}

/// From now on Ctrl-C and similar signals set the flag, and do not end this process.
pub(crate) fn set_when_interrupted(flag: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map_err(|error| format!("registering signal handlers failed: {error}"))?;
    }
    Ok(())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command as messages show it: the program and its arguments, with quotes around those with white space.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        match word.is_empty() || word.contains(char::is_whitespace) {
            true => format!("'{word}'"),
            false => word.into_owned(),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
