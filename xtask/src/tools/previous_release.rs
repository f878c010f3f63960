//! The service as it was last released, for the test that its sessions live on.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::stamp::Stamp;
use crate::{Result, command, workspace};

/// The commit of the last release. It moves with each release, and not before: what was sealed by what runs out there has to
/// open.
const COMMIT: &str = "ebb01d86b68e8758a4438fa9878f491a374879f8";

/// Names a `bff-service` of the last release, where it cannot be built here.
const VARIABLE: &str = "PREVIOUS_BFF_SERVICE";

/// The program: the one that the variable names, else built from the repository's history. To be called before the services
/// of this checkout are built, since both builds have one place for their result.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(named) = command::named_by(VARIABLE)? {
        return Ok(named);
    }
    let folder = workspace::target().join("previous-release");
    let program = folder.join(format!("bff-service{}", std::env::consts::EXE_SUFFIX));
    workspace::create_dir(&folder)?;
    let stamp = Stamp::new(folder.join("stamp"), COMMIT.to_owned());
    if !(stamp.is_current() && program.is_file()) {
        build(&folder.join("source"), &program)?;
        stamp.set()?;
    }
    Ok(program)
}

fn build(source: &PathBuf, program: &PathBuf) -> Result<()> {
    extract(source)?;
    let mut cargo = command::cargo();
    // One target folder: most dependencies are the same, and are not compiled twice.
    cargo
        .args(["build", "--locked", "--package", "bff-service", "--target-dir"])
        .arg(workspace::target())
        .current_dir(source);
    command::run(
        "building the service of the last release, whose sessions must live on",
        &mut cargo,
        &format!("Set {VARIABLE} to a bff-service of that release, where it cannot be built."),
    )?;
    let built = workspace::target()
        .join("debug")
        .join(program.file_name().unwrap_or_default());
    fs::copy(&built, program)
        .map(drop)
        .map_err(|error| format!("{} cannot be copied: {error}", built.display()))
}

/// Writes the files of the commit into a new folder.
fn extract(source: &PathBuf) -> Result<()> {
    let _ = fs::remove_dir_all(source);
    workspace::create_dir(source)?;
    let missing = || {
        format!(
            "commit {COMMIT}, the last release, is not in this checkout: get the whole history with `git fetch \
             --unshallow`, or set {VARIABLE} to a bff-service of that release"
        )
    };
    let mut git = Command::new("git")
        .args(["archive", COMMIT])
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    let archive = git.stdout.take().ok_or_else(missing)?;
    let unpacked = tar::Archive::new(archive).unpack(source);
    match git.wait() {
        Ok(status) if status.success() => {
            unpacked.map_err(|error| format!("{} cannot be written: {error}", source.display()))
        }
        _ => Err(missing()),
    }
}
