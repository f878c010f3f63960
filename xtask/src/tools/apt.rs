//! Debian's packages: installed, if this user may do that, or only unpacked.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use demo_system::files;

use crate::result::Result;
use crate::{command, workspace};

/// Whether packages can be installed: apt-get exists and this user is root.
pub(crate) fn is_usable() -> bool {
    let is_root = || command::read_output(Command::new("id").arg("-u")).as_deref() == Some("0");
    command::find("apt-get").is_some() && is_root()
}

/// A program from a package that is unpacked beside the other tools and not installed, because that would start a server.
/// `path` is its place in the package, and `version` the argument that prints its version. `None` if it is unavailable:
/// without `dpkg-deb`, or, with a warning, after a failure.
pub(crate) fn find_or_unpack(package: &str, path: &str, version: &str) -> Option<PathBuf> {
    let folder = workspace::tools().join(package);
    let program = folder.join(path);
    if program.is_file() {
        return Some(program);
    }
    command::find("dpkg-deb")?;
    let problem = match unpack(package, &folder) {
        Err(message) => message,
        Ok(()) if command::read_output(Command::new(&program).arg(version)).is_some() => return Some(program),
        Ok(()) => format!(
            "running {} failed: install {package} by hand, with the libraries that it needs",
            program.display()
        ),
    };
    command::warn(&problem);
    None
}

/// Installs a package, and returns the program that `find` finds after that. `None` if it is unavailable: where packages
/// cannot be installed, or, with a warning, after a failure.
pub(crate) fn install_and_find(package: &str, find: impl Fn() -> Option<PathBuf>) -> Option<PathBuf> {
    if !is_usable() {
        return None;
    }
    match install(&[package]) {
        Ok(()) => find(),
        Err(message) => {
            command::warn(&message);
            None
        }
    }
}

/// Downloads a package and unpacks it into a folder, without installing it.
fn unpack(package: &str, folder: &Path) -> Result<()> {
    files::create_dir(folder)?;
    let hint = format!("install {package} by hand, or make sure that apt-get reaches its mirror");
    let download = || {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "download", package]).current_dir(folder);
        command
    };
    let step = format!("downloading {package} with apt-get");
    if command::run(&step, &mut download(), &hint).is_err() {
        command::run(
            "updating the package lists of apt-get",
            Command::new("apt-get").args(["-qq", "update"]),
            &hint,
        )?;
        command::run(&step, &mut download(), &hint)?;
    }
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let file = files
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"));
    let file = file.ok_or_else(|| {
        format!(
            "downloading {package} failed: there is no package file in {}: {hint}",
            folder.display()
        )
    })?;
    command::run(
        &format!("unpacking {package}"),
        Command::new("dpkg-deb").arg("-x").arg(file).arg(folder),
        &hint,
    )
}

/// Installs system packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let hint = format!("install {names} by hand, or make sure that apt-get reaches its mirror");
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    // Old lists may suffice: the installation shows whether they do.
    if let Err(message) = command::run("updating the package lists of apt-get", apt_get().arg("update"), &hint) {
        command::warn(&message);
    }
    command::run(
        &format!("installing system packages with apt-get: {names}"),
        apt_get()
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages)
            // It prints a line for every file. Errors are on standard error.
            .stdout(Stdio::null()),
        &hint,
    )
}
