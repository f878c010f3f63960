//! The browser client: a package of its own, which applications get from `npm pack`.

use std::path::PathBuf;
use std::process::Command;

use crate::jobs::Job;
use crate::result::Result;
use crate::stamp::{self, Stamp};
use crate::tools::node::Node;
use crate::{command, workspace};

/// If the sources of `client/dist` have changed, builds it and checks its types.
pub(crate) fn build(node: &Node) -> Result<()> {
    let folder = workspace::path("client");
    node.install(&folder)?;
    let sources = stamp::listing(
        &[sources(), folder.join("tsconfig.json"), folder.join("package.json")],
        &[],
    )?;
    let stamp = Stamp::new(workspace::target().join("client.stamp"), sources);
    if !(stamp.is_current() && folder.join("dist/index.js").is_file()) {
        command::run(
            "building the browser client",
            &mut npm(node, &["run", "build"]),
            "correct the error above, which is in the folder `client`",
        )?;
        stamp.set()?;
    }
    Ok(())
}

/// The job that runs the package's tests, including the test of its size.
pub(crate) fn tests(node: &Node) -> Job {
    Job::new("tests of the browser client", npm(node, &["test"]))
}

/// The folder of its sources, which the single page application is built from too.
pub(crate) fn sources() -> PathBuf {
    workspace::path("client/src")
}

fn npm(node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(&node.npm);
    command
        .arg("--silent")
        .args(arguments)
        .current_dir(workspace::path("client"));
    command
}
