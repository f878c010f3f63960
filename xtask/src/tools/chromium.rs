//! A Chromium for the browser tests: `$CHROMIUM`, else the one on PATH, else one that Playwright has fetched before, else
//! Debian's package, else Playwright's own build.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt;
use super::node::Node;
use crate::result::Result;
use crate::{command, workspace};

const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The program. `tests/browser` must be installed.
pub(crate) fn find(node: &Node) -> Result<PathBuf> {
    if let Some(found) = command::named_by("CHROMIUM")? {
        return Ok(found);
    }
    let found = find_installed().or_else(|| playwrights(node));
    if let Some(found) = found.or_else(|| apt::install_and_find("chromium", find_installed)) {
        return Ok(found);
    }
    command::run(
        "fetching Playwright's Chromium into target/tools",
        Command::new(&node.npm)
            .args(["exec", "--", "playwright-core", "install", "chromium"])
            .env("PLAYWRIGHT_BROWSERS_PATH", browsers())
            .current_dir(folder()),
        "install Chromium or Chrome by hand, or set CHROMIUM to its path",
    )?;
    playwrights(node)
        .ok_or_else(|| "missing Chromium, which Playwright did not install: set CHROMIUM to its path".to_owned())
}

fn find_installed() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| command::find(Path::new(name)))
}

/// The one that Playwright fetched before, into `target/tools`.
fn playwrights(node: &Node) -> Option<PathBuf> {
    let script = "process.stdout.write(require('playwright-core').chromium.executablePath())";
    let path = command::read_output(
        Command::new(&node.node)
            .args(["-e", script])
            .env("PLAYWRIGHT_BROWSERS_PATH", browsers())
            .current_dir(folder()),
    )?;
    command::find(Path::new(&path))
}

fn browsers() -> PathBuf {
    workspace::tools().join("browsers")
}

fn folder() -> PathBuf {
    workspace::path("tests/browser")
}
