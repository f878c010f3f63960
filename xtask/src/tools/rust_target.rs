//! Targets of the Rust toolchain that runs this program: their standard libraries.

use std::path::Path;
use std::process::Command;

use crate::result::Result;
use crate::{command, workspace};

/// Whether the toolchain has the target's standard library.
pub(super) fn has(target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(workspace::root());
    command::read_output(&mut rustc).is_some_and(|folder| Path::new(&folder).is_dir())
}

/// Adds the target with rustup. `false`: there is no rustup.
///
/// # Errors
/// rustup cannot add it.
pub(super) fn add(target: &str) -> Result<bool> {
    if command::find("rustup").is_none() {
        return Ok(false);
    }
    command::run(
        &format!("adding the target {target} with rustup"),
        Command::new("rustup")
            .args(["target", "add", target])
            .current_dir(workspace::root()),
        "check that rustup reaches its server",
    )?;
    Ok(true)
}
