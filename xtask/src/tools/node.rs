//! Node.js and npm, and the dependencies of the JavaScript folders.

use std::path::{Path, PathBuf};
use std::process::Command;

use demo_system::files;

use crate::command;
use crate::result::Result;
use crate::stamp::Stamp;

/// The oldest supported version, as in `client/package.json`, and those of later lines that its packages support.
const SUPPORTED: [(u32, u32); 3] = [(20, 19), (22, 13), (23, 5)];

/// The programs of Node.js.
pub(crate) struct Node {
    pub(crate) node: PathBuf,
    pub(crate) npm: PathBuf,
}

impl Node {
    /// Finds node and npm on PATH.
    pub(crate) fn find() -> Result<Node> {
        let hint = "install Node.js with npm, version 24, or 22.13 or a later 22, or 20.19 or a later 20 (https://nodejs.org, nvm, \
                    or your system's packages), and check that node and npm are on PATH";
        let node = command::find("node").ok_or_else(|| format!("missing node: {hint}"))?;
        let npm = command::find("npm").ok_or_else(|| format!("missing npm: {hint}"))?;
        let version = command::read_output(Command::new(&node).arg("--version")).unwrap_or_default();
        match parse_version(&version) {
            Some(found) if is_supported(found) => Ok(Node { node, npm }),
            _ => Err(format!("unsupported version `{version}` of {}: {hint}", node.display())),
        }
    }

    /// Installs a folder's dependencies as its lock file says, unless that has been done.
    pub(crate) fn install(&self, folder: &Path) -> Result<()> {
        let lock = folder.join("package-lock.json");
        let content = files::read(&lock)?;
        // In the installed folder itself: removing it removes the stamp.
        let stamp = Stamp::new(folder.join("node_modules/.installed-for"), content);
        if stamp.is_current() {
            return Ok(());
        }
        command::run(
            &format!("installing the dependencies of {} with npm", folder.display()),
            Command::new(&self.npm)
                .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(folder),
            "check with `npm ping` that npm reaches its registry, and configure a proxy or a mirror in ~/.npmrc if it does not",
        )?;
        stamp.set()
    }
}

/// Whether the packages support a version: those after the last one in the list too.
fn is_supported((major, minor): (u32, u32)) -> bool {
    let is_later = SUPPORTED.iter().all(|(supported, _)| major > *supported);
    is_later
        || SUPPORTED
            .iter()
            .any(|(supported, least)| major == *supported && minor >= *least)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let supported = |text| parse_version(text).map(is_supported);
        for version in ["v20.19.0", "v22.13.1", "v23.5.0", "v24.0.0", "v100.1.0"] {
            assert_eq!(supported(version), Some(true), "{version}");
        }
        for version in ["v18.20.0", "v20.9.0", "v21.7.3", "v22.12.0", "v23.4.0"] {
            assert_eq!(supported(version), Some(false), "{version}");
        }
        assert_eq!(supported("bad"), None);
    }
}
