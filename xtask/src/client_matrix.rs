//! `cargo xtask client-matrix`: the client package in one small application for each framework (`tests/client-matrix`).

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use demo_system::{Options, System, free_port};

use crate::result::Result;
use crate::{client, command, programs, tools, workspace};

const FRAMEWORKS: [&str; 4] = ["next", "vue", "svelte", "angular"];

/// Tries the client package in all frameworks, or only in those with these names.
pub(crate) fn run(frameworks: &[&str]) -> Result<ExitCode> {
    if let Some(unknown) = frameworks.iter().find(|name| !FRAMEWORKS.contains(name)) {
        return Err(format!(
            "invalid framework `{unknown}`: write one of {}",
            FRAMEWORKS.join(", ")
        ));
    }
    let (artifacts, node) = programs::build()?;
    let browser = workspace::path("tests/browser");
    node.install(&browser)?;
    client::build(&node)?;
    let chromium = tools::chromium::find(&node)?;
    let interrupted = Arc::default();
    command::set_when_interrupted(&interrupted)?;
    let options = Options {
        web_origin: Some(format!("http://localhost:{}", free_port())),
        interrupted: Arc::clone(&interrupted),
        ..Options::for_tests(workspace::target().join("client-matrix/system"))
    };
    let system = System::start(&artifacts, options)?;
    let mut failed = Vec::new();
    for framework in FRAMEWORKS {
        if !frameworks.is_empty() && !frameworks.contains(&framework) {
            continue;
        }
        command::progress(&format!(
            "trying the client package in {framework}: installing, building and starting an application"
        ));
        let status = command::run_for_status(
            Command::new(&node.node)
                .arg("client-matrix.mjs")
                .arg(framework)
                .env("WWW", system.www())
                .env("API", system.api())
                .env("LOGIN", system.login())
                .env("CA_FILE", system.ca_pem())
                .env("CHROMIUM", &chromium)
                .env("WEB_ORIGIN", system.options().web_origin.clone().unwrap_or_default())
                .env("NPM", &node.npm)
                .env("MATRIX", workspace::target().join("client-matrix"))
                .current_dir(&browser),
        )?;
        if interrupted.load(Ordering::Relaxed) {
            return Ok(ExitCode::FAILURE);
        }
        if !status.success() {
            failed.push(framework);
        }
    }
    match failed.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(format!(
            "trying the client package in {} failed: see the messages above",
            failed.join(", ")
        )),
    }
}
