//! Redis for the tests of several replicas: `$REDIS_SERVER`, PATH, or Debian's package.

use std::path::{Path, PathBuf};

use super::apt;
use crate::{Result, command};

const PROGRAM: &str = "redis-server";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("REDIS_SERVER").filter(|program| !program.is_empty()) {
        let missing = || {
            format!(
                "REDIS_SERVER names {}, which is not an executable file",
                program.to_string_lossy()
            )
        };
        return command::find(&program).ok_or_else(missing);
    }
    let installed = || command::find(Path::new(PROGRAM)).or_else(|| command::find(Path::new("valkey-server")));
    if let Some(found) = installed() {
        return Ok(found);
    }
    if apt::is_usable() {
        match apt::install(&[PROGRAM]) {
            Ok(()) => {
                if let Some(found) = installed() {
                    return Ok(found);
                }
            }
            Err(message) => command::progress(&message),
        }
    }
    Err(
        "the tests of several replicas need redis-server (or valkey-server): install it, for example with `apt-get \
         install redis-server` or `brew install redis`, or set REDIS_SERVER to the program"
            .to_owned(),
    )
}
