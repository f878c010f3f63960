//! The walks behind each control plane (`tests/src/bin/control_planes`).

use std::path::Path;
use std::process::Command;

use super::api_server::ApiServer;
use super::programs::Programs;
use crate::result::Result;
use crate::{command, image, programs, tools};

/// Walks through the system behind each of these control planes.
pub(super) fn run(names: &[&str], found: &Programs, server: &ApiServer, folder: &Path) -> Result<()> {
    let (artifacts, _) = programs::build()?;
    programs::build_packages("building the walk", &[], &["--workspace", "--bin", "control_planes"])?;
    // Envoy Gateway fetches the filter as people publish it.
    image::run(image::Flags::default())?;
    let mut walk = Command::new(programs::program("control_planes"));
    walk.envs(artifacts.to_env())
        .env("NATIVE_MODULE", tools::native::build()?)
        .env("KUBECTL", &found.kubectl)
        .env("KUBECONFIG", server.configuration())
        .env("PILOT_DISCOVERY", &found.pilot_discovery)
        .env("ENVOY_GATEWAY", &found.envoy_gateway)
        .arg(folder)
        .args(names);
    command::run(
        "walking through the system behind each control plane",
        &mut walk,
        "see the messages above",
    )
}
