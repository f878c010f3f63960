//! nginx for the test of `/authorize`: `$NGINX`, PATH, or Debian's package, unpacked beside the other tools.

use std::path::PathBuf;

use super::apt;
use crate::command;
use crate::result::Result;

const PROGRAM: &str = "nginx";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    command::named_or_found(
        "NGINX",
        || command::find(PROGRAM).or_else(|| apt::find_or_unpack(PROGRAM, "usr/sbin/nginx", "-v")),
        "missing nginx for the test of /authorize: install it, for example with `apt-get install nginx` or \
         `brew install nginx`, or set NGINX to its path",
    )
}
