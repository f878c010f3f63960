//! Debian's packages, where this user may install them.

use std::process::{Command, Stdio};

use crate::{Result, command};

/// Whether packages can be installed: apt-get is there and this is root.
pub(crate) fn is_usable() -> bool {
    let is_root = || command::output(Command::new("id").arg("-u")).as_deref() == Some("0");
    command::find("apt-get").is_some() && is_root()
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
