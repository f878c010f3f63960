//! Redis for several replicas and for `bench`: `$REDIS_SERVER`, PATH, or Debian's package.

use std::path::PathBuf;

use super::apt;
use crate::command;
use crate::result::Result;

const PROGRAM: &str = "redis-server";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    let find = || command::find(PROGRAM).or_else(|| command::find("valkey-server"));
    command::named_or_found(
        "REDIS_SERVER",
        || find().or_else(|| apt::install_and_find(PROGRAM, find)),
        "missing redis-server or valkey-server: install one, for example with \
         `apt-get install redis-server` or `brew install redis`, or set REDIS_SERVER to its path",
    )
}
