//! `cargo xtask deny`: checks the dependencies with cargo-deny and `deny.toml`.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::result::Result;
use crate::{command, tools, workspace};

/// Checks licenses, sources and bans, and, if their database is reachable, advisories.
pub(crate) fn run() -> Result<ExitCode> {
    let cargo_deny = tools::cargo_deny::find()?;
    command::run(
        "checking bans, licenses and sources of the dependencies",
        deny(&cargo_deny).args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]),
        "see the messages above for the crates, and deny.toml for the rules",
    )?;
    command::progress("checking the dependencies against the advisory database");
    let mut advisories = deny(&cargo_deny);
    let output = advisories
        .args(["check", "--hide-inclusion-graph", "advisories"])
        .output()
        .map_err(|error| command::not_started(&advisories, &error))?;
    let text = String::from_utf8_lossy(&output.stderr);
    eprint!("{text}");
    if output.status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    // A failure that is not about the dependencies.
    if text.contains("failed to fetch advisory database") {
        command::warn(
            "checking advisories failed: the advisory database is unreachable: run `cargo xtask deny` when it is reachable",
        );
        return Ok(ExitCode::SUCCESS);
    }
    Err("advisories apply to the dependencies: update or replace the crates that the messages above name".to_owned())
}

fn deny(cargo_deny: &Path) -> Command {
    let mut command = Command::new(cargo_deny);
    command.arg("--all-features").current_dir(workspace::root());
    command
}
