//! nginx for the test of `/authorize`: `$NGINX`, PATH, or Debian's package, unpacked beside the other tools. It is not
//! installed: that would start it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt;
use crate::{Result, command, workspace};

const PROGRAM: &str = "nginx";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("NGINX").filter(|program| !program.is_empty()) {
        let missing = || {
            format!(
                "NGINX names {}, which is not an executable file",
                program.to_string_lossy()
            )
        };
        return command::find(&program).ok_or_else(missing);
    }
    let folder = workspace::tools().join(PROGRAM);
    let unpacked = folder.join("usr/sbin/nginx");
    if let Some(found) = command::find(Path::new(PROGRAM)).or_else(|| command::find(&unpacked)) {
        return Ok(found);
    }
    if command::find("dpkg-deb").is_some() {
        match apt::unpack(PROGRAM, &folder) {
            Ok(()) if runs(&unpacked) => return Ok(unpacked),
            Ok(()) => command::progress("Debian's nginx does not run here: a library of its is not installed"),
            Err(message) => command::progress(&message),
        }
    }
    Err(
        "the test of `/authorize` needs nginx: install it, for example with `apt-get install nginx` or `brew install \
         nginx`, or set NGINX to the program"
            .to_owned(),
    )
}

fn runs(program: &Path) -> bool {
    Command::new(program)
        .arg("-v")
        .output()
        .is_ok_and(|output| output.status.success())
}
