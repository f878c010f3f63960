//! nginx for the test of `/authorize`: `$NGINX`, PATH, or Debian's package, unpacked beside the other tools.

use std::path::PathBuf;

use super::apt;
use crate::{Result, command};

const PROGRAM: &str = "nginx";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(found) = command::named_by("NGINX")? {
        return Ok(found);
    }
    if let Some(found) = command::find(PROGRAM).or_else(|| apt::unpacked(PROGRAM, "usr/sbin/nginx", "-v")) {
        return Ok(found);
    }
    Err(
        "the test of `/authorize` needs nginx: install it, for example with `apt-get install nginx` or `brew install \
         nginx`, or set NGINX to the program"
            .to_owned(),
    )
}
