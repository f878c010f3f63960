//! Debian's packages, where this user may install them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Result, command, workspace};

/// Whether packages can be installed: apt-get is there and this is root.
pub(crate) fn is_usable() -> bool {
    let is_root = || command::output(Command::new("id").arg("-u")).as_deref() == Some("0");
    command::find("apt-get").is_some() && is_root()
}

/// Downloads a package and unpacks it into a folder, without installing it.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<()> {
    workspace::create_dir(folder)?;
    let hint = format!("Install {package} by hand, or see to it that apt-get reaches its mirror.");
    let download = || {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "download", package]).current_dir(folder);
        command
    };
    let step = format!("apt-get: downloading {package}");
    if command::run(&step, &mut download(), "").is_err() {
        command::run(
            "apt-get: updating the package lists",
            Command::new("apt-get").args(["-qq", "update"]),
            &hint,
        )?;
        command::run(&step, &mut download(), &hint)?;
    }
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let file = files
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"));
    let file = file.ok_or_else(|| format!("apt-get has downloaded no package into {}", folder.display()))?;
    command::run(
        &format!("unpacking {package}"),
        Command::new("dpkg-deb").arg("-x").arg(file).arg(folder),
        &hint,
    )
}

/// Installs system packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let hint = format!("Install them by hand ({names}), or see to it that apt-get reaches its mirror.");
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    // Old lists may be enough; whether they are, the installation shows.
    if let Err(message) = command::run("apt-get: updating the package lists", apt_get().arg("update"), "") {
        command::progress(&message);
    }
    command::run(
        &format!("apt-get: installing SYSTEM packages: {names}"),
        apt_get()
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages)
            // It tells about every file; what goes wrong comes on the other output.
            .stdout(Stdio::null()),
        &hint,
    )
}
