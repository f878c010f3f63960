//! `cargo xtask deny`: what may be depended on, by cargo-deny and `deny.toml`.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::result::Result;
use crate::{command, tools, workspace};

/// Licences, sources and bans always; advisories where their database can be reached.
pub(crate) fn run() -> Result<ExitCode> {
    let cargo_deny = tools::cargo_deny::find()?;
    command::run(
        "checking bans, licences and sources of the dependencies",
        deny(&cargo_deny).args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]),
        "The message above names the crate; deny.toml has the rules.",
    )?;
    command::progress("checking the dependencies against the advisory database");
    let mut advisories = deny(&cargo_deny);
    let output = advisories
        .args(["check", "--hide-inclusion-graph", "advisories"])
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", cargo_deny.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    eprint!("{text}");
    if output.status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    // The one failure that says nothing about the dependencies.
    if text.contains("failed to fetch advisory database") {
        command::progress("NOT CHECKED against the advisory database: it cannot be reached from here");
        return Ok(ExitCode::SUCCESS);
    }
    Err("the advisories above concern our dependencies".to_owned())
}

fn deny(cargo_deny: &Path) -> Command {
    let mut command = Command::new(cargo_deny);
    command.arg("--all-features").current_dir(workspace::root());
    command
}
