//! `cargo xtask scale`: builds what the simulation needs (`tests/src/bin/scale`), and runs it.

use std::process::{Command, ExitCode};

use crate::result::Result;
use crate::{command, programs, tools, workspace};

/// The page with the figures.
const RESULTS: &str = "bench/results/scale.md";

/// Runs the simulation and writes the page. With sizes, which are the simulation's own arguments, it does not write the page.
pub(crate) fn run(sizes: &[&str]) -> Result<ExitCode> {
    let (mut artifacts, _) = programs::build()?;
    artifacts.redis = Some(tools::redis::find()?);
    programs::build_packages("building the simulation", &[], &["--workspace", "--bin", "scale"])?;
    let mut simulation = Command::new(programs::program("scale"));
    simulation
        .envs(artifacts.to_env())
        .arg("--folder")
        .arg(workspace::target().join("scale"))
        .args(sizes);
    if sizes.is_empty() {
        simulation.arg("--page").arg(workspace::path(RESULTS));
    }
    command::progress("simulating (an idle machine gives steady latencies)");
    match command::run_for_status(&mut simulation)?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err("simulating failed: see the messages above, and the logs below target/scale".to_owned()),
    }
}
