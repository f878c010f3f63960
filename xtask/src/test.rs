//! `cargo xtask test`: all tests, with what they need in their environment.

use std::process::{Command, ExitCode};

use crate::{Result, client, command, fuzz, programs, spa, tools, workspace};

/// With filters: the Rust tests, those of the whole system and in the browser included, whose names contain one of them.
pub(crate) fn run(filters: &[&str]) -> Result<ExitCode> {
    let previous = tools::previous_release::find()?;
    let (mut artifacts, node) = programs::build(true)?;
    artifacts.redis = Some(tools::redis::find()?);
    node.install(&workspace::path("tests/browser"))?;
    client::build(&node)?;
    let chromium = tools::chromium::find(&node)?;
    let schemathesis = tools::schemathesis::find()?;
    let nginx = tools::nginx::find()?;
    let helm = tools::helm::find()?;
    let schemas = tools::kubernetes::schemas(&node)?;
    let promtool = tools::promtool::find()?;
    if filters.is_empty() {
        spa::check(&node)?;
        client::test(&node)?;
        command::run(
            "testing the authorization server",
            Command::new(&node.npm)
                .args(["test", "--silent"])
                .current_dir(&artifacts.authorization_server),
            "The report above names the test.",
        )?;
    }
    if filters.is_empty() {
        fuzz::run_shortly()?;
    }
    command::progress("testing the workspace");
    let mut cargo = command::cargo();
    cargo
        .args(["test", "--workspace", "--no-fail-fast", "--"])
        .args(filters)
        .envs(artifacts.to_env())
        .env("PREVIOUS_BFF_SERVICE", previous)
        .env("CHROMIUM", chromium)
        .env("SCHEMATHESIS", schemathesis)
        .env("NGINX", nginx)
        .env("NPM", &node.npm)
        .env("HELM", helm)
        .envs(schemas)
        .env("PROMTOOL", promtool)
        .current_dir(workspace::root());
    match command::status(&mut cargo)?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err("tests have failed; the report above names them".to_owned()),
    }
}
