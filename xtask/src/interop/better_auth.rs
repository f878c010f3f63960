//! Better Auth, from npm.

use std::ffi::OsString;
use std::fs;

use demo_system::files;

use crate::result::Result;
use crate::tools::node::Node;
use crate::workspace;

/// Fetches Better Auth. The value is the folder of the server, a copy of `tests/interop/better-auth` with its dependencies.
pub(super) fn fetch(node: &Node) -> Result<(&'static str, OsString)> {
    let source = workspace::path("tests/interop/better-auth");
    let folder = workspace::tools().join("better-auth");
    files::create_dir(&folder)?;
    for name in ["package.json", "package-lock.json", "server.mjs"] {
        let (from, to) = (source.join(name), folder.join(name));
        let copied = fs::copy(&from, &to);
        copied.map_err(|error| format!("copying {} to {} failed: {error}", from.display(), to.display()))?;
    }
    node.install(&folder)?;
    Ok(("INTEROP_BETTER_AUTH", folder.into()))
}
