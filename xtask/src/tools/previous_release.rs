//! The service of the last release, for the test that its sessions survive an upgrade, and its chart, from which releases are
//! upgraded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use demo_system::files;

use crate::result::Result;
use crate::stamp::Stamp;
use crate::{command, workspace};

/// The commit of the last release. It changes with each release and not before: the new version must open the cookies that
/// the released version has sealed.
const COMMIT: &str = "ebb01d86b68e8758a4438fa9878f491a374879f8";

/// Names a `bff-service` of the last release, if it cannot be built here.
const VARIABLE: &str = "PREVIOUS_BFF_SERVICE";

/// The program: the one that the variable names, else built from the repository's history.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(named) = command::named_by(VARIABLE)? {
        return Ok(named);
    }
    let folder = workspace::target().join("previous-release");
    let program = folder.join(format!("bff-service{}", std::env::consts::EXE_SUFFIX));
    files::create_dir(&folder)?;
    let stamp = Stamp::new(folder.join("stamp"), COMMIT.to_owned());
    if !(stamp.is_current() && program.is_file()) {
        build(&folder, &program)?;
        stamp.set()?;
    }
    Ok(program)
}

fn build(folder: &Path, program: &Path) -> Result<()> {
    let (source, target) = (folder.join("source"), folder.join("target"));
    extract(&source, &[]).map_err(|error| format!("{error}, or set {VARIABLE} to a bff-service of that release"))?;
    let mut cargo = command::cargo();
    // A target folder of its own: cargo takes packages of two checkouts for the same if their paths below the workspace
    // are equal, and would not notice that one of them must be built again.
    cargo
        .args(["build", "--locked", "--package", "bff-service", "--target-dir"])
        .arg(&target)
        // The build should be fast, not its result.
        .args(["--config", "profile.dev.debug=false"])
        .args(["--config", "profile.dev.package.\"*\".opt-level=0"])
        .current_dir(&source);
    command::run(
        "building the service of the last release (takes a few minutes, once)",
        &mut cargo,
        &format!("see the compiler's message above, or set {VARIABLE} to a bff-service of that release"),
    )?;
    let built = target.join("debug").join(program.file_name().unwrap_or_default());
    fs::copy(&built, program)
        .map_err(|error| format!("copying {} to {} failed: {error}", built.display(), program.display()))?;
    for done in [source, target] {
        let _ = fs::remove_dir_all(done);
    }
    Ok(())
}

/// The chart of the last release, written into a new folder.
pub(crate) fn chart(folder: &Path) -> Result<PathBuf> {
    let chart = "envoy/helm";
    extract(folder, &[chart])?;
    Ok(folder.join(chart))
}

/// Writes files of the commit into a new folder: those below these paths, or all.
fn extract(source: &Path, paths: &[&str]) -> Result<()> {
    let _ = fs::remove_dir_all(source);
    files::create_dir(source)?;
    let missing = || {
        format!(
            "missing commit {COMMIT}, the last release, in this checkout: fetch the whole history with \
             `git fetch --unshallow`"
        )
    };
    let mut git = Command::new("git")
        .args(["archive", COMMIT])
        .args(paths)
        .current_dir(workspace::root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting git failed: {error}: install git"))?;
    let archive = git.stdout.take().ok_or_else(missing)?;
    let unpacked = tar::Archive::new(archive).unpack(source);
    match git.wait() {
        Ok(status) if status.success() => {
            let hint = "check that the disk has space left";
            unpacked.map_err(|error| format!("unpacking into {} failed: {error}: {hint}", source.display()))
        }
        _ => Err(missing()),
    }
}
