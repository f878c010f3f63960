//! Redis for the tests of several replicas: `$REDIS_SERVER`, PATH, or Debian's package.

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
        || find().or_else(|| apt::installed(PROGRAM, find)),
        "missing redis-server or valkey-server for the tests of several replicas: install one, for example with \
         `apt-get install redis-server` or `brew install redis`, or set REDIS_SERVER to its path",
    )
}
