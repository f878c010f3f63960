//! valgrind for `bench --instructions`: PATH, or Debian's package.

use std::path::PathBuf;

use super::apt;
use crate::command;
use crate::result::Result;

/// Finds valgrind and vgdb, which is in the same package, or installs them.
pub(crate) fn find() -> Result<()> {
    if find_installed()
        .or_else(|| apt::install_and_find("valgrind", find_installed))
        .is_some()
    {
        return Ok(());
    }
    Err(
        "missing valgrind, which counts instructions: install it, for example with `apt-get install valgrind`"
            .to_owned(),
    )
}

fn find_installed() -> Option<PathBuf> {
    command::find("vgdb")?;
    command::find("valgrind")
}
