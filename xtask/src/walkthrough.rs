//! The walkthrough of the demo in a browser, wherever the demo runs.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use demo_system::Options;

use crate::result::Result;
use crate::tools::node::Node;
use crate::{command, tools, workspace};

/// A browser, and the program that controls it.
pub(crate) struct Walkthrough {
    node: Node,
    chromium: PathBuf,
}

impl Walkthrough {
    /// Finds or fetches the browser and the program.
    pub(crate) fn prepare(node: Node) -> Result<Walkthrough> {
        node.install(&folder())?;
        let chromium = tools::chromium::find(&node)?;
        Ok(Walkthrough { node, chromium })
    }

    /// Walks through the demo at the domain and port of these options, and returns the exit status.
    pub(crate) fn run(&self, options: &Options, ca: &Path) -> Result<ExitCode> {
        command::progress("walking through the demo in a browser");
        let status = command::run_for_status(
            Command::new(&self.node.node)
                .arg("walkthrough.mjs")
                .env("WWW", options.origin("www"))
                .env("API", options.api_origin())
                .env("LOGIN", options.origin("login"))
                .env("CA_FILE", ca)
                .env("BFF_DEMO_DOMAIN", &options.domain)
                .env("CHROMIUM", &self.chromium)
                .current_dir(folder()),
        )?;
        // None: ended by a signal.
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

fn folder() -> PathBuf {
    workspace::path("tests/browser")
}
