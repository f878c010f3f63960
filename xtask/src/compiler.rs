//! What the Rust compiler says of itself.

use std::process::Command;

use crate::command;
use crate::result::Result;

/// The target of this machine, for `--target`, without which build scripts and macros would be built with `RUSTFLAGS` too.
pub(crate) fn host() -> Result<String> {
    let version = command::read_output(Command::new("rustc").arg("-vV"))
        .ok_or("running `rustc -vV` failed: check that rustc is on PATH")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .ok_or("the output of `rustc -vV` has no line that begins with `host:`: check which rustc is on PATH")?
        .to_owned())
}
