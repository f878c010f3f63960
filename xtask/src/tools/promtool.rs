//! promtool for the tests of the alert rules: `$PROMTOOL`, PATH, or the one in Debian's package of Prometheus, unpacked
//! beside the other tools.

use std::path::PathBuf;

use super::apt;
use crate::command;
use crate::result::Result;

const PROGRAM: &str = "promtool";

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    command::named_or_found(
        "PROMTOOL",
        || command::find(PROGRAM).or_else(|| apt::find_or_unpack("prometheus", "usr/bin/promtool", "--version")),
        "missing promtool for the tests of the alert rules: install Prometheus, for example with \
         `apt-get install prometheus` or `brew install prometheus`, or set PROMTOOL to its path",
    )
}
