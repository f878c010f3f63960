//! The single page application, built by Vite.

use std::path::PathBuf;
use std::process::Command;

use crate::jobs::Job;
use crate::result::Result;
use crate::stamp::{self, Stamp};
use crate::tools::node::Node;
use crate::{client, command, workspace};

/// If the sources of the single page application have changed, builds it. Returns `demo/spa/dist`.
pub(crate) fn build(node: &Node) -> Result<PathBuf> {
    let folder = workspace::path("demo/spa");
    node.install(&folder)?;
    let dist = folder.join("dist");
    let sources = stamp::listing(&[folder.clone(), client::sources()], &["node_modules", "dist"])?;
    let stamp = Stamp::new(workspace::target().join("spa.stamp"), sources);
    if !(stamp.is_current() && dist.join("index.html").is_file()) {
        command::run(
            "building the single page application",
            npm(node).args(["run", "--silent", "build"]).current_dir(&folder),
            "correct the error above, which is in the folder `demo/spa`",
        )?;
        stamp.set()?;
    }
    Ok(dist)
}

/// The job that checks the types of the single page application.
pub(crate) fn type_check(node: &Node) -> Job {
    let mut check = npm(node);
    check
        .args(["run", "--silent", "check"])
        .current_dir(workspace::path("demo/spa"));
    Job::new("types of the single page application", check)
}

fn npm(node: &Node) -> Command {
    Command::new(&node.npm)
}
