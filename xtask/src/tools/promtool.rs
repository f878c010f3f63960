//! promtool for the tests of the alert rules: `$PROMTOOL`, PATH, or the one in Debian's package of Prometheus, unpacked
//! beside the other tools. That package is not installed: that would start a server.

use std::path::{Path, PathBuf};

use super::apt;
use crate::{Result, command, workspace};

const PROGRAM: &str = "promtool";
const PACKAGE: &str = "prometheus";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("PROMTOOL").filter(|program| !program.is_empty()) {
        let missing = || {
            format!(
                "PROMTOOL names {}, which is not an executable file",
                program.to_string_lossy()
            )
        };
        return command::find(&program).ok_or_else(missing);
    }
    let folder = workspace::tools().join(PACKAGE);
    let unpacked = folder.join("usr/bin").join(PROGRAM);
    if let Some(found) = command::find(Path::new(PROGRAM)).or_else(|| command::find(&unpacked)) {
        return Ok(found);
    }
    if command::find("dpkg-deb").is_some() {
        match apt::unpack(PACKAGE, &folder) {
            // It is linked with nothing but the C library.
            Ok(()) if unpacked.is_file() => return Ok(unpacked),
            Ok(()) => command::progress("Debian's package of Prometheus holds no promtool"),
            Err(message) => command::progress(&message),
        }
    }
    Err(
        "the tests of the alert rules need promtool: install Prometheus, for example with `apt-get install prometheus` or \
         `brew install prometheus`, or set PROMTOOL to the program"
            .to_owned(),
    )
}
